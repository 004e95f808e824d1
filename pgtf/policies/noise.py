"""Uniform and normal random numbers at the least cost inside an XLA program."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

_PHILOX = 1


def uniform(shape: Any, seed: Any) -> tf.Tensor:
    """Returns float32 numbers in [0, 1), multiples of 2^-23.

    Philox is keyed by the seed itself: ``tf.random.stateless_uniform`` first hashes the seed by a
    Philox of its own, and for 512 numbers XLA on a CPU takes ten times as long over that.

    Args:
        shape: of the result, a list or an int32 vector.
        seed: int32 [2]. Different seeds give independent streams (Salmon et al. 2011, "Parallel
            Random Numbers: As Easy as 1, 2, 3"); the numbers with and without XLA differ.
    """
    return tf.raw_ops.StatelessRandomUniformV2(shape=shape, **_stream(seed))


def normal(shape: Any, seed: Any) -> tf.Tensor:
    """Returns standard normal float32 numbers; arguments as for ``uniform``."""
    return tf.raw_ops.StatelessRandomNormalV2(shape=shape, **_stream(seed))


def _stream(seed: Any) -> dict[str, Any]:
    key = tf.bitcast(tfp.random.sanitize_seed(seed), tf.uint64)
    counter = tf.zeros([2], tf.uint64)
    return {"key": key[tf.newaxis], "counter": counter, "alg": _PHILOX, "dtype": tf.float32}
