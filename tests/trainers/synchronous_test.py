"""The synchronous trainer: rollout and update in one graph do what they do one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.compiled.pendulum import CompiledPendulum
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.learning.acting import TapedActing
from pgtf.learning.baselines import Constant, StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.decision import Decision
from pgtf.policies.policy import Policy
from pgtf.rollouts import unroll
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour, Carry
from pgtf.trainers.synchronous import SynchronousTrainer

ENDLESS = "tests.toy_environments:Endless-v0"
NESTED = "tests.toy_environments:Nested-v0"


def a2c() -> Learner:
    return Learner(
        Policy(MLP((8,), normalization=RunningNormalization())),
        VCritic(MLP((8,))),
        StateValue(),
        entropy_bonus=EntropyBonus(0.01),
        optimizer=keras.optimizers.Adam(0.01),
    )


def reinforce() -> Learner:
    return Learner(Policy(MLP((8,))), baseline=Constant(), optimizer=keras.optimizers.Adam(0.01))


def trainer(
    environment: Environment,
    rollout: Rollouts | Episodes,
    make: Callable[[], Learner] = a2c,
    seed: int = 0,
    jit_compile: bool = False,  # as compiling takes longer than all that is tested here
) -> SynchronousTrainer:
    keras.utils.set_random_seed(seed)
    made = SynchronousTrainer(make(), environment, rollout, jit_compile)
    made.build(seed)
    return made


def variables(learner: Learner) -> list[np.ndarray]:
    parts = (learner.policy, learner.critic, learner.baseline)
    weights = [v for part in parts if part is not None for v in part.weights]
    return [v.numpy() for v in (*weights, *learner.optimizer.variables)]


def assert_close(a: list[np.ndarray], b: list[np.ndarray], rtol: float = 1e-4) -> None:
    assert len(a) == len(b) > 8
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(
    ("collected", "make"),
    [(Rollouts(3), a2c), (Rollouts(40), a2c), (Episodes(4), reinforce)],
    ids=["unrolled", "loop", "episodes"],
)
def test_iterations_are_rollouts_and_updates_taken_in_turn(
    collected: Rollouts | Episodes, make: Callable[[], Learner]
) -> None:
    whole = trainer(GymEnvironment("CartPole-v1", 2), collected, make)
    report = whole.iterate(60)
    while whole.learner.updates < 3:
        whole.iterate(200)

    parts = trainer(GymEnvironment("CartPole-v1", 2), collected, make)
    learner, carry, metrics = parts.learner, parts.carry, []
    collect = tf.function(
        lambda carry, seed: parts.rollout.collect(
            parts.environment, Behaviour(parts.policy.act), carry, seed
        ),
        autograph=False,
    )
    before = variables(learner)
    while learner.updates < whole.learner.updates:
        seed = parts.iteration.collector.seed(learner.updates)
        carry, trajectory, _ = collect(carry, seed)
        metrics.append(learner.update(trajectory, seed)[0])
    assert_close(variables(whole.learner), variables(learner))
    assert any(np.any(x != y) for x, y in zip(before, variables(learner), strict=True))
    for tag, value in report.scalars.items():
        expected = [float(m[tag.removeprefix("train/")]) for m in metrics[: len(report.episodes)]]
        np.testing.assert_allclose(value, np.mean(expected), rtol=1e-3, atol=1e-5, err_msg=tag)


@pytest.mark.parametrize(
    ("environment", "make"), [(CompiledCartPole, a2c), (CompiledPendulum, reinforce)]
)
def test_a_gradient_taped_through_the_rollout_is_that_of_the_loss(
    environment: Callable[..., Environment],
    make: Callable[[], Learner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = 24 * 2 * 3
    taped = trainer(environment(num_envs=24), Rollouts(2), make)
    assert taped.iteration.taped
    taped.iterate(steps)
    monkeypatch.setattr(TapedActing, "supports", staticmethod(lambda objective: False))
    plain = trainer(environment(num_envs=24), Rollouts(2), make)
    plain.iterate(steps)
    assert taped.learner.updates >= 3
    assert_close(variables(taped.learner), variables(plain.learner))


def test_loops_and_unrolled_graphs_learn_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    unrolled = trainer(GymEnvironment("CartPole-v1", 3), Rollouts(3))
    unrolled.iterate(30)
    monkeypatch.setattr("pgtf.graph.scan.UNROLLED", 1)
    loop = trainer(GymEnvironment("CartPole-v1", 3), Rollouts(3))
    loop.iterate(30)
    assert_close(variables(unrolled.learner), variables(loop.learner))


@pytest.mark.parametrize(("num_envs", "num_steps"), [(1, 1), (4, 3), (3, 40)])
def test_counters_of_episodes_and_steps_are_exact(num_envs: int, num_steps: int) -> None:
    """Episodes of 3 steps with one reset row between them: rows 4, 8, … of each environment."""
    environment = GymEnvironment(ENDLESS, num_envs, {"terminates_after": 3})
    made = trainer(environment, Rollouts(num_steps))
    reports = []
    while made.steps < 150:
        reports.append(made.iterate(150))
    rows = num_steps * int(made.learner.updates.numpy())
    assert made.steps == num_envs * (rows - rows // 4)
    assert 150 <= made.steps < 150 + num_envs * num_steps
    episodes = np.concatenate([report.episodes for report in reports])
    assert len(episodes) == made.learner.updates
    finished = num_envs * ((rows + 1) // 4)
    np.testing.assert_array_equal(episodes.sum(0), [finished, 3 * finished, 3 * finished])


def test_compiled_iterations_are_counted_as_they_were() -> None:
    made = trainer(CompiledCartPole(4), Rollouts(5))
    report = made.iterate(400)
    updates = int(made.learner.updates.numpy())
    assert 400 <= made.steps <= 400 + 20
    assert updates >= 5
    assert report.episodes[:, 0].sum() >= 4
    assert np.count_nonzero(report.episodes[updates:]) == 0
    assert all(np.isfinite(value) for value in report.scalars.values())
    finished, returns, lengths = report.episodes.sum(0)
    assert returns == lengths <= made.steps
    assert finished <= made.steps / 8  # nothing falls over sooner


def test_whole_episodes_are_counted_as_they_are() -> None:
    made = trainer(GymEnvironment(ENDLESS, 2, {"terminates_after": 3}), Episodes(4), reinforce)
    for updates in range(1, 4):
        report = made.iterate(10_000)
        np.testing.assert_array_equal(report.episodes, [[4, 12, 12]])
        assert made.steps == 12 * updates


def test_a_report_names_its_numbers() -> None:
    made = trainer(GymEnvironment(NESTED, 3), Rollouts(2))
    report = made.iterate(50)
    assert set(report.scalars) == {
        f"train/{name}"
        for name in (
            "policy_loss", "value_loss", "entropy", "entropy_coefficient", "explained_variance",
            "advantage_std", "gradient_norm", "learning_rate",
        )
    }  # fmt: skip
    assert report.scalars["train/learning_rate"] == pytest.approx(0.01)
    assert {tag: x.shape for tag, x in report.histograms.items()} == {
        "train/advantages": (2, 3),
        "train/actions": (2, 3),  # gear, a choice
        "train/actions_1": (2, 3, 2),  # gear, bits
        "train/actions_2": (2, 3, 2),  # torque
    }


def test_a_resumed_run_plays_new_episodes() -> None:
    made = trainer(GymEnvironment("CartPole-v1", 3), Rollouts(2))
    first = made.carry.observation.numpy()
    made.iterate(20)
    made.restored()
    again = made.carry.observation.numpy()
    assert np.abs(again).max() <= 0.05
    assert not np.any(np.isclose(first, again))
    np.testing.assert_array_equal(made.carry.time, 0)
    np.testing.assert_array_equal(made.carry.episode_return, 0)


def test_a_resumed_run_of_compiled_environments_goes_on_bit_for_bit(tmp_path: Path) -> None:
    first = trainer(CompiledCartPole(3), Rollouts(2), seed=1)
    first.iterate(50)
    first.saving()
    path = tf.train.Checkpoint(**first.trackables()).save(str(tmp_path / "saved"))
    first.iterate(100)
    resumed = trainer(CompiledCartPole(3), Rollouts(2), seed=1)
    tf.train.Checkpoint(**resumed.trackables()).restore(path).assert_consumed()
    resumed.restored()
    resumed.iterate(100)
    for a, b in zip(variables(first.learner), variables(resumed.learner), strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.steps == resumed.steps


@pytest.mark.parametrize("collected", [Rollouts(3), Rollouts(40), Episodes(2)])
def test_no_random_number_is_used_twice(
    collected: Rollouts | Episodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither within a rollout nor in two of them, nor for acting what was used to reset."""
    seeds = []

    def remember(seed: np.ndarray) -> np.ndarray:
        seeds.append(tuple(seed))
        return np.zeros(2, np.int32)

    def act(
        policy: Policy, observation: tf.Tensor, memory: Any, seed: tf.Tensor, with_log_prob: bool
    ) -> Decision:
        del policy, observation, memory, with_log_prob
        action = tf.numpy_function(remember, [seed], tf.int32)
        return Decision(tf.ensure_shape(action, [2]))

    def start(environment: Environment, seed: tf.Tensor, memory: Any) -> Carry:
        with tf.control_dependencies([tf.numpy_function(remember, [seed], tf.int32)]):
            return Carry(*original(environment, tf.identity(seed), memory))

    original = unroll.start
    monkeypatch.setattr(Policy, "act", act)
    for module in ("rollouts.episodes", "rollouts.collector"):
        monkeypatch.setattr(f"pgtf.{module}.start", start)
    environment = GymEnvironment(ENDLESS, 2, {"terminates_after": 3})
    made = trainer(environment, collected, reinforce)
    while made.learner.updates < 4:
        made.iterate(1_000)
    assert len(seeds) > 12
    acted = seeds[1:]  # the first reset is of environments that whole episodes reset again
    assert len(set(acted)) == len(acted)


def test_the_learning_rate_follows_its_schedule_over_environment_steps() -> None:
    def make() -> Learner:
        schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 100, 0.0)
        return Learner(Policy(MLP((4,))), VCritic(), optimizer=keras.optimizers.SGD(schedule))

    made = trainer(GymEnvironment(ENDLESS, 2), Rollouts(5), make)
    seen = [made.iterate(limit).scalars["train/learning_rate"] for limit in range(10, 101, 10)]
    np.testing.assert_allclose(seen, 1.0 - np.arange(10) / 10, rtol=1e-5)


def test_closing_closes_the_environments() -> None:
    closed: list[Any] = []
    environment = GymEnvironment(ENDLESS, 2, wrappers=[lambda env: Closing(env, closed)])
    made = trainer(environment, Rollouts(2))
    made.close()
    assert len(closed) == 2


class Closing(gym.Wrapper[Any, Any, Any, Any]):
    """Tells when it is closed."""

    def __init__(self, env: gym.Env[Any, Any], closed: list[Any]):
        super().__init__(env)
        self.closed = closed

    def close(self) -> None:
        self.closed.append(self)
        super().close()
