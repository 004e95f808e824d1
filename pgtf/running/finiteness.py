"""Where a run's numbers stopped being finite: the sentence that says so."""

from collections.abc import Callable

import numpy as np

from pgtf.errors import TrainingError
from pgtf.running.safeguards import Safeguard
from pgtf.trainers.trainer import Report, Trainer

_SKIPPED = "train/skipped"


class Diverged(TrainingError):
    """A number of the run is infinite or NaN."""


class Finiteness:
    """Looks at what a trainer reports, and at its variables.

    Args:
        trainer: built.
        safeguard: of the run.
        broken: returns the names of variables that are not finite.
    """

    def __init__(self, trainer: Trainer, safeguard: Safeguard, broken: Callable[[], list[str]]):
        self._trainer = trainer
        self._safeguard = safeguard
        self._broken = broken
        self.forget()

    def forget(self) -> None:
        """Starts afresh, once the trainer has gone back to a checkpoint."""
        self._updates = self._counted()
        self._last: dict[str, float] = {}

    def look_at(self, report: Report) -> Report:
        """Returns the report, without what updates that were undone have left in it.

        Raises:
            Diverged: names the loss term and the update.
        """
        before, self._updates = self._updates, self._counted()
        bad = {tag: ~np.isfinite(values) for tag, values in report.rows.items()}
        bad = {tag: marks for tag, marks in bad.items() if np.any(marks)}
        skipped = report.rows.get(_SKIPPED, np.zeros(0)) > 0
        if np.any(skipped):
            if not self._safeguard.tolerates(skipped.reshape(-1, report.members)):
                raise Diverged(self._sentence(report, bad or {_SKIPPED: skipped}, before))
            return report._replace(rows={tag: x[np.isfinite(x)] for tag, x in report.rows.items()})
        if bad:
            raise Diverged(self._sentence(report, bad, before))
        self._safeguard.tolerates(skipped.reshape(-1, report.members))
        self._last = {tag: values[-1] for tag, values in report.rows.items() if len(values)}
        return report

    def look_at_variables(self) -> None:
        """Is called before anything is saved or scored.

        Raises:
            Diverged: names the variable, and the loss of the last update.
        """
        broken = self._broken()
        if not broken:
            return
        others = f" and {len(broken) - 1} more variables are" if len(broken) > 1 else " is"
        raise Diverged(
            f"{broken[0]}{others} not finite after {self._steps:,} steps"
            f"{self._update(self._counted())}{self._before()}, so training stops;"
            f" {self._trainer.remedy}"
        )

    @property
    def _steps(self) -> int:
        return int(self._trainer.steps.numpy())

    def _counted(self) -> int:
        updates = self._trainer.updates
        return 0 if updates is None else int(updates.numpy())

    def _update(self, number: int, word: str = "update") -> str:
        return f" ({word} {number:,})" if number else ""

    def _before(self) -> str:
        """The largest loss term and the gradient's norm of the last report."""
        losses = [tag for tag in self._last if tag.endswith("_loss")]
        told = [max(losses, key=lambda tag: abs(self._last[tag]))] if losses else []
        told += [tag for tag in ("train/gradient_norm",) if tag in self._last]
        values = " and ".join(f"{tag} {self._last[tag]:.3g}" for tag in told)
        return f"; the last report had {values}" if values else ""

    def _sentence(self, report: Report, bad: dict[str, np.ndarray], before: int) -> str:
        count = max(1, len(report.episodes))
        first = {tag: int(np.argmax(marks)) for tag, marks in bad.items()}

        def order(tag: str) -> tuple[bool, int, bool, str]:
            # What is not counted by iteration, the terms of the loss, and the rest.
            return len(bad[tag]) != count, first[tag], not tag.endswith("_loss"), tag

        tag = min(first, key=order)
        update = self._update(self._updates, "by update")
        if report.in_order and len(bad[tag]) == count:
            each = (self._updates - before) / count
            update = self._update(before + int(first[tag] * each) + 1)
        named = "A weight" if tag == _SKIPPED else tag
        return (
            f"{named} is not finite after {self._steps:,} steps{update}, so training stops;"
            f" {self._trainer.remedy}"
        )
