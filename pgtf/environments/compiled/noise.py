"""Random numbers cheap enough for the inside of a fused loop.

Under XLA on a CPU, TensorFlow's stateless ops (Philox) cost ten times a step of CartPole: the
compiler does not fuse them. Most steps do not need the numbers, but a branch around the reset would
cost more than drawing them at every step. A hash of a counter is elementwise arithmetic and fuses
into the step. This one is PCG4D: four words in, four words out, and each word out depends on all
four words in.

M. Jarzynski and M. Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
"""

from typing import NamedTuple

import tensorflow as tf

from pgtf.graph.stateless import pcg4d, uint32

# Odd, so that the blocks of one seed are all different.
_BLOCK_STRIDE = 0x9E3779B9


class Noise(NamedTuple):
    """The source of the random numbers of one step of B environments.

    It is a value, not a stream: asking twice gives the same numbers.

    Attributes:
        seed: int32 [2], the stateless seed of the whole run of the environments.
        count: int32 [], which step of that run this is.
        num_envs: B.
    """

    seed: tf.Tensor
    count: tf.Tensor
    num_envs: int

    def uniform(self, num: int, low: float = 0.0, high: float = 1.0) -> list[tf.Tensor]:
        """Draws ``num`` independent numbers for each environment, uniform on [low, high).

        Returns:
            ``num`` tensors [B] float32, with 24 random bits each.
        """
        environment = tf.range(self.num_envs)
        count = tf.fill([self.num_envs], self.count)
        seed = tf.cast(self.seed, tf.uint32)
        words: list[tf.Tensor] = []
        for block in range(-(-num // 4)):
            words += pcg4d(
                tf.fill([self.num_envs], seed[0]),
                tf.fill([self.num_envs], seed[1] + uint32(block * _BLOCK_STRIDE)),
                tf.cast(count, tf.uint32),
                tf.cast(environment, tf.uint32),
            )
        # The high bits are the well mixed ones; 24 are what a float32 holds exactly.
        bits = (tf.cast(tf.bitwise.right_shift(word, uint32(8)), tf.int32) for word in words[:num])
        return [low + (high - low) * (2.0**-24 * tf.cast(b, tf.float32)) for b in bits]
