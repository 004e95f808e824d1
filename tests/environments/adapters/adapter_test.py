"""Adapters round hosted and compiled environments: what they change, remember and learn."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.compiled import CompiledMountainCar
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.policies.decision import Decision
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.unroll import Behaviour, start, unroll
from pgtf.trajectory import Trajectory
from tests.environments.adapters.tasks import SEED, task
from tests.extensions.my_adapter import RewardScale

KINDS = pytest.mark.parametrize("kind", ["hosted", "compiled"])


class Clock(Adapter):
    """Shows nothing but the steps since the start of the episode."""

    def __init__(self, environment: Environment):
        super().__init__(environment)
        self.observation_space = gym.spaces.Box(0.0, np.inf, (1,), np.float32)

    def begin(self, observation: Any) -> Any:
        return tf.zeros((self.num_envs,))

    def remember(self, memory: Any, action: Any, step: Any) -> Any:
        return memory + 1.0

    def observe(self, memory: Any, observation: Any) -> Any:
        return memory[:, tf.newaxis]


def act(observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
    del memory
    return Decision((tf.cast(100.0 * observation[:, 0], tf.int32) + seed[0]) % 2)


ACT = Behaviour(act)


def played(environment: Environment, num_steps: int = 40) -> Any:
    @tf.function(autograph=False, jit_compile=environment.compiled)
    def run() -> Any:
        return unroll(environment, ACT, start(environment, SEED), num_steps, SEED)

    return tf.nest.map_structure(lambda x: x.numpy(), run())


@KINDS
def test_rewards_are_scaled_and_the_score_is_the_environments_own(kind: str) -> None:
    adapter = RewardScale(task(kind))
    adapter.count.assign(2.0)
    adapter.squares.assign(50.0)  # A deviation of 5.
    _, plain, finished = played(task(kind))
    _, scaled, also_finished = played(adapter)
    np.testing.assert_array_equal(scaled.score, plain.reward)
    np.testing.assert_allclose(scaled.reward, plain.reward / 5.0, rtol=1e-5)
    for name in ("observation", "terminated", "truncated", "mask", "time"):
        np.testing.assert_array_equal(getattr(scaled, name), getattr(plain, name), err_msg=name)
    # Episode returns add scores up.
    assert finished.count > 0
    assert finished.return_sum != 0
    assert also_finished == finished


@KINDS
def test_statistics_are_those_of_the_steps_and_frozen_copies_only_read_them(kind: str) -> None:
    adapter = RewardScale(task(kind))
    frozen = adapter.replicate(2, frozen=True)
    assert [id(v) for v in frozen.variables] == [id(v) for v in adapter.variables]
    scores = []
    for num_steps in (40, 35):
        _, trajectory, _ = played(adapter, num_steps)
        assert np.any(trajectory.mask == 0)
        scores.append(trajectory.score[trajectory.mask > 0])
        before = [variable.numpy() for variable in adapter.variables]
        frozen.adapt(Trajectory(*map(tf.constant, trajectory)))
        assert [variable.numpy() for variable in adapter.variables] == before
        adapter.adapt(Trajectory(*map(tf.constant, trajectory)))
    together = np.concatenate(scores)
    count, mean, squares = (variable.numpy() for variable in adapter.variables)
    assert count == len(together)
    np.testing.assert_allclose(mean, together.mean(), rtol=1e-5)
    np.testing.assert_allclose(squares / count, together.var(), rtol=1e-4)
    _, trajectory, _ = played(frozen)
    np.testing.assert_allclose(trajectory.reward, trajectory.score / together.std(), rtol=1e-4)
    assert frozen.num_envs == 2
    adapter.close()
    frozen.close()


@KINDS
def test_memory_begins_with_each_episode(kind: str) -> None:
    _, trajectory, _ = played(Clock(task(kind)))
    np.testing.assert_array_equal(trajectory.observation[:-1, :, 0], trajectory.time)
    assert np.any(trajectory.mask == 0)


@KINDS
def test_memory_of_held_copies_stands_still(kind: str) -> None:
    environment = Clock(task(kind))
    state, _ = environment.reset(SEED)
    held = tf.constant([True, False, True, False])
    action = tf.zeros((4,), tf.int32)
    state, step = environment.step(state, action, held)
    np.testing.assert_array_equal(step.observation[:, 0], [0, 1, 0, 1])
    state, step = environment.step(state, action, ~held)
    np.testing.assert_array_equal(step.observation.numpy()[[0, 2], 0], 1)


@KINDS
def test_adapters_nest_and_collect_whole_episodes(kind: str) -> None:
    inner = RewardScale(task(kind))
    adapter = RewardScale(Clock(inner))
    assert len(adapter.variables) == 6
    assert adapter.compiled is (kind == "compiled")
    carry = start(adapter, SEED)
    _, trajectory, finished = Episodes().collect(adapter, ACT, carry, SEED)
    assert finished.count == 4
    assert trajectory.observation.shape[2:] == (1,)
    adapter.adapt(trajectory)
    steps = tf.reduce_sum(trajectory.mask)
    assert adapter.variables[0] == adapter.variables[3] == steps


@KINDS
def test_groups_of_an_adapter_are_each_an_adapter_of_its_own(kind: str) -> None:
    adapter = Clock(task(kind, 2))
    groups = adapter.grouped(3)
    seeds = tf.constant([[3, 4], [5, 6], [3, 4]])
    state, observation = groups.reset(seeds)
    held = tf.zeros((3, 2), tf.bool)
    for _ in range(4):
        state, step = groups.step(state, tf.zeros((3, 2), tf.int32), held)
    for i, seed in enumerate(seeds):
        alone = Clock(task(kind, 2))
        one, first = alone.reset(seed)
        np.testing.assert_allclose(observation[i], first)
        for _ in range(4):
            one, row = alone.step(one, tf.zeros((2,), tf.int32))
        np.testing.assert_allclose(step.observation[i], row.observation)
        np.testing.assert_allclose(step.score[i], row.score, rtol=1e-5)
    groups.close()


def test_an_adapter_is_drawn_as_what_it_goes_round() -> None:
    for inner in (GymEnvironment("MountainCar-v0", 3), CompiledMountainCar(3)):
        drawn = Clock(inner).drawn()
        _, observation = drawn.reset(SEED)
        assert observation.shape == (1, 1)
        assert drawn.render().ndim == 3
        drawn.close()
    with pytest.raises(ConfigurationError, match="cannot be filmed"):
        Clock(task("compiled")).drawn()


def test_an_adapter_round_nothing_is_refused_with_the_binding() -> None:
    with pytest.raises(ConfigurationError, match=r"^RewardScale\.environment is not bound"):
        RewardScale()
