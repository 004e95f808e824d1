"""TensorFlow's own settings, made before its first operation."""

import contextlib

import gin
import tensorflow as tf

from pgtf.configuration import bound
from pgtf.errors import ConfigurationError


@gin.register
def runtime(intra_op_threads: int = 1, inter_op_threads: int | None = None) -> None:
    """Sets TensorFlow's thread pools.

    One thread each is fastest for small networks, where handing work over costs more than doing
    it; convolutions and large batches gain from more. Nothing changes once TensorFlow has started,
    as before a second run in one process.

    Args:
        intra_op_threads: threads that share one operation; 0 for one a core.
        inter_op_threads: operations that run side by side; 0 for one a core. When unbound, as many
            as ``AsynchronousTrainer.num_workers`` is bound to, which is what it takes for all
            workers to run, or else 1.

    Raises:
        ConfigurationError: a number is negative.
    """
    if inter_op_threads is None:
        inter_op_threads = max(1, bound("AsynchronousTrainer.num_workers", 1))
    if intra_op_threads < 0 or inter_op_threads < 0:
        raise ConfigurationError("runtime's thread numbers must be 0 or more.")
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(intra_op_threads)
        tf.config.threading.set_inter_op_parallelism_threads(inter_op_threads)
