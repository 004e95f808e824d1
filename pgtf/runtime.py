"""TensorFlow's own settings, made before its first operation."""

import contextlib

import gin
import tensorflow as tf

from pgtf.errors import ConfigurationError


@gin.register
def runtime(intra_op_threads: int = 1, inter_op_threads: int = 1) -> None:
    """Sets TensorFlow's thread pools.

    One thread each is fastest for small networks, where handing work over costs more than doing
    it; convolutions and large batches gain from more. Nothing changes once TensorFlow has started,
    as before a second run in one process.

    Args:
        intra_op_threads: threads that share one operation; 0 for one a core.
        inter_op_threads: operations that run side by side; 0 for one a core.

    Raises:
        ConfigurationError: a number is negative.
    """
    if intra_op_threads < 0 or inter_op_threads < 0:
        raise ConfigurationError("runtime's thread numbers must be 0 or more.")
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(intra_op_threads)
        tf.config.threading.set_inter_op_parallelism_threads(inter_op_threads)
