"""What the actors have done since the last report, as curves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pgtf.rollouts.window import EpisodeWindow
from pgtf.trainers.ray.delivery import Delivery
from pgtf.trainers.trainer import Report


class Accounts:
    """Collects updates and the work of N actors, and makes them a ``Report``.

    Args:
        num_actors: N.
    """

    def __init__(self, num_actors: int):
        self._windows = [EpisodeWindow() for _ in range(num_actors)]
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[str, list[float]] = {}
        self._episodes: list[np.ndarray] = []
        self._histograms: Mapping[str, np.ndarray] = {}
        self._steps = [0] * len(self._windows)
        self._seconds = [0.0] * len(self._windows)
        self._lags: list[list[int]] = [[] for _ in self._windows]

    def worked(self, actor: int, delivery: Delivery, lag: int = 0) -> None:
        """Notes a rollout that has been learned from.

        Args:
            actor: whose.
            delivery: of it.
            lag: updates between the parameters it acted with and its own update.
        """
        self._steps[actor] += delivery.steps
        self._seconds[actor] += delivery.seconds
        self._lags[actor].append(lag)
        self._windows[actor].add(delivery.episodes[np.newaxis])

    def updated(
        self,
        scalars: Mapping[str, float],
        deliveries: Sequence[Delivery],
        histograms: Mapping[str, np.ndarray],
    ) -> None:
        """Notes an update.

        Args:
            scalars: to log by name.
            deliveries: that it was made of.
            histograms: TensorBoard tag to values.
        """
        for name, value in scalars.items():
            self._rows.setdefault(f"train/{name}", []).append(value)
        self._episodes.append(np.sum([each.episodes for each in deliveries], axis=0))
        self._histograms = histograms

    def report(self, counts: Mapping[str, float], restarts: Sequence[int]) -> Report:
        """Returns what was noted since the last report.

        Args:
            counts: TensorBoard tag to value; zeros are left out.
            restarts: of each actor.
        """
        rows = {tag: np.array(values, np.float32) for tag, values in self._rows.items()}
        for i, window in enumerate(self._windows):
            if not self._seconds[i]:
                continue
            rate = self._steps[i] / self._seconds[i]
            own = {"steps_per_second": rate, "policy_lag": float(np.mean(self._lags[i]))}
            if (mean := window.scalars().get("rollout/ep_rew_mean")) is not None:
                own["ep_rew_mean"] = mean
            rows |= {f"actor_{i}/{name}": np.array([value]) for name, value in own.items()}
        lost = {f"actor_{i}/restarts": float(count) for i, count in enumerate(restarts)}
        counts = {**counts, "actors/restarts": float(sum(restarts)), **lost}
        report = Report(
            rows,
            np.array(self._episodes, np.float32).reshape(-1, 3),
            dict(self._histograms),
            {tag: value for tag, value in counts.items() if value},
        )
        self._clear()
        return report

    def saving(self) -> list[Any]:
        """Returns the last episodes of each actor."""
        return [list(window.rows) for window in self._windows]

    def restored(self, saved: Iterable[Any]) -> None:
        """Goes on from what ``saving`` returned; from nothing where that is empty."""
        self._clear()
        rows = list(saved) or [()] * len(self._windows)
        self._windows = [EpisodeWindow(each) for each in rows]
