"""DeepSea: a chain that only deep exploration gets to the end of."""

from typing import Annotated, Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Range, Seed
from pgtf.environments.compiled.drawing import magnified, painted
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment
from pgtf.graph.stateless import normal_of

_COLOURS = np.array([[20, 40, 80], [240, 200, 60]])  # water, diver


@gin.register
class CompiledDeepSea(TensorFlowEnvironment, ids={"DeepSea-v0": {}}):
    """Sink through a square of N rows; the treasure lies in the corner N moves to the right.

    bsuite's DeepSea (Osband et al., "Behaviour Suite for Reinforcement Learning", ICLR 2020; first
    in Osband et al., "Deep Exploration via Randomized Value Functions", 2017). Each step sinks by
    one row and moves one column to the left, or to the right for ``unscaled_move_cost`` / N. Moving
    right in the last column gives 1. Which action is right differs from field to field, so that
    random actions find the treasure once in 2^N episodes.

    The best return is 1 - c, where c is ``unscaled_move_cost``. Where moves to the right succeed
    with probability p = 1 - 1/N, it is p^(N - 1) - c (1 - p^N) on average: whoever has failed once
    saves the cost.

    Physics: [2, B] int32, rows the diver's row and column.

    Attributes:
        right: [N, N] int, the action that moves right.
    """

    @checked
    def __init__(
        self,
        num_envs: Count = 8,
        time_limit: Count | None = None,
        size: Annotated[int, Range(2)] = 10,
        deterministic: bool = True,
        unscaled_move_cost: float = 0.01,
        randomize_actions: bool = True,
        mapping_seed: Seed = 0,
    ):
        """Makes B seas.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            size: N, rows and columns, which is also the length of an episode.
            deterministic: otherwise a move to the right fails with probability 1/N, and the lower
                corners add standard normal noise to the reward.
            unscaled_move_cost: what N moves to the right cost.
            randomize_actions: whether the action that moves right differs from field to field; it
                is 1 everywhere otherwise.
            mapping_seed: of the fields' actions, as bsuite draws them.

        Raises:
            ConfigurationError: a sea too small to play in.
        """
        self._size = size
        self._deterministic = deterministic
        self._move_cost = unscaled_move_cost / size
        random = np.random.RandomState(mapping_seed)
        shape = (size, size)
        self.right = random.binomial(1, 0.5, shape) if randomize_actions else np.ones(shape, int)
        super().__init__(
            gym.spaces.Box(0, 1, shape, np.float32), gym.spaces.Discrete(2), num_envs, time_limit
        )

    @property
    def longest_episode(self) -> int:
        """Steps to the ground, or the time limit."""
        return min(self._size, self.time_limit or self._size)

    def initial(self, noise: Noise) -> tf.Tensor:
        """The upper left corner."""
        return tf.zeros([2, self.num_envs], tf.int32)

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Sinks by a row and moves to one side; ends on the ground."""
        row, column = tf.unstack(physics)
        last = self._size - 1
        # An episode that has ended lies below the last row, which has no field to look up.
        field = tf.minimum(row, last) * self._size + column
        right = action == tf.gather(tf.constant(self.right.ravel(), tf.int32), field)
        reward = tf.where(right, -self._move_cost, 0.0)
        reward += tf.where(right & (column == last), 1.0, 0.0)
        moves_right = right
        if not self._deterministic:
            luck, number = noise.uniform(2)
            corner = (row == last) & ((column == 0) | (column == last))
            reward += tf.where(corner, normal_of(number), 0.0)
            moves_right = right & (luck > 1 / self._size)
        # A move to the right that fails stays in its column.
        move = tf.where(moves_right, 1, tf.where(right, 0, -1))
        column = tf.clip_by_value(column + move, 0, last)
        return tf.stack([row + 1, column]), reward, row >= last

    def observe(self, physics: Any) -> tf.Tensor:
        """The square, [B, N, N]: 1 where the diver is, nowhere on the ground."""
        return tf.cast(self._diver(physics), tf.float32)

    def picture(self, physics: Any) -> tf.Tensor:
        """The square as observed."""
        return magnified(painted(self._diver(physics)[..., None], _COLOURS))

    def _diver(self, physics: Any) -> tf.Tensor:
        row, column = (v[:, None, None] for v in tf.unstack(physics))
        return (tf.range(self._size)[:, None] == row) & (tf.range(self._size) == column)
