"""What pgtf needs of the process that it is a guest in, checked before anything is made."""

import contextlib
import json
import os
import sys
from pathlib import Path

from pgtf.errors import ConfigurationError

_used_in: int | None = None


def check_backend() -> None:
    """Refuses a Keras that is not to run on TensorFlow; imports neither.

    Raises:
        ConfigurationError: the environment, ``keras.json`` or the process has chosen another one.
    """
    if "keras" in sys.modules:
        backend, chosen = sys.modules["keras"].config.backend(), "this process has chosen"
    elif "KERAS_BACKEND" in os.environ:
        backend, chosen = os.environ["KERAS_BACKEND"], "KERAS_BACKEND asks for"
    else:
        file = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
        backend, chosen = "tensorflow", f"{file} asks for"
        with contextlib.suppress(OSError, ValueError, AttributeError):
            backend = json.loads(file.read_text()).get("backend", backend)
    if backend != "tensorflow":
        raise ConfigurationError(
            f"pgtf runs on Keras's TensorFlow backend, and {chosen} {backend!r}: set"
            " KERAS_BACKEND=tensorflow before Keras is imported."
        )


def check_process() -> None:
    """Refuses what the process has set or done so that no policy could learn in it.

    Raises:
        ConfigurationError: Keras computes with other numbers or pictures than pgtf's, or the
            process was forked from one in which pgtf has used TensorFlow.
    """
    import keras  # Takes a second, and ``check_backend`` comes first.

    global _used_in
    settings = {
        "floatx": (keras.config.floatx(), "float32"),
        "image_data_format": (keras.config.image_data_format(), "channels_last"),
        "dtype_policy": (keras.config.dtype_policy().name, "float32"),
    }
    for name, (found, needed) in settings.items():
        if found != needed:
            raise ConfigurationError(
                f"pgtf needs keras.config.{name}() to be {needed!r}, and here it is {found!r}: call"
                f" keras.config.set_{name}({needed!r}), or change keras.json."
            )
    if _used_in not in (None, os.getpid()):
        raise ConfigurationError(
            "This process was forked from one that has used TensorFlow, whose threads a fork does"
            " not copy: start it with multiprocessing.get_context('spawn')."
        )
    _used_in = os.getpid()
