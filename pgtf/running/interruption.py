"""Ctrl-C, SIGTERM and SIGHUP as requests to stop, so that a run can save before it ends."""

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Optional

_SAVING = "saving and stopping; a second signal stops at once."
_DEFAULT, _IGNORED = ctypes.c_void_p(signal.SIG_DFL), ctypes.c_void_p(signal.SIG_IGN)


class Interruption:
    """While this context is open the first signal is noted, and a second one kills.

    Both work whatever the main thread does. It may be inside TensorFlow for minutes, where no
    handler of Python's runs: a thread listens as well. And it may hold Python's lock inside an
    environment's C++, where no thread runs either: the kernel itself forgets the handler with the
    first signal.

    Hanging up never counts as the second signal, as terminals and shells send it twice, and is
    ignored where it was before (``nohup``). Python gives signals to its main thread alone: in any
    other one nothing is noted or changed.

    Args:
        then: is called from the listening thread when the first signal is noted.
        announcement: is printed then.

    Attributes:
        signal: the number of the first signal, or None.
    """

    _open: Optional["Interruption"] = None

    def __init__(self, then: Callable[[], None] | None = None, announcement: str = _SAVING) -> None:
        self.signal: int | None = None
        self._then = then
        self._announcement = f"\npgtf: {announcement}\n".encode()
        self._previous: dict[signal.Signals, object] = {}
        self._actions: dict[signal.Signals, ctypes.Array[ctypes.c_char]] = {}
        self._heard = False
        self._terminals = [output for output in (1, 2) if os.isatty(output)]

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is not threading.main_thread():
            return self
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._mouth, False)
        self._actions = {number: _action(number) for number in numbers}
        self._previous = {number: signal.signal(number, self._note) for number in numbers}
        for number in (signal.SIGINT, signal.SIGTERM):
            _handle_once(number)
        self._earlier_mouth = signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        Interruption._open = self
        self._listener = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._listener.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._previous:
            self._let_go()
            self._listener.join()
            os.close(self._ear)
            # Again, as the listener may have had its say since.
            self._restore()

    def _let_go(self) -> None:
        signal.set_wakeup_fd(self._earlier_mouth)
        os.close(self._mouth)
        Interruption._open = None
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            # Python may know no handler, or another one than the one that was set from C since.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]
            ctypes.CDLL(None).sigaction(number, self._actions[number], None)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Is called in the main thread, once that runs Python code."""
        self.signal = self.signal or number
        for each in self._previous:
            signal.signal(each, signal.SIG_IGN if each == signal.SIGHUP else signal.SIG_DFL)

    def _listen(self) -> None:
        while numbers := os.read(self._ear, 64):
            if self._earlier_mouth >= 0:
                with contextlib.suppress(OSError):
                    os.write(self._earlier_mouth, numbers)
            for number in numbers:
                if number in self._previous:
                    self._hear(number)

    def _hear(self, number: int) -> None:
        """Is called in the listening thread, at once."""
        # Not by Python's ``signal``, which only the main thread may call.
        for each in self._previous:
            ignored = each == signal.SIGHUP
            ctypes.pythonapi.PyOS_setsig(each, _IGNORED if ignored else _DEFAULT)
        if self._heard:
            os.kill(os.getpid(), number)  # It came before the first one had been heard.
            return
        self._heard = True
        self.signal = self.signal or number
        self._leave_terminal()
        with contextlib.suppress(OSError):
            os.write(2, self._announcement)
        if self._then is not None:
            self._then()

    def _leave_terminal(self) -> None:
        """Prints into nothing from now on if the terminal has hung up, where printing fails."""
        for output in self._terminals:
            if not os.isatty(output):
                nothing = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nothing, output)
                os.close(nothing)

    @classmethod
    def _forget_in_child(cls) -> None:
        """A forked process handles its signals by itself, and not as its parent's."""
        if cls._open is not None:
            cls._open._let_go()


os.register_at_fork(after_in_child=Interruption._forget_in_child)


def _action(number: int) -> ctypes.Array[ctypes.c_char]:
    """What the kernel does on a signal, whoever said so: C's ``struct sigaction``."""
    action = ctypes.create_string_buffer(256)  # Some 150 bytes on Linux.
    ctypes.CDLL(None).sigaction(number, None, action)
    return action


def _handle_once(number: int) -> None:
    """Makes the kernel restore a signal's default action when it delivers the signal."""
    with contextlib.suppress(AttributeError):  # The C library may not offer this.
        python, library = ctypes.pythonapi, ctypes.CDLL(None)
        python.PyOS_getsig.restype = ctypes.c_void_p
        library.sysv_signal(number, ctypes.c_void_p(python.PyOS_getsig(number)))
