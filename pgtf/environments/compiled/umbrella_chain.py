"""UmbrellaChain: an action at the start that counts at the end."""

from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, CountOrZero
from pgtf.environments.compiled.drawing import magnified, painted
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment

_COLOURS = np.array([[230, 230, 230], [60, 90, 160]])


@gin.register
class CompiledUmbrellaChain(TensorFlowEnvironment, ids={"UmbrellaChain-v0": {}}):
    """Take an umbrella or leave it; the forecast is right, and the reward comes at the end.

    bsuite's UmbrellaChain (Osband et al., "Behaviour Suite for Reinforcement Learning", ICLR 2020).
    Only the first action counts. The last of ``chain_length`` steps gives 1 if the agent has an
    umbrella just when it needs one, and -1 if not. All others give 1 or -1 by chance. The best
    expected return is 1, that of random actions 0.

    Physics: [3 + n_distractor, B] int32, rows whether an umbrella is needed, whether there is one,
    the time, and random bits.
    """

    @checked
    def __init__(
        self,
        num_envs: Count = 8,
        time_limit: Count | None = None,
        chain_length: Count = 20,
        n_distractor: CountOrZero = 0,
    ):
        """Makes B chains.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            chain_length: steps of an episode.
            n_distractor: random bits that are observed and mean nothing.

        Raises:
            ConfigurationError: a chain without a step.
        """
        self._length, self._distractors = chain_length, n_distractor
        super().__init__(
            gym.spaces.Box(0, 1, (3 + n_distractor,), np.float32),
            gym.spaces.Discrete(2),
            num_envs,
            time_limit,
        )

    @property
    def longest_episode(self) -> int:
        """The chain's length, or the time limit."""
        return min(self._length, self.time_limit or self._length)

    def initial(self, noise: Noise) -> tf.Tensor:
        """Needs an umbrella, and has one, with probability 1/2 each."""
        need, have, *distractors = _bits(noise, 2 + self._distractors)
        return tf.stack([need, have, tf.zeros_like(need), *distractors])

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Leaves (0) or takes (1) the umbrella in the first step; ends with the chain."""
        need, have, time, *_ = tf.unstack(physics)
        coin, *distractors = _bits(noise, 1 + self._distractors)
        have = tf.where(time == 0, action, have)
        time += 1
        terminated = time >= self._length
        good = tf.where(terminated, have == need, coin == 1)
        return tf.stack([need, have, time, *distractors]), tf.where(good, 1.0, -1.0), terminated

    def observe(self, physics: Any) -> tf.Tensor:
        """Need, umbrella, the part of the chain that is left, the distractors: [B, 3 + n]."""
        need, have, time, *distractors = tf.unstack(tf.cast(physics, tf.float32))
        return tf.stack([need, have, 1.0 - time / self._length, *distractors], axis=-1)

    def picture(self, physics: Any) -> tf.Tensor:
        """A row for each number of the observation: a bar as long as the number is large."""
        bars = tf.range(10) < tf.cast(10 * self.observe(physics), tf.int32)[..., None]
        return magnified(painted(bars[..., None], _COLOURS))


def _bits(noise: Noise, num: int) -> list[tf.Tensor]:
    return [tf.cast(number, tf.int32) for number in noise.uniform(num, 0.0, 2.0)]
