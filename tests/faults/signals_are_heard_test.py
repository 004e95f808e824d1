"""Signals are heard whatever the main thread does, and by nobody whom they are not for."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from pgtf.running.interruption import Interruption
from tests.short_runs import CHECKOUT

# Taken twice, a lock of the C library waits for ever; as PyDLL with Python's own lock held.
STUCK = """
import ctypes, os, signal, sys
from pgtf.running.interruption import Interruption
with Interruption(lambda: print("asked to stop", flush=True)):
    lock, library = ctypes.create_string_buffer(64), ctypes.{library}(None)
    library.pthread_mutex_lock(lock)
    print("stuck", flush=True)
    library.pthread_mutex_lock(lock)
"""


def start(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_run_is_asked_to_stop_while_its_main_thread_is_in_c(second: signal.Signals) -> None:
    run = start(STUCK.format(library="CDLL"))
    assert run.stdout is not None
    assert run.stderr is not None
    assert run.stdout.readline() == "stuck\n"
    run.send_signal(signal.SIGINT)
    assert run.stdout.readline() == "asked to stop\n"
    run.send_signal(signal.SIGHUP)  # A second one, but no order.
    run.send_signal(second)
    _, errors = run.communicate(timeout=60)

    assert run.returncode == -second
    assert errors == "\npgtf: saving and stopping; a second signal stops at once.\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's one-shot handlers")
def test_a_second_ctrl_c_ends_code_that_never_gives_up_pythons_lock() -> None:
    run = start(STUCK.format(library="PyDLL"))
    assert run.stdout is not None
    assert run.stdout.readline() == "stuck\n"
    while run.poll() is None:
        run.send_signal(signal.SIGINT)
        time.sleep(0.05)  # Equal signals that wait for delivery are one.
    run.communicate()

    assert run.returncode == -signal.SIGINT


def test_hanging_up_is_heard_once() -> None:
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)

    assert interruption.signal == signal.SIGHUP


def test_a_run_under_nohup_does_not_hear_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
        assert interruption.signal is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_forked_meanwhile_has_its_own_signals() -> None:
    """Python 3.12 warns of any fork beside threads."""
    code = """
import os, signal, warnings
from pgtf.running.interruption import Interruption
warnings.simplefilter("ignore")
with Interruption() as interruption:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"!")
        signal.pause()
    os.read(ready, 1)
    os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), interruption.signal)
"""
    run = start(code)
    out, errors = run.communicate(timeout=60)

    assert (out, errors) == (f"{-signal.SIGTERM} None\n", "")


def test_a_run_may_print_after_its_terminal_has_hung_up() -> None:
    code = """
import signal, sys, time
from pgtf.running.interruption import Interruption
with Interruption() as interruption:
    print("ready", flush=True)
    while interruption.signal is None:
        time.sleep(0.01)
print("saved", flush=True)
print("saved", flush=True, file=sys.stderr)
sys.exit(interruption.signal)
"""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(CHECKOUT)
        os.execv(sys.executable, [sys.executable, "-c", code])
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 100)
    with contextlib.suppress(OSError):
        os.close(terminal)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == signal.SIGHUP


def test_another_listener_still_hears_its_signals() -> None:
    ear, mouth = os.pipe()
    os.set_blocking(mouth, False)
    before = signal.set_wakeup_fd(mouth)
    try:
        with Interruption():
            os.kill(os.getpid(), signal.SIGTERM)
        assert os.read(ear, 9) == bytes([signal.SIGTERM])
        assert signal.set_wakeup_fd(before) == mouth
    finally:
        signal.set_wakeup_fd(before)
        os.close(ear)
        os.close(mouth)
