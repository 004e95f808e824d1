"""How long a run took: compiling, training and the pauses between."""

import contextlib
import time
from collections.abc import Iterator


class Pace:
    """Measures seconds and steps per second.

    Args:
        earlier: seconds of the run before it was resumed.

    Attributes:
        compile_seconds: known once ``compiled``.
        compiled: whether a second call has told how much of the first one was training.
    """

    def __init__(self, earlier: float = 0.0):
        self._earlier = earlier
        self._began = time.perf_counter()
        self._steady: tuple[float, int] | None = None
        self._pause = 0.0
        self._first_iterations = 0
        self.compile_seconds = 0.0
        self.compiled = False

    @property
    def seconds(self) -> float:
        """Wall time of the whole run."""
        return self._earlier + time.perf_counter() - self._began

    def rate(self, steps: int) -> float | None:
        """Steps per second since the first call, which traces; without evaluation and saving.

        Args:
            steps: taken by now.
        """
        if self._steady is None:
            return None
        since, first = self._steady
        seconds = time.perf_counter() - since - self._pause
        return (steps - first) / seconds if steps > first else None

    def called(self, seconds: float, iterations: int, steps: int) -> None:
        """Notes a call of the trainer.

        Args:
            seconds: that it took.
            iterations: that it ran.
            steps: taken by now.
        """
        if self._steady is None:
            self._steady = (time.perf_counter(), steps)
            self._first_iterations, self.compile_seconds = iterations, seconds
        elif not self.compiled and iterations:
            training = self._first_iterations * seconds / iterations
            self.compile_seconds = max(0.0, self.compile_seconds - training)
            self.compiled = True

    def went_back(self, steps: int) -> None:
        """Measures the rate afresh, from these steps on."""
        if self._steady is not None:
            self._steady, self._pause = (time.perf_counter(), steps), 0.0

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves what is done meanwhile out of the rate."""
        began = time.perf_counter()
        yield
        self._pause += time.perf_counter() - began
