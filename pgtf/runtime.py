"""TensorFlow's own settings, made before its first operation."""

import contextlib
import os

import gin
import tensorflow as tf

from pgtf.configuration import bound
from pgtf.errors import ConfigurationError

_COPIES_A_THREAD = 32  # Compiled environments that keep one thread busy.


@gin.register
def runtime(intra_op_threads: int | None = None, inter_op_threads: int | None = None) -> None:
    """Sets TensorFlow's thread pools.

    One thread each is fastest for small networks, where handing work over costs more than doing
    it; convolutions and large batches gain from more. Nothing changes once TensorFlow has started,
    as before a second run in one process.

    Args:
        intra_op_threads: threads that share one operation; 0 for one a core. When unbound, 1, or
            for many copies of a compiled environment up to one a core.
        inter_op_threads: operations that run side by side; 0 for one a core. When unbound, as many
            as ``AsynchronousTrainer.num_workers`` is bound to, which is what it takes for all
            workers to run, or else 1.

    Raises:
        ConfigurationError: a number is negative.
    """
    workers = max(1, bound("AsynchronousTrainer.num_workers", 1))
    copies = bound("CompiledEnvironment.num_envs", 1) * bound("train.num_seeds", 1)
    if intra_op_threads is None:
        most = (os.cpu_count() or 1) // workers
        intra_op_threads = max(1, min(most, copies // _COPIES_A_THREAD))
    if inter_op_threads is None:
        inter_op_threads = workers
    if intra_op_threads < 0 or inter_op_threads < 0:
        raise ConfigurationError("runtime's thread numbers must be 0 or more.")
    if intra_op_threads == 1:
        # Else XLA still hands small matrix products over to the pool, of one thread, and waits.
        _add_flag("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(intra_op_threads)
        tf.config.threading.set_inter_op_parallelism_threads(inter_op_threads)


def _add_flag(variable: str, flag: str) -> None:
    """Adds a flag that XLA reads at its first compilation, unless the user has set it."""
    flags = os.environ.get(variable, "")
    if flag.partition("=")[0] not in flags:
        os.environ[variable] = f"{flags} {flag}".strip()
