"""What a run tells of itself: curves, its operative configuration and ``summary.json``."""

import signal
from collections.abc import Mapping
from typing import Any

import gin
import numpy as np

from pgtf.configuration.bindings import hyperparameters
from pgtf.rollouts.window import EpisodeWindow
from pgtf.running.evaluation import Score
from pgtf.running.metrics import MetricsWriter
from pgtf.running.run_folder import RunFolder
from pgtf.trainers.seeds import interquartile_mean
from pgtf.trainers.trainer import Report

_LOGS_PER_HISTOGRAM = 10


class Journal:
    """Collects the reports of a trainer and writes them down.

    Args:
        folder: of the run.
        window: the last episodes, of before the run was resumed.
        resumed_at: the step that the run resumes from, or None for a new run.
    """

    def __init__(self, folder: RunFolder, window: EpisodeWindow, resumed_at: int | None):
        self._folder = folder
        self._resumed = resumed_at is not None
        self._writer = MetricsWriter(folder.path, resumed_at)
        self._pending: list[Report] = []
        self._logs = 0
        self.window = window

    @property
    def mean_return(self) -> float | None:
        """Of the last training episodes, once one has ended."""
        return self.window.scalars().get("rollout/ep_rew_mean")

    @property
    def waits(self) -> bool:
        """Whether there are reports that are in no curve yet."""
        return bool(self._pending)

    def add(self, report: Report) -> None:
        """Keeps a report for the next point of the curves."""
        self._pending.append(report)
        self.window.add(report.episodes)

    def log(self, step: int, rate: float | None) -> dict[str, float]:
        """Writes a point of the curves, and returns its scalars.

        Args:
            step: environment steps so far.
            rate: steps per second, once known.
        """
        if not self._logs:
            self._describe(step)
        reports, self._pending = self._pending, []
        rows: dict[str, list[np.ndarray]] = {}
        for report in reports:
            for tag, values in report.rows.items():
                rows.setdefault(tag, []).append(values)
        # However the iterations were cut into calls, their mean is the same to the last bit.
        together = Report(
            {tag: np.concatenate(values) for tag, values in rows.items()},
            np.zeros((0, 3)),
            reports[-1].histograms,
            reports[-1].counts,
        )
        scalars = {**self.window.scalars(), **together.scalars, **together.counts}
        if rate is not None:
            scalars["time/fps"] = rate
        self._writer.scalars(step, scalars)
        if self._logs % _LOGS_PER_HISTOGRAM == 0:
            self._writer.histograms(step, together.histograms)
        self._logs += 1
        return scalars

    def evaluated(self, step: int, scores: Mapping[str, Score]) -> dict[str, float]:
        """Writes the scores of every trained policy, by its name, and returns the scalars."""
        means = {member: float(score.returns.mean()) for member, score in scores.items()}
        lengths = [float(score.lengths.mean()) for score in scores.values()]
        scalars = {
            "eval/mean_reward": interquartile_mean(list(means.values())),
            "eval/mean_ep_length": interquartile_mean(lengths),
        }
        if len(means) > 1:
            scalars |= {f"{member}/eval_mean_reward": mean for member, mean in means.items()}
        self._writer.scalars(step, scalars)
        return scalars

    def compared(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes the scores of the final evaluation, greedy and sampled."""
        self._writer.scalars(step, scalars)

    def flush(self) -> None:
        """Flushes the curves to the file system."""
        self._writer.flush()

    def close(self) -> None:
        """Closes the files."""
        self._writer.close()

    def summarise(
        self, facts: dict[str, Any], number: int | None, scores: Mapping[str, Score]
    ) -> dict[str, Any]:
        """Writes ``summary.json``, and returns what it holds.

        Args:
            facts: that the loop knows.
            number: of the signal that ended the run, or None.
            scores: of the final evaluation, by policy; none if there was none.
        """
        means = {member: float(score.returns.mean()) for member, score in scores.items()}
        returns = np.concatenate([np.zeros(0), *(score.returns for score in scores.values())])
        summary = facts | {
            "interrupted": None if number is None else signal.Signals(number).name,
            "eval_return_mean": interquartile_mean(list(means.values())) if means else None,
            "eval_return_std": float(returns.std()) if means else None,
            "eval_episodes": len(returns),
            "logdir": str(self._folder.path),
        }
        if len(means) > 1:
            summary["eval_return_mean_of_seeds"] = means
        return self._folder.write_summary(summary)

    def _describe(self, step: int) -> None:
        """Writes the operative configuration, which gin knows once all parts have run."""
        operative = gin.operative_config_str()
        if not self._resumed or not self._folder.operative.exists():
            table = hyperparameters(self._folder.asked.read_text(), operative)
            self._writer.hparams(table, str(self._folder.path))
        self._writer.text("operative_config", operative, step)
        self._folder.write_operative(operative)
