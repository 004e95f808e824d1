"""Uniform and normal random numbers that are cheap inside an XLA program."""

import math
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

# Separates these numbers from those of environments, which may have the same seed.
_STREAM = 0x9E3779B9


def uint32(value: int) -> tf.Tensor:
    """Returns ``value`` modulo 2^32 as a uint32 constant."""
    return tf.constant(value & 0xFFFFFFFF, tf.uint32)


def pcg4d(
    x: tf.Tensor, y: tf.Tensor, z: tf.Tensor, w: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Hashes four uint32 tensors of one shape to four others (Jarzynski and Olano, listing 4)."""
    multiplier, increment = uint32(1664525), uint32(1013904223)
    x, y, z, w = (v * multiplier + increment for v in (x, y, z, w))
    x += y * w
    y += z * x
    z += x * y
    w += y * z
    x, y, z, w = (
        tf.bitwise.bitwise_xor(v, tf.bitwise.right_shift(v, uint32(16))) for v in (x, y, z, w)
    )
    x += y * w
    y += z * x
    z += x * y
    w += y * z
    return x, y, z, w


def uniform(shape: Any, seed: Any) -> tf.Tensor:
    """Returns float32 numbers in [0, 1), multiples of 2^-24.

    A hash of seed and position instead of TensorFlow's Philox. It is elementwise, so XLA fuses it
    into its consumers and ``tf.vectorized_map`` maps it over seeds. The numbers are the same with
    and without XLA.

    Args:
        shape: of the result, a list or an int32 vector.
        seed: int32 [2].
    """
    words = tf.cast(tfp.random.sanitize_seed(seed), tf.uint32)
    position = tf.cast(tf.range(tf.reduce_prod(shape)), tf.uint32)
    like = tf.zeros_like(position)
    _, _, _, word = pcg4d(
        like + words[0], like + words[1], position, like + tf.constant(_STREAM, tf.uint32)
    )
    bits = tf.cast(tf.bitwise.right_shift(word, tf.constant(8, tf.uint32)), tf.int32)
    return tf.reshape(2.0**-24 * tf.cast(bits, tf.float32), shape)


def normal(shape: Any, seed: Any) -> tf.Tensor:
    """Returns standard normal float32 numbers within ±5.4, arguments as for ``uniform``."""
    return normal_of(uniform(shape, seed))


def normal_of(number: tf.Tensor) -> tf.Tensor:
    """Makes standard normal numbers of float32 ones uniform on [0, 1), multiples of 2^-24."""
    # In this order nothing rounds, above all not to 1, where the inverse is infinite. TensorFlow's
    # erfinv itself rounds close to 1, but not close to -1.
    centred = (2.0 * number - 1.0) + 2.0**-24
    return -math.sqrt(2.0) * tf.sign(centred) * tf.math.erfinv(-tf.abs(centred))
