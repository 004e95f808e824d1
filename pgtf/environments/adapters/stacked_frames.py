"""The last few observations shown together."""

from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.trajectory import TimeStep


@gin.register
class StackedFrames(Adapter):
    """Shows the last n pictures, or vectors, as one; the oldest comes first.

    Pictures [height, width, channels] and [channels, height, width] keep their layout and get n
    times as many channels (the shorter end is the channels'); [height, width] become [height,
    width, n]; vectors are joined. At the start of an episode the first one is repeated. Types stay:
    bytes reach the network as bytes.

    Args:
        environment: whose observations are a Box.
        count: n.
    """

    @checked
    def __init__(self, environment: Environment | None = None, count: Count = 4):
        super().__init__(environment)
        space = self.environment.observation_space
        if not isinstance(space, gym.spaces.Box) or not space.shape:
            raise ConfigurationError(
                "StackedFrames needs observations that are a Box with one axis or more, and the"
                f" inner environment's are {space}: bind the environment without it."
            )
        self.count = count
        self._grows = len(space.shape) == 2
        first = len(space.shape) == 3 and space.shape[0] < space.shape[-1]
        self._axis = 0 if first else -1
        low, high = (
            np.concatenate([x[..., np.newaxis] if self._grows else x] * count, self._axis)
            for x in (space.low, space.high)
        )
        self.observation_space = gym.spaces.Box(low, high, dtype=space.dtype)

    def _frame(self, observation: tf.Tensor) -> tf.Tensor:
        return observation[..., tf.newaxis] if self._grows else observation

    def begin(self, observation: tf.Tensor) -> tf.Tensor:
        """Returns the first observation n times, [B, *shape]."""
        return tf.concat([self._frame(observation)] * self.count, self._batch_axis)

    def remember(self, memory: tf.Tensor, action: Any, step: TimeStep) -> tf.Tensor:
        """Returns the last observations, [B, *shape]."""
        newest = self._frame(step.observation)
        size = newest.shape[self._batch_axis]
        _, kept = tf.split(memory, [size, (self.count - 1) * size], self._batch_axis)
        return tf.concat([kept, newest], self._batch_axis)

    def observe(self, memory: tf.Tensor, observation: tf.Tensor) -> tf.Tensor:
        """Returns what is remembered."""
        return memory

    @property
    def _batch_axis(self) -> int:
        return 1 if self._axis == 0 else -1
