"""Prints each of MuJoCo's warnings once."""

import contextlib
import sys
from collections.abc import Callable


def tell_once() -> None:
    """Makes MuJoCo print each of its warnings once, on stderr.

    By default it repeats them for every copy of an environment and writes a log file into the
    current folder. A handler set by the user is kept.
    """
    with contextlib.suppress(ImportError):
        import mujoco

        if mujoco.get_mju_user_warning() is None:
            mujoco.set_mju_user_warning(_teller())


def _teller() -> Callable[[str], None]:
    told: set[str] = set()

    def tell(message: str) -> None:
        if message not in told:
            told.add(message)
            print(f"MuJoCo: {message}", file=sys.stderr)

    return tell
