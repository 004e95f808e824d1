"""The first signal is a wish, the second one an order."""

import ctypes
import os
import signal
import subprocess
import sys

import pytest

from pgtf.running.interruption import Interruption
from tests.short_runs import CHECKOUT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_noted_and_announced(
    number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with Interruption() as interruption:
        before = interruption.signal
        os.kill(os.getpid(), number)

    assert (before, interruption.signal) == (None, number)
    assert "saving and stopping" in capfd.readouterr().err


def test_handlers_are_as_before_afterwards() -> None:
    def handler(number: int, frame: object) -> None:
        del number, frame

    # Both, as a job that a shell starts in the background ignores SIGINT from its start.
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        with Interruption():
            assert all(signal.getsignal(number) != handler for number in numbers)
            os.kill(os.getpid(), signal.SIGTERM)
        assert all(signal.getsignal(number) == handler for number in numbers)
    finally:
        for number in numbers:
            signal.signal(number, previous[number])


def test_handlers_that_were_set_from_c_are_as_before_afterwards() -> None:
    """Python would put the default action in their place, which kills."""
    ignoring = ctypes.CDLL(None).labs  # Takes an integer and does nothing.
    ctypes.CDLL(None).signal(signal.SIGTERM, ignoring)
    try:
        with Interruption():
            pass
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.mark.parametrize("first", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_second_signal_kills(first: str, second: str) -> None:
    code = f"""
import os, signal
from pgtf.running.interruption import Interruption
with Interruption():
    os.kill(os.getpid(), signal.{first})
    print("alive", flush=True)
    os.kill(os.getpid(), signal.{second})
    print("still alive", flush=True)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT
    )

    assert ended.returncode == -signal.Signals[second]
    assert ended.stdout == "alive\n"


def test_closed_console_does_not_stop_the_signal() -> None:
    code = """
import os, signal
from pgtf.running.interruption import Interruption
os.close(2)
with Interruption() as interruption:
    os.kill(os.getpid(), signal.SIGTERM)
print(interruption.signal)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT
    )

    assert (ended.returncode, ended.stdout) == (0, f"{signal.SIGTERM.value}\n")
