"""Ctrl-C and SIGTERM as a wish to stop, so that a run can save before it ends."""

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType, TracebackType


class Interruption:
    """While this context is open the first Ctrl-C or SIGTERM is noted, the second one kills.

    Args:
        then: is called when the first one is noted, from the signal handler: it may only set a
            flag.

    Attributes:
        signal: the number of the signal that came, or None.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, then: Callable[[], None] | None = None) -> None:
        self.signal: int | None = None
        self._then = then

    def __enter__(self) -> "Interruption":
        self._previous = {number: signal.signal(number, self._note) for number in self._SIGNALS}
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
            os.write(2, b"\npgtf: saving and stopping; once more ends it at once.\n")
        for each in self._SIGNALS:
            signal.signal(each, signal.SIG_DFL)
