"""Calls of environments' code that are given up when a copy does not return from them."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

_LOOKS = 20  # In the time that a copy may take.
_GOODBYE = 1.0  # Seconds that closing what has hung may take.


class Overdue(Exception):
    """A copy has not returned in time.

    Attributes:
        copy: its number, or None where that is unknown.
    """

    def __init__(self, copy: int | None):
        super().__init__(copy)
        self.copy = copy


class Patience:
    """Runs functions in a thread of its own, which is left alone once a call in it hangs.

    Args:
        seconds: that each copy may take; copies may take their turns within one call.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._inbox: queue.SimpleQueue[Callable[[], Any] | None] | None = None

    def run(
        self,
        function: Callable[[], Any],
        moving: Callable[[], Iterable[int | None]],
        check: Callable[[], None],
    ) -> Any:
        """Returns what the function returns, or raises what it raises.

        Args:
            function: steps copies.
            moving: returns those that have not returned yet.
            check: is called now and then; what it raises ends the wait too.

        Raises:
            Overdue: one of them has been moving for too long.
        """
        if self._inbox is None:
            self._start()
        assert self._inbox is not None
        self._inbox.put(function)
        since: dict[int | None, float] = {}
        try:
            while True:
                try:
                    result, error = self._outbox.get(timeout=self.seconds / _LOOKS)
                    break
                except queue.Empty:
                    check()
                now = time.monotonic()
                since = {copy: since.get(copy, now) for copy in moving()}
                for copy, began in since.items():
                    if now - began >= self.seconds:
                        raise Overdue(copy)
        except BaseException:
            self._inbox.put(None)  # If the call ever returns, its thread ends.
            self._inbox = None
            raise
        if error is not None:
            raise error
        return result

    def end(self) -> None:
        """Ends the thread."""
        if self._inbox is not None:
            self._inbox.put(None)
            self._inbox = None

    def _start(self) -> None:
        inbox, outbox = queue.SimpleQueue[Any](), queue.SimpleQueue[Any]()

        def work() -> None:
            for function in iter(inbox.get, None):
                try:
                    outbox.put((function(), None))
                except BaseException as error:
                    outbox.put((None, error))

        self._inbox, self._outbox = inbox, outbox
        threading.Thread(target=work, name="environments", daemon=True).start()


def close_what_hangs(close: Callable[[], None]) -> None:
    """Closes environments one of which does not return, as far as that goes in a second."""

    def attempt() -> None:
        try:
            close()
        except (Exception, SystemExit):  # Nothing is expected of it any more.
            return

    thread = threading.Thread(target=attempt, name="closing", daemon=True)
    thread.start()
    thread.join(_GOODBYE)
