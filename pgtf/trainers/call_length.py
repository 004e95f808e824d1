"""How many iterations a compiled program runs before Python has its turn again."""

import math
import time


class CallLength:
    """Chooses the iterations of each call by the time that they took in the last one.

    XLA knows no clock. Programs are compiled for the most iterations, and told when to end sooner.

    Args:
        most: iterations that the program is compiled for.
    """

    def __init__(self, most: int):
        self._most = most
        self._compiled = False
        self._each = math.inf  # Seconds.

    def next(self, seconds: float) -> int:
        """Returns how many iterations the next call is to run.

        Args:
            seconds: that it may take.
        """
        self._began = time.perf_counter()
        if math.isinf(seconds):
            return self._most
        return max(1, min(self._most, int(seconds / self._each)))

    def took(self, iterations: int) -> None:
        """Notes that the call is over, which has run this many iterations."""
        # The first one compiled.
        if self._compiled and iterations:
            self._each = (time.perf_counter() - self._began) / iterations
        self._compiled = True
