"""MuJoCo's warnings, each told once."""

import contextlib
import sys


def tell_once() -> None:
    """Makes MuJoCo say each of its warnings once, on stderr.

    By itself it repeats them for every copy of an environment and writes a log file into the
    current folder. A handler that the user has set stays.
    """
    with contextlib.suppress(ImportError):
        import mujoco

        if mujoco.get_mju_user_warning() is None:
            mujoco.set_mju_user_warning(_say)


_said: set[str] = set()


def _say(message: str) -> None:
    if message not in _said:
        _said.add(message)
        print(f"MuJoCo: {message}", file=sys.stderr)
