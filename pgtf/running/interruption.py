"""Ctrl-C and SIGTERM as requests to stop, so that a run can save before it ends."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class Interruption:
    """While this context is open the first Ctrl-C or SIGTERM is noted, the second one kills.

    Python gives signals to its main thread alone: in any other one nothing is noted or changed.

    Args:
        then: is called when the first one is noted, from the signal handler: it may only set a
            flag.

    Attributes:
        signal: the number of the signal that came, or None.
    """

    _SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.signal: int | None = None
        self._then = then

    def __enter__(self) -> "Interruption":
        heeded = self._SIGNALS
        if threading.current_thread() is not threading.main_thread():
            heeded = ()
        self._previous = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        if self._then is not None:
            self._then()
        # Not print(), which the signal may have interrupted.
        with contextlib.suppress(OSError):
            os.write(2, b"\npgtf: saving and stopping; a second signal stops at once.\n")
        for each in self._SIGNALS:
            signal.signal(each, signal.SIG_DFL)
