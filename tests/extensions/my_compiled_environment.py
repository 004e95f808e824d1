"""A compiled environment in a module of one's own: a corridor to walk to either end of.

import tests.extensions.my_compiled_environment
TASK = @Corridor()
"""

from typing import Any

import gin
import gymnasium as gym
import tensorflow as tf

from pgtf.environments.compiled import Noise, TensorFlowEnvironment


@gin.register
class Corridor(TensorFlowEnvironment):
    """Cells in a row; each step costs 1, and the episode ends at either end.

    Args:
        num_envs: B.
        time_limit: steps after which an episode is truncated.
        cells: in the row, with both ends.
    """

    def __init__(self, num_envs: int = 8, time_limit: int = 20, cells: int = 7):
        super().__init__(gym.spaces.Discrete(cells), gym.spaces.Discrete(2), num_envs, time_limit)
        self.cells = cells

    def initial(self, noise: Noise) -> tf.Tensor:
        """Anywhere but at the ends."""
        (number,) = noise.uniform(1, 1.0, float(self.cells - 1))
        return tf.cast(number, tf.int32)

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """One cell to the left (0) or to the right (1)."""
        cell = physics + 2 * action - 1
        reward = tf.fill([self.num_envs], -1.0)
        return cell, reward, (cell <= 0) | (cell >= self.cells - 1)

    def observe(self, physics: Any) -> tf.Tensor:
        """The cell's number."""
        return physics
