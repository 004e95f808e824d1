"""Random numbers cheap enough for the inside of a fused loop.

TensorFlow's stateless ops (Philox) cost ten times what a CartPole costs under XLA on a CPU: the
compiler does not fuse them with what surrounds them, and most steps throw the numbers away, since
a branch round a reset would cost more than drawing one at every step. A hash of a counter is
elementwise arithmetic that melts into the step. This one is PCG4D: four words in, four words out,
each word out depending on all four words in.

M. Jarzynski and M. Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020.
"""

from typing import NamedTuple

import tensorflow as tf

# Odd, so that the blocks of one seed are all different.
_BLOCK_STRIDE = 0x9E3779B9


def _word(value: int) -> tf.Tensor:
    return tf.constant(value & 0xFFFFFFFF, tf.uint32)


def pcg4d(
    x: tf.Tensor, y: tf.Tensor, z: tf.Tensor, w: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Hashes four uint32 tensors of one shape to four others (Jarzynski and Olano, listing 4)."""
    multiplier, increment = _word(1664525), _word(1013904223)
    x, y, z, w = (v * multiplier + increment for v in (x, y, z, w))
    x += y * w
    y += z * x
    z += x * y
    w += y * z
    x, y, z, w = (
        tf.bitwise.bitwise_xor(v, tf.bitwise.right_shift(v, _word(16))) for v in (x, y, z, w)
    )
    x += y * w
    y += z * x
    z += x * y
    w += y * z
    return x, y, z, w


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
                tf.fill([self.num_envs], seed[1] + _word(block * _BLOCK_STRIDE)),
                tf.cast(count, tf.uint32),
                tf.cast(environment, tf.uint32),
            )
        # The high bits are the well mixed ones; 24 are what a float32 holds exactly.
        bits = (tf.cast(tf.bitwise.right_shift(word, _word(8)), tf.int32) for word in words[:num])
        return [low + (high - low) * (2.0**-24 * tf.cast(b, tf.float32)) for b in bits]
