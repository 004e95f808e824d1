"""The interval of a bounded head's actions."""

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.policies.head import Head

# Distance of actions from the bounds, as a fraction of the interval: at the bounds the density's
# logarithm diverges, and float32 cannot tell one action from the next.
_MARGIN = 1e-6


class Bounds(NamedTuple):
    """The affine map between the unit interval [0, 1] and a Box, float32 arrays of its shape."""

    low: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, head: Head, action_space: gym.Space[Any]) -> "Bounds":
        """Returns the bounds of a Box.

        Raises:
            ConfigurationError: the space is not a Box, or a dimension is unbounded or empty.
        """
        if not isinstance(action_space, gym.spaces.Box):
            raise head.refusal("a bounded Box action space", action_space)
        low = np.asarray(action_space.low, np.float64)
        length = np.asarray(action_space.high, np.float64) - low
        if not (np.all(np.isfinite(length)) and np.all(length > 0)):
            raise head.refusal("a Box action space with finite bounds, low < high", action_space)
        return cls(low.astype(np.float32), length.astype(np.float32))

    def from_unit(self, fraction: tf.Tensor) -> tf.Tensor:
        """Returns the actions at these fractions of the interval, none of them at a bound."""
        return self.low + self.length * tf.clip_by_value(fraction, _MARGIN, 1 - _MARGIN)

    def to_unit(self, action: tf.Tensor) -> tf.Tensor:
        """Returns the fractions of the interval; at a bound or beyond, a margin inside it."""
        return tf.clip_by_value((action - self.low) / self.length, _MARGIN, 1 - _MARGIN)
