"""The time that is left of an episode as a part of what is observed."""

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
class TimeAware(Adapter):
    """Shows the share of the time limit that is left: 1 at an episode's start, 0 at its end.

    Under a time limit the value of a state depends on it (Pardo et al. 2018, arXiv:1712.00378). It
    is one number more of a vector; other observations become a Dict of ``observation`` and
    ``time``, a vector of one number.

    Args:
        environment: of any kind.
        time_limit: steps of an episode; that of the environment when unbound.
    """

    @checked
    def __init__(self, environment: Environment | None = None, time_limit: Count | None = None):
        super().__init__(environment)
        limit = self.environment.time_limit if time_limit is None else time_limit
        if limit is None:
            raise ConfigurationError(
                f"TimeAware needs a time limit, and that of {self.name} is unknown: bind"
                " TimeAware.time_limit."
            )
        self._limit = limit
        space = self.environment.observation_space
        self._flat = False
        if isinstance(space, gym.spaces.Box) and len(space.shape) == 1:
            self._flat = bool(np.issubdtype(space.dtype, np.floating))
        if isinstance(space, gym.spaces.Box) and self._flat:
            low, high = np.append(space.low, 0.0), np.append(space.high, 1.0)
            self.observation_space = gym.spaces.Box(
                low.astype(np.float32), high.astype(np.float32), dtype=np.float32
            )
        else:
            time = gym.spaces.Box(0.0, 1.0, (1,), np.float32)
            self.observation_space = gym.spaces.Dict({"observation": space, "time": time})

    def begin(self, observation: Any) -> tf.Tensor:
        """Returns 0 steps, [B]."""
        return tf.zeros(tf.shape(tf.nest.flatten(observation)[0])[:1], tf.int32)

    def remember(self, memory: tf.Tensor, action: Any, step: TimeStep) -> tf.Tensor:
        """Counts the step."""
        return memory + 1

    def observe(self, memory: tf.Tensor, observation: Any) -> Any:
        """Returns the observation with the share that is left."""
        left = 1.0 - tf.cast(tf.minimum(memory, self._limit), tf.float32) / self._limit
        time = left[:, tf.newaxis]
        if self._flat:
            return tf.concat([observation, time], axis=-1)
        return {"observation": observation, "time": time}
