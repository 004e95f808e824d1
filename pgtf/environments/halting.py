"""Stopping environments between two steps, so that no rollout keeps a run from ending."""

import math
import time


class Halted(Exception):
    """Environments were asked to move no further."""


class Halt:
    """A moment from which on environments refuse to move; it may be set in any thread."""

    def __init__(self) -> None:
        self._since = math.inf

    def __call__(self, grace: float) -> None:
        """Sets the moment.

        Args:
            grace: seconds from now.
        """
        self._since = min(self._since, time.monotonic() + grace)

    def check(self) -> None:
        """Raises Halted from that moment on."""
        if time.monotonic() > self._since:
            raise Halted("the run is to stop")
