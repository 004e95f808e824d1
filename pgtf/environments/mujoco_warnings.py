"""MuJoCo's warnings, each told once."""

import contextlib
import sys
from collections.abc import Callable


def tell_once() -> None:
    """Makes MuJoCo say each of its warnings once, on stderr.

    By itself it repeats them for every copy of an environment and writes a log file into the
    current folder. A handler that the user has set stays.
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
