"""Catch: a tiny game on a board of pixels."""

from typing import Annotated, Any, Literal

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Range
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment


@gin.register
class CompiledCatch(TensorFlowEnvironment, ids={"Catch-v0": {}}):
    """Move a paddle along the bottom row to catch a ball that falls down one column.

    The rules are those of bsuite's Catch (Osband et al., "Behaviour Suite for Reinforcement
    Learning", ICLR 2020): an episode lasts ``rows - 1`` steps, and its last one gives 1 or -1.

    Physics: [3, B] int32, rows the ball's column, the ball's row and the paddle's column.
    """

    @checked
    def __init__(
        self,
        num_envs: Count = 8,
        time_limit: Count | None = None,
        rows: Annotated[int, Range(2)] = 10,
        columns: Count = 5,
        dtype: Literal["float32", "uint8"] = "float32",
    ):
        """Makes B boards.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            rows: height of the board.
            columns: width of the board.
            dtype: "float32" for pixels 0 and 1, "uint8" for pixels 0 and 255.

        Raises:
            ConfigurationError: a board too small to play on, or another dtype.
        """
        self._rows, self._columns = rows, columns
        self._bright = 255 if dtype == "uint8" else 1
        super().__init__(
            gym.spaces.Box(0, self._bright, (rows, columns, 1), np.dtype(dtype).type),
            gym.spaces.Discrete(3),
            num_envs,
            time_limit,
        )

    @property
    def longest_episode(self) -> int:
        """Steps until the ball is on the bottom row, or the time limit."""
        return min(self._rows - 1, self.time_limit or self._rows)

    def initial(self, noise: Noise) -> tf.Tensor:
        """The ball above any column, the paddle in the middle."""
        (number,) = noise.uniform(1, 0.0, float(self._columns))
        ball = tf.cast(number, tf.int32)
        return tf.stack([ball, tf.zeros_like(ball), tf.fill([self.num_envs], self._columns // 2)])

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Moves the paddle left (0), not at all (1) or right (2); the ball falls by one row."""
        ball_column, ball_row, paddle = tf.unstack(physics)
        paddle = tf.clip_by_value(paddle + action - 1, 0, self._columns - 1)
        ball_row += 1
        terminated = ball_row >= self._rows - 1
        outcome = tf.where(paddle == ball_column, 1.0, -1.0)
        reward = tf.where(terminated, outcome, 0.0)
        return tf.stack([ball_column, ball_row, paddle]), reward, terminated

    def observe(self, physics: Any) -> tf.Tensor:
        """The board, [B, rows, columns, 1]: bright where the ball and the paddle are."""
        ball_column, ball_row, paddle = (v[:, None, None, None] for v in tf.unstack(physics))
        row = tf.range(self._rows)[:, None, None]
        column = tf.range(self._columns)[:, None]
        ball = (row == ball_row) & (column == ball_column)
        lit = ball | ((row == self._rows - 1) & (column == paddle))
        return tf.cast(lit, self.observation_space.dtype) * self._bright
