"""A window over the last training episodes; the curves show its mean return."""

import collections
from collections.abc import Iterable

import numpy as np

_WINDOW = 100


class EpisodeWindow:
    """Mean return and length of about the last hundred episodes.

    Episodes arrive as sums over an iteration. The oldest iterations are dropped while a hundred
    episodes remain without them.

    Args:
        rows: of an earlier window that this one continues.

    Attributes:
        count: episodes in it.
    """

    def __init__(self, rows: Iterable[Iterable[float]] = ()):
        self.rows = collections.deque(tuple(row) for row in rows)
        self.count = int(sum(row[0] for row in self.rows))

    def add(self, episodes: np.ndarray) -> None:
        """Adds iterations, [N, 3]: number of episodes, sum of returns, sum of lengths."""
        for row in episodes[episodes[:, 0] > 0].tolist():
            self.rows.append(tuple(row))
            self.count += int(row[0])
            while self.count - self.rows[0][0] >= _WINDOW:
                self.count -= int(self.rows.popleft()[0])

    def scalars(self) -> dict[str, float]:
        """Returns ``rollout/ep_rew_mean`` and ``ep_len_mean``, nothing before the first episode."""
        if not self.rows:
            return {}
        count, return_sum, length_sum = np.sum(self.rows, axis=0)
        return {
            "rollout/ep_rew_mean": float(return_sum / count),
            "rollout/ep_len_mean": float(length_sum / count),
        }
