"""Compiled environments that draw themselves: one copy that knows where it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.trajectory import TimeStep


class Drawn(Environment):
    """Keeps the state of a compiled environment between calls, so that it can ``render``.

    Its steps call Python to do so: it is for films, not for training.
    """

    def __init__(self, environment: Environment, picture: Callable[[Any], tf.Tensor]):
        """Goes round an environment.

        Args:
            environment: compiled.
            picture: state -> [B, height, width, 3] uint8.
        """
        self.observation_space = environment.observation_space
        self.action_space = environment.action_space
        self.num_envs = environment.num_envs
        self.time_limit = environment.time_limit
        self.name = environment.name
        self._environment = environment
        self._picture = picture
        self._step = tf.function(environment.step)
        self._state: Any = None

    @property
    def longest_episode(self) -> int | None:
        """That of the environment inside."""
        return self._environment.longest_episode

    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        """Starts every copy afresh; see ``Environment.reset``."""
        self._state, observation = self._environment.reset(seed)
        return self._state, observation

    def step(self, state: Any, action: Any, held: tf.Tensor | None = None) -> tuple[Any, TimeStep]:
        """Moves every copy by one step; see ``Environment.step``."""
        self._state, step = self._step(state, action, held)
        return self._state, step

    def replicate(self, num_envs: int, frozen: bool = False) -> "Drawn":
        """Returns the same with another number of copies."""
        return Drawn(self._environment.replicate(num_envs, frozen), self._picture)

    def render(self) -> np.ndarray:
        """Returns a picture of the first copy, [height, width, 3] uint8, after the last step."""
        return self._picture(self._state).numpy()[0]


def magnified(cells: tf.Tensor, pixels: int = 16) -> tf.Tensor:
    """Makes a square of each cell: [B, rows, columns, 3] -> [B, rows·pixels, columns·pixels, 3]."""
    return tf.repeat(tf.repeat(cells, pixels, axis=1), pixels, axis=2)


def painted(layers: tf.Tensor, colours: np.ndarray) -> tf.Tensor:
    """Paints layers over each other, the last one on top.

    Args:
        layers: [B, rows, columns, L] bool.
        colours: [1 + L, 3] uint8, the ground's first.

    Returns:
        [B, rows, columns, 3] uint8.
    """
    height = tf.range(1, layers.shape[-1] + 1) * tf.cast(layers, tf.int32)
    return tf.gather(tf.constant(colours, tf.uint8), tf.reduce_max(height, axis=-1))
