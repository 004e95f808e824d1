"""Keeps TensorFlow's start-up messages off the console."""

import contextlib
import logging
import os
from collections.abc import Iterator


@contextlib.contextmanager
def silenced_tensorflow() -> Iterator[None]:
    """Imports of TensorFlow in this context print nothing.

    Its C++ part writes to the file descriptor before any log level is heeded. Warnings of its
    Python part, which are about how graphs are traced, are left out from then on. Set
    ``TF_CPP_MIN_LOG_LEVEL`` yourself to see everything.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    kept = os.dup(2)
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
