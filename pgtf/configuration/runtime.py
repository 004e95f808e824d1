"""TensorFlow's own settings, applied before its first operation."""

import contextlib
import os
from pathlib import Path

import gin
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.configuration import bound
from pgtf.configuration.machine import require_threads
from pgtf.configuration.ranges import CountOrZero
from pgtf.configuration.unmade import needs_of
from pgtf.errors import ConfigurationError

_COPIES_A_THREAD = 32  # Compiled environments that keep one thread busy.
_CONVOLUTION_THREADS = 2  # Pong, A2C, two cores: 1.5 times the steps of one thread or more.


@gin.register
@checked
def runtime(
    intra_op_threads: CountOrZero | None = None,
    inter_op_threads: CountOrZero | None = None,
    compilation_cache: str | None = None,
) -> None:
    """Sets TensorFlow's thread pools and XLA's cache of compiled programs.

    One thread each is fastest for small networks, where handing work over costs more than doing
    it; convolutions and large batches gain from more. Once TensorFlow has started, as in a second
    run of one process, the settings have no effect.

    Args:
        intra_op_threads: threads that share one operation; 0 for one a core. When unbound, 1, or
            for many copies of a compiled environment up to one a core, or 2 for convolutions; fewer
            where the trainer's own threads have the cores.
        inter_op_threads: operations that run side by side; 0 for one a core. When unbound, as many
            as the trainer has threads: 1, or the workers of A3C; and one more where the module of
            the environment imports TensorFlow, whose functions would wait for ever without it.
        compilation_cache: a folder of compiled programs, which spares a later run of the same
            configuration on the same processor most of its compilation. TensorFlow stops with an
            error when a file in it is damaged: remove the folder then.

    Raises:
        ConfigurationError: a number is negative, or the folder cannot be written.
    """
    threads, copies, convolves, spare = needs_of("train.trainer")
    if intra_op_threads is None:
        most = (os.cpu_count() or 1) // max(1, threads)
        copies *= bound("train.num_seeds", 1)
        useful = max(copies // _COPIES_A_THREAD, _CONVOLUTION_THREADS if convolves else 1)
        intra_op_threads = max(1, min(most, useful))
    if inter_op_threads is None:
        inter_op_threads = max(1, threads) + spare
    for name, count in (
        ("intra_op_threads", intra_op_threads),
        ("inter_op_threads", inter_op_threads),
    ):
        require_threads(count, f"runtime.{name} = {count}")
    if intra_op_threads == 1:
        # Otherwise XLA still hands small matrix products to the pool of one thread, and waits.
        _add_flag("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
    if compilation_cache is not None:
        _add_flag(
            "TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={_folder(compilation_cache)}"
        )
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(intra_op_threads)
        tf.config.threading.set_inter_op_parallelism_threads(inter_op_threads)


def _folder(path: str) -> Path:
    folder = Path(path).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"runtime.compilation_cache cannot be made: {error.strerror}: {folder}."
        ) from error
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(f"runtime.compilation_cache, {folder}, cannot be written.")
    return folder


def _add_flag(variable: str, flag: str) -> None:
    """Adds a flag that XLA reads at its first compilation, unless the user has set it."""
    flags = os.environ.get(variable, "")
    if flag.partition("=")[0] not in flags:
        os.environ[variable] = f"{flags} {flag}".strip()
