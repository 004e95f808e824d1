"""Compares the score of a greedy policy with that of its samples."""

from collections.abc import Mapping

import numpy as np
import scipy.stats

from pgtf.running.evaluation import Score
from pgtf.trainers.seeds import interquartile_mean

_CHANCE = 1e-3  # The share of runs without a difference in which one is told.


class BothWays:
    """The final evaluation of one policy, or of those of several seeds, acting both ways.

    Args:
        greedy: scores of the mode of the policy, by its name; empty if there are none.
        sampled: scores of its samples.
    """

    def __init__(self, greedy: Mapping[str, Score], sampled: Mapping[str, Score]):
        self._scores = {"greedy": greedy, "sampled": sampled}
        self._greedy, self._sampled = _returns(greedy), _returns(sampled)

    @property
    def facts(self) -> dict[str, float | None]:
        """Mean returns and their deviations for ``summary.json``; None for what was not played.

        Of several seeds the mean is the interquartile mean of theirs, as ``eval_return_mean`` is.
        """
        facts: dict[str, float | None] = {}
        for name, scores in self._scores.items():
            means, returns = _means(scores), _returns(scores)
            facts[f"eval_{name}_return_mean"] = interquartile_mean(means) if means else None
            facts[f"eval_{name}_return_std"] = float(returns.std()) if means else None
        return facts

    @property
    def scalars(self) -> dict[str, float]:
        """The means for the curves; none unless both were played."""
        means = {name: _means(scores) for name, scores in self._scores.items()}
        if not all(means.values()):
            return {}
        return {f"eval/{name}_mean_reward": interquartile_mean(x) for name, x in means.items()}

    @property
    def differ(self) -> bool:
        """Whether they differ by more than chance: Welch's t-test, wrong once in a thousand."""
        both = [returns.astype(np.float64) for returns in (self._greedy, self._sampled)]
        if min(map(len, both)) < 2:
            return False
        difference = abs(both[0].mean() - both[1].mean())
        errors = [returns.var(ddof=1) / len(returns) for returns in both]
        if sum(errors) == 0:
            return bool(difference > 0)
        freedom = sum(errors) ** 2 / sum(
            error**2 / (len(returns) - 1) for error, returns in zip(errors, both, strict=True)
        )
        chance = 2 * scipy.stats.t.sf(difference / np.sqrt(sum(errors)), freedom)
        return bool(chance < _CHANCE)

    def __str__(self) -> str:
        """Both in one sentence."""
        greedy, sampled = (
            f"{returns.mean():.1f} ± {returns.std():.1f}"
            for returns in (self._greedy, self._sampled)
        )
        return (
            f"The greedy policy returns {greedy} and its samples {sampled}: they differ by more"
            " than chance. What was trained is the policy that samples."
        )


def _means(scores: Mapping[str, Score]) -> list[float]:
    return [float(score.returns.mean()) for score in scores.values()]


def _returns(scores: Mapping[str, Score]) -> np.ndarray:
    return np.concatenate([score.returns for score in scores.values()] or [np.zeros(0)])
