"""A start-up that is quiet and quick: importing TensorFlow and the parts."""

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator

from pgtf.configuration.host import check_backend


@contextlib.contextmanager
def silenced_tensorflow() -> Iterator[None]:
    """Silences imports of TensorFlow in this context.

    Its C++ part writes to the file descriptor before any log level applies. Warnings of its Python
    part, which are about tracing graphs, stay off from then on. Set ``TF_CPP_MIN_LOG_LEVEL``
    yourself to see everything.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        kept = os.dup(2)
    except OSError:  # It is closed, and silent.
        yield
        return
    # Importing takes seconds; the line is gone when it is done.
    note, erased = (b"Loading TensorFlow\r", b"\x1b[K") if os.isatty(kept) else (b"", b"")
    os.write(kept, note)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.write(kept, erased)
        os.dup2(kept, 2)
        os.close(kept)
        logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextlib.contextmanager
def quick_start() -> Iterator[None]:
    """The imports of a command: quiet, and not interrupted by Python's garbage collector.

    Importing TensorFlow makes 700,000 objects that live until the end. The collector would walk
    them again and again while they come, and in every full collection of training afterwards, so
    it is off meanwhile and they are frozen in the end. Once TensorFlow is imported nothing is done.
    """
    check_backend()
    if "tensorflow" in sys.modules:
        yield
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        with silenced_tensorflow():
            yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
