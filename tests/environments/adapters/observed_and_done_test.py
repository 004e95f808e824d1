"""Rescaled actions, the time that is left, stacked frames: hosted and compiled."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.adapters.rescaled_action import RescaledAction
from pgtf.environments.adapters.stacked_frames import StackedFrames
from pgtf.environments.adapters.time_aware import TimeAware
from pgtf.environments.compiled import CompiledCartPole, CompiledPendulum
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from tests.environments.adapters.tasks import LIMIT, SEED, rollouts, task

KINDS = pytest.mark.parametrize("kind", ["hosted", "compiled"])


@pytest.mark.parametrize("make", [CompiledPendulum, lambda n: GymEnvironment("Pendulum-v1", n)])
def test_actions_are_mapped_linearly_to_the_bounds(make: Any) -> None:
    """Pendulum's torque lies in [-2, 2]."""
    inner, adapter = make(5), RescaledAction(make(5))
    assert adapter.action_space == gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action = tf.constant([[-1.0], [-0.25], [0.0], [1.0], [7.0]])
    torque = tf.constant([[-2.0], [-0.5], [0.0], [2.0], [2.0]])
    np.testing.assert_allclose(adapter.translate(action), torque)
    one, _ = inner.reset(SEED)
    other, _ = adapter.reset(SEED)
    _, expected = inner.step(one, torque)
    _, step = adapter.step(other, action)
    np.testing.assert_allclose(step.observation, expected.observation, rtol=1e-5)
    inner.close()
    adapter.close()


def test_bounds_may_differ_and_must_exist() -> None:
    class Lopsided(Adapter):
        def __init__(self, high: float) -> None:
            super().__init__(CompiledPendulum(1))
            low = np.array([0.0, -4.0], np.float32)
            self.action_space = gym.spaces.Box(low, np.array([1.0, high], np.float32))

    translated = RescaledAction(Lopsided(2.0)).translate(tf.constant([[0.5, 0.5], [-1.0, 0.0]]))
    np.testing.assert_allclose(translated, [[0.75, 0.5], [0.0, -1.0]])
    for environment in (Lopsided(np.inf), CompiledCartPole(1)):
        with pytest.raises(ConfigurationError, match=r"^RescaledAction needs actions"):
            RescaledAction(environment)


@KINDS
def test_the_time_that_is_left_is_one_more_number(kind: str) -> None:
    adapter = TimeAware(task(kind), LIMIT)
    trajectory, plain = rollouts(adapter, 40)(), rollouts(task(kind), 40)()
    np.testing.assert_array_equal(trajectory.observation[..., :-1], plain.observation)
    np.testing.assert_allclose(
        trajectory.observation[:-1, :, -1], 1.0 - trajectory.time / LIMIT, atol=1e-6
    )
    assert np.any(trajectory.mask == 0)
    assert adapter.observation_space.shape == (plain.observation.shape[-1] + 1,)
    adapter.close()


def test_the_limit_is_the_environments_and_observations_without_one_axis_get_a_dict() -> None:
    class Square(Adapter):
        def __init__(self) -> None:
            super().__init__(CompiledPendulum(2, time_limit=10))
            self.observation_space = gym.spaces.Box(-9.0, 9.0, (3, 1))

        def observe(self, memory: Any, observation: tf.Tensor) -> tf.Tensor:
            return observation[..., tf.newaxis]

    adapter = TimeAware(Square())
    state, first = adapter.reset(SEED)
    _, step = adapter.step(state, tf.zeros((2, 1)))
    assert first["observation"].shape == (2, 3, 1)
    np.testing.assert_array_equal(first["time"], [[1.0], [1.0]])
    np.testing.assert_allclose(step.observation["time"], [[0.9], [0.9]])
    assert isinstance(adapter.observation_space, gym.spaces.Dict)
    assert list(adapter.observation_space) == ["observation", "time"]
    with pytest.raises(ConfigurationError, match=r"bind TimeAware\.time_limit"):
        TimeAware(CompiledPendulum(1, time_limit=None))


@KINDS
def test_frames_are_the_last_ones_of_the_episode(kind: str) -> None:
    adapter = StackedFrames(task(kind), 3)
    stacked, plain = rollouts(adapter, 40)(), rollouts(task(kind), 40)()
    size = plain.observation.shape[-1]
    assert stacked.observation.shape[-1] == 3 * size
    assert adapter.observation_space.shape == (3 * size,)
    assert np.any(stacked.mask == 0)
    for t in range(40):
        for b in range(4):
            back = [max(t - k, t - stacked.time[t, b]) for k in (2, 1, 0)]
            expected = np.concatenate([plain.observation[i, b] for i in back])
            np.testing.assert_array_equal(stacked.observation[t, b], expected)
    adapter.close()


class Picture(Adapter):
    """Shows a picture of bytes that counts up."""

    def __init__(self, environment: Environment, shape: tuple[int, ...]):
        super().__init__(environment)
        self.observation_space = gym.spaces.Box(0, 9, shape, np.uint8)

    def begin(self, observation: Any) -> Any:
        return tf.zeros((self.num_envs,), tf.int32)

    def remember(self, memory: Any, action: Any, step: Any) -> Any:
        return memory + 1

    def observe(self, memory: Any, observation: Any) -> Any:
        shape = self.observation_space.shape or ()
        number = tf.reshape(memory, [-1, *[1] * len(shape)])
        return tf.cast(tf.broadcast_to(number, [self.num_envs, *shape]), tf.uint8)


@pytest.mark.parametrize(
    ("shape", "stacked", "axis"),
    [((4, 5), (4, 5, 2), 2), ((4, 5, 3), (4, 5, 6), 2), ((3, 4, 5), (6, 4, 5), 0)],
)
def test_pictures_keep_their_layout_and_stay_bytes(
    shape: tuple[int, ...], stacked: tuple[int, ...], axis: int
) -> None:
    adapter = StackedFrames(Picture(CompiledPendulum(1), shape), 2)
    assert adapter.observation_space == gym.spaces.Box(0, 9, stacked, np.uint8)
    state, first = adapter.reset(SEED)
    _, step = adapter.step(state, tf.zeros((1, 1)))
    assert step.observation.dtype == tf.uint8
    np.testing.assert_array_equal(first[0], np.zeros(stacked))
    old, new = np.split(step.observation[0], 2, axis)
    assert np.all(old == 0)
    assert np.all(new == 1)


def test_what_cannot_be_stacked_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^StackedFrames needs observations"):
        StackedFrames(TimeAware(Picture(CompiledPendulum(1), (4, 5))))
    with pytest.raises(ConfigurationError, match=r"^StackedFrames\.count must be at least 1"):
        StackedFrames(CompiledPendulum(1), 0)
