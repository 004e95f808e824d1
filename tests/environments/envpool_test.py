"""EnvPool's environments move as Gymnasium's do, and say what is missing."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.envpool import EnvPoolEnvironment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from tests import short_runs

SEED = tf.constant([1, 2])
installed = pytest.mark.skipif(
    importlib.util.find_spec("envpool") is None,
    reason="EnvPool is not installed: pip install 'pgtf[envpool]'",
)


def pendulum(observation: np.ndarray) -> np.ndarray:
    cosine, sine, speed = observation
    return np.array([np.arctan2(sine, cosine), speed])


def acrobot(observation: np.ndarray) -> np.ndarray:
    cosine1, sine1, cosine2, sine2, *speeds = observation
    return np.array([np.arctan2(sine1, cosine1), np.arctan2(sine2, cosine2), *speeds])


@installed
@pytest.mark.parametrize(
    ("id", "state", "limit", "push", "ends"),
    [
        ("CartPole-v1", np.array, 14, -1, {"terminated", "truncated"}),
        ("Pendulum-v1", pendulum, 9, 1, {"truncated"}),
        ("Acrobot-v1", acrobot, 30, 1, {"truncated"}),
        ("MountainCar-v0", np.array, 200, 1, {"terminated"}),
        ("MountainCarContinuous-v0", np.array, 200, 1, {"terminated"}),
    ],
)
def test_it_moves_as_gymnasium_does(
    id: str, state: Callable[[np.ndarray], np.ndarray], limit: int, push: int, ends: set[str]
) -> None:
    """The oracle is put where each copy stands, and makes the same step.

    Two copies are pushed along their speed or against it, so that they swing up or fall. An
    episode that terminates in the step that truncates it is only truncated here.
    """
    copies = 4
    environment = EnvPoolEnvironment(id, copies, {"max_episode_steps": limit})
    assert environment.time_limit == limit
    twins: list[Any] = [gym.make(id, max_episode_steps=limit) for _ in range(copies)]
    for twin in twins:
        twin.reset(seed=0)
    step = tf.function(environment.step, autograph=False)
    token, tensor = environment.reset(SEED)
    observation, ended = tensor.numpy(), np.zeros(copies, bool)
    chance = np.random.default_rng(0)
    seen, resets = set(), 0
    for _ in range(450):
        if isinstance(environment.action_space, gym.spaces.Discrete):
            action = np.where(push * observation[:, -1] > 0, environment.action_space.n - 1, 0)
            action[:2] = chance.integers(0, environment.action_space.n, 2)
        else:
            action = np.sign(push * observation[:, -1:])
            action[:2] = 2.0 * chance.normal(size=(2, 1))
            action = action.astype(np.float32)
        token, row = step(token, tf.constant(action))
        np.testing.assert_array_equal(row.mask, ~ended)
        np.testing.assert_array_equal(row.score, row.reward)
        for i, twin in enumerate(twins):
            if ended[i]:
                twin.reset()
                assert row.reward[i] == 0.0
                assert not row.terminated[i]
                assert not row.truncated[i]
                resets += 1
                continue
            twin.unwrapped.state = state(observation[i].astype(np.float64))
            move = action[i]
            if isinstance(environment.action_space, gym.spaces.Box):
                move = np.clip(move, environment.action_space.low, environment.action_space.high)
            expected, reward, terminated, truncated, _ = twin.step(move)
            # Observations, from which the oracle starts, are rounded to float32.
            np.testing.assert_allclose(row.observation[i], expected, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(row.reward[i], reward, rtol=1e-4, atol=1e-4)
            assert row.truncated[i] == truncated
            assert row.terminated[i] == (terminated and not truncated)
            seen |= {"terminated"} if terminated else set()
            seen |= {"truncated"} if truncated else set()
        observation = row.observation.numpy()
        ended = (row.terminated | row.truncated).numpy()
    assert resets > 4
    assert ends <= seen


@installed
@pytest.mark.parametrize("id", ["HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Swimmer-v5"])
def test_mujocos_steps_are_gymnasiums(id: str) -> None:
    """The oracle is put where a copy stands, in double precision: contacts are stiff."""
    import envpool

    pool: Any = envpool.make(id, env_type="gymnasium", num_envs=1, seed=3)
    oracle: Any = gym.make(id).unwrapped
    oracle.reset(seed=0)
    observation = pool.reset()[0][0]
    chance = np.random.default_rng(0)
    compared, ended = 0, False
    for _ in range(300):
        action = chance.uniform(-1.0, 1.0, (1, *oracle.action_space.shape))
        after, reward, terminated, truncated, _ = pool.step(action)
        place, speed = np.split(observation, [-oracle.model.nv])
        # Hopper and Walker2d show speeds beyond 10 as 10.
        if not ended and np.abs(speed).max() < 10.0:
            hidden = np.zeros(oracle.model.nq - len(place))
            oracle.set_state(np.concatenate([hidden, place]), speed)
            expected, own, end, _, _ = oracle.step(action[0])
            np.testing.assert_allclose(after[0], expected, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(reward[0], own, rtol=1e-6, atol=1e-6)
            assert terminated[0] == end
            compared += 1
        observation, ended = after[0], bool(terminated[0] or truncated[0])
    assert compared > 30


@installed
@pytest.mark.parametrize("id", ["CartPole-v1", "LunarLander-v3", "HalfCheetah-v5", "FrozenLake-v1"])
def test_spaces_are_gymnasiums(id: str) -> None:
    pooled, single = EnvPoolEnvironment(id, 2), GymEnvironment(id, 2)
    try:
        assert pooled.action_space == single.action_space or isinstance(
            single.action_space, gym.spaces.Box
        )
        _, observation = pooled.reset(SEED)
        _, other = single.reset(SEED)
        assert (observation.shape, observation.dtype) == (other.shape, other.dtype)
        if isinstance(pooled.observation_space, gym.spaces.Box):
            assert not (pooled.observation_space.low > 0).any()
    finally:
        pooled.close()
        single.close()


@installed
def test_seeds_repeat_episodes_and_no_two_copies_are_alike() -> None:
    environment = EnvPoolEnvironment("CartPole-v1", 6)
    assert environment.seeds_each
    _, first = environment.reset(SEED)
    np.testing.assert_array_equal(environment.reset(SEED)[1], first)
    assert len(np.unique(first, axis=0)) == 6
    _, blocks = environment.reset(tf.constant([[1, 2], [1, 2]]))
    np.testing.assert_array_equal(blocks[:3], blocks[3:])
    np.testing.assert_array_equal(environment.replicate(6).reset(SEED)[1], first)


@installed
def test_atari_goes_by_gymnasiums_names_and_shows_what_it_observes() -> None:
    environment = EnvPoolEnvironment("ALE/Pong-v5", 1, num_threads=1)
    assert environment.observation_space.shape == (4, 84, 84)
    _, observation = environment.reset(SEED)
    assert observation.dtype == tf.uint8
    np.testing.assert_array_equal(environment.render(), observation[0, -1])
    environment.close()


@installed
def test_films_show_gymnasiums_picture() -> None:
    drawn = EnvPoolEnvironment("CartPole-v1", 3).drawn()
    drawn.reset(SEED)
    assert drawn.num_envs == 1
    assert drawn.render().shape[2] == 3
    with pytest.raises(ConfigurationError, match="cannot be filmed"):
        EnvPoolEnvironment("Blackjack-v1", 1).drawn()  # observed in another form there


@installed
@pytest.mark.parametrize("algorithm", ["a2c.gin", "a3c.gin", "reinforce.gin", "es.gin"])
def test_every_way_to_train_takes_it(algorithm: str, tmp_path: Path) -> None:
    files = (algorithm, "envs/envpool.gin")
    few = ["POPULATION = 4"] if algorithm == "es.gin" else []
    summary = short_runs.train(tmp_path / "run", *few, files=files)
    assert summary["steps"] >= 400
    assert summary["eval_episodes"] == 3


def test_a_missing_package_is_answered_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "envpool", None)
    message = r"^EnvPoolEnvironment needs a package that .*: pip install 'pgtf\[envpool\]'\.$"
    with pytest.raises(ConfigurationError, match=message):
        EnvPoolEnvironment()


@installed
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"id": "CartPol-v1"}, r"no environment with the id 'CartPol-v1'.* mean CartPole-v1"),
        ({"kwargs": {"gravity": 9.8}}, "could not make 'CartPole-v1': .*'gravity'"),
        ({"num_envs": 0}, r"EnvPoolEnvironment\.num_envs must be at least 1, not 0"),
        ({"num_threads": 0}, r"EnvPoolEnvironment\.num_threads must be at least 1 or None"),
        ({"num_threads": 10**9}, r"EnvPoolEnvironment\.num_threads = 1000000000 would take"),
        ({"num_envs": 2 * 10**9}, r"EnvPoolEnvironment\.num_envs = 2000000000 would take"),
    ],
)
def test_settings_that_cannot_work(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        EnvPoolEnvironment(**arguments)
