"""The console output of a run: a bar on a terminal, plain lines elsewhere."""

import contextlib
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

_SECONDS_BETWEEN_LINES = 5.0


class _Console(Console):
    """Goes on in silence when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def console() -> Console:
    """What prints to the terminal, or plainly to a file or into a notebook."""
    return _Console(highlight=False, soft_wrap=True, force_jupyter=False)


class ProgressDisplay:
    """Shows steps, rate, mean episode return and the time left.

    Args:
        total: environment steps of the whole run.
    """

    def __init__(self, total: int):
        self.console = console()
        self._total = total
        # Two bars of two threads would draw over each other.
        main = threading.current_thread() is threading.main_thread()
        self._plain = not (main and self.console.is_terminal)
        self._bar = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=self._plain,
        )
        # Without a total the bar pulses.
        self._task = self._bar.add_task("building", total=None)
        self._last_line = time.monotonic()

    def __enter__(self) -> "ProgressDisplay":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def update(self, steps: int, rate: float | None, mean_return: float | None) -> None:
        """Shows the progress of the run.

        Args:
            steps: environment steps so far.
            rate: steps per second, once known.
            mean_return: of the last episodes, once one has ended.
        """
        items = [f"{steps:,} of {self._total:,} steps"]
        if rate is not None:
            items.append(f"{rate:,.0f} steps/s")
        if mean_return is not None:
            items.append(f"return {mean_return:.1f}")
        self._bar.update(
            self._task, total=self._total, completed=steps, description=", ".join(items)
        )
        now = time.monotonic()
        if self._plain and now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = now
            if rate:
                items.append(f"{max(0, self._total - steps) / rate:.0f} s left")
            self.say(", ".join(items))

    def stage(self, name: str) -> None:
        """Shows the current stage, such as compiling."""
        self._bar.update(self._task, description=name)

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        encoding = self.console.encoding
        with contextlib.suppress(ValueError):  # The stream has been closed.
            line = line.encode(encoding, "replace").decode(encoding)
            self.console.print(line, markup=False)
