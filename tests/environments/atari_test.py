"""Atari's games, as ale-py's vector environment plays them; it is the oracle."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.atari import AtariEnvironment
from pgtf.environments.elements import environment_seeds
from pgtf.errors import ConfigurationError
from pgtf.policies.decision import Decision
from pgtf.rollouts.unroll import Behaviour, start, unroll
from tests import short_runs

vector_env: Any = pytest.importorskip("ale_py.vector_env", reason="needs pgtf[atari]")
SEED = tf.constant([1, 2])


def oracle(copies: int, **kwargs: Any) -> Any:
    return vector_env.AtariVectorEnv("breakout", copies, reward_clipping=False, **kwargs)


def actions(rows: int, copies: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, (rows, copies)).astype(np.int32)


@pytest.mark.parametrize(
    ("arguments", "kwargs"),
    [
        ({}, {"repeat_action_probability": 0.0, "noop_max": 30, "frameskip": 4}),
        ({"life_loss": True}, {"life_loss_info": True}),
        (
            {"sticky": 0.25, "noops": 0, "frame_skip": 3, "num_threads": 1},
            {"repeat_action_probability": 0.25, "noop_max": 0, "frameskip": 3},
        ),
    ],
)
def test_games_are_ale_pys(arguments: dict[str, Any], kwargs: dict[str, Any]) -> None:
    """Frames, rewards and, where lives end returns, their ends; scores and episodes are whole."""
    copies, rows = 3, 400
    environment = AtariEnvironment("ALE/Breakout-v5", copies, **arguments)
    games = oracle(copies, **kwargs)
    token, tensor = environment.reset(SEED)
    seeds = np.array(environment_seeds(SEED.numpy(), copies)) & 0x7FFFFFFF
    expected, _ = games.reset(seed=seeds)
    assert tensor.dtype == tf.uint8
    np.testing.assert_array_equal(tensor, expected)
    step = tf.function(environment.step, autograph=False)
    over, lost, scored = np.zeros(copies, bool), 0, 0.0
    for action in actions(rows, copies):
        token, row = step(token, tf.constant(action))
        expected, reward, terminated, truncated, infos = games.step(action)
        np.testing.assert_array_equal(row.observation, expected)
        np.testing.assert_array_equal(row.mask, ~over)
        np.testing.assert_array_equal(row.reward, np.where(over, 0, reward))
        np.testing.assert_array_equal(row.score, row.reward)
        np.testing.assert_array_equal(row.terminated, terminated)
        np.testing.assert_array_equal(row.truncated, truncated)
        over = (infos["lives"] == 0) | truncated
        np.testing.assert_array_equal(row.ended, over)
        lost += int((terminated & ~over).sum())
        scored += float(reward.sum())
    assert scored > 0
    assert (lost > 5) == bool(arguments.get("life_loss"))


def test_reported_returns_are_of_whole_games() -> None:
    """Five lives are one episode, while what is learned from ends with each."""
    copies, rows = 2, 400

    def played(life_loss: bool) -> Any:
        environment = AtariEnvironment("ALE/Breakout-v5", copies, life_loss=life_loss)

        def act(observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
            return Decision(tf.random.stateless_uniform((copies,), seed, 0, 4, tf.int32))

        _, trajectory, finished = unroll(
            environment, Behaviour(act), start(environment, SEED), rows, SEED
        )
        environment.close()
        return trajectory, [float(x) for x in finished]

    lives, tally = played(life_loss=True)
    games, expected = played(life_loss=False)
    assert tally == expected
    assert tally[0] > 0
    np.testing.assert_array_equal(lives.time, games.time)
    np.testing.assert_array_equal(lives.mask, games.mask)
    ends = tf.reduce_sum(tf.cast(games.terminated, tf.int32)).numpy()
    assert tf.reduce_sum(tf.cast(lives.terminated, tf.int32)).numpy() >= 5 * ends > 0


def test_seeds_repeat_games_and_each_copy_has_its_own() -> None:
    environment = AtariEnvironment("ALE/Pong-v5", 4)
    assert environment.seeds_each
    _, first = environment.reset(SEED)
    np.testing.assert_array_equal(environment.reset(SEED)[1], first)
    _, blocks = environment.reset(tf.constant([[1, 2], [1, 2]]))
    np.testing.assert_array_equal(blocks[:2], blocks[2:])


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["a2c.gin", "vpg.gin", "ppo.gin", "a3c.gin", "es.gin"])
def test_every_way_to_train_takes_it(algorithm: str, tmp_path: Path) -> None:
    small = (
        "AtariNetwork.units = 4",
        "TOTAL_STEPS = 64",
        "Epochs.num_minibatches = 1",
        "AtariEnvironment.life_loss = True",
        "AtariEnvironment.kwargs = {'max_num_frames_per_episode': 80}",
        *(["POPULATION = 2"] if algorithm == "es.gin" else []),
    )
    summary = short_runs.train(tmp_path / "run", *small, files=(algorithm, "envs/atari.gin"))
    assert summary["steps"] >= 64
    assert summary["eval_episodes"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"id": "CartPole-v1"}, r"AtariEnvironment\.id = 'CartPole-v1' .* is no game"),
        ({"id": "ALE/Pnog-v5"}, r"no environment with the id 'ALE/Pnog-v5'.*ALE/Pong-v5"),
        ({"kwargs": {"reward_clipping": True}}, r"'reward_clipping': bind Learner\.reward_bound"),
        ({"kwargs": {"episodic_life": True}}, r"bind AtariEnvironment\.life_loss"),
        ({"kwargs": {"gravity": 1}}, "could not make 'ALE/Pong-v5': .*'gravity'"),
        ({"sticky": 1.5}, r"AtariEnvironment\.sticky must be"),
        ({"num_threads": 10**9}, r"AtariEnvironment\.num_threads = 1000000000 would take"),
    ],
)
def test_settings_that_cannot_work(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        AtariEnvironment(**arguments)


def test_a_copy_is_shown_as_the_policy_sees_it() -> None:
    drawn = AtariEnvironment("ALE/Pong-v5", 3, sticky=0.25, life_loss=True).drawn()
    _, observation = drawn.reset(SEED)
    assert isinstance(drawn, AtariEnvironment)
    assert (drawn.num_envs, drawn.life_loss) == (1, True)
    assert isinstance(drawn.observation_space, gym.spaces.Box)
    np.testing.assert_array_equal(drawn.render(), observation[0, -1])
