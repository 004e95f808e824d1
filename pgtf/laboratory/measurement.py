"""Measures every combination on a set of trajectories."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pgtf.laboratory import statistics
from pgtf.laboratory.batch_sizes import sweep
from pgtf.laboratory.combinations import Combination, unbiased
from pgtf.laboratory.comparison import Comparison, Row
from pgtf.laboratory.signals import Sample, Signal, Signals
from pgtf.learning.gradient_rows import influences
from pgtf.trajectory import Trajectory


class Estimate(NamedTuple):
    """A gradient estimate by trajectory.

    Attributes:
        contributions: [N, P] of each trajectory to ĝ.
        share: [N] of each trajectory in ĝ's divisor.
    """

    contributions: statistics.Array
    share: statistics.Array

    def rows(self) -> statistics.Array:
        """Returns [N, P] whose mean is ĝ and whose covariance, divided by N, is that of ĝ."""
        return influences(*map(tf.constant, self)).numpy()


class Measurement:
    """The combinations on trajectories of the measured policy, or of earlier ones.

    Ratios and biases are relative to the measured policy's own data in any case. The trajectories
    of an earlier policy are made with the same random numbers, so column i is compared with column
    i, and the bias of data that is nearly fresh is not lost in noise.

    Args:
        combinations: the estimators to compare.
        signals: on the measured policy's trajectories.
        fresh: those trajectories.
        gradients: maps a trajectory and a signal to [N, P].
        reduction: of combinations that bind none, and of the learner as configured.
        resamples: bootstrap samples.
        confidence: of the intervals.
        seed: of the bootstrap.

    Attributes:
        weights: [1 + R, N] how often each bootstrap sample draws each trajectory.
    """

    def __init__(
        self,
        combinations: Sequence[Combination],
        signals: Signals,
        fresh: Sample,
        gradients: Callable[[Trajectory, tf.Tensor], np.ndarray],
        reduction: str,
        resamples: int,
        confidence: float,
        seed: int,
    ):
        self._combinations = combinations
        self._signals = signals
        self._fresh = fresh
        self._gradients = gradients
        self._reduction = reduction
        self._confidence = confidence
        self._resamples = resamples
        self._seed = seed
        self.weights = statistics.resamples(fresh.whole.mask.shape[1], resamples, seed)
        self._comparison = functools.cache(self._compared)

    def rows(self, data: Sample | None = None, batch_sizes: Sequence[int] = ()) -> list[Row]:
        """Returns a row for each combination, and one for the learner as configured.

        Args:
            data: of an earlier policy; the measured policy's when None.
            batch_sizes: of the sweep.

        Raises:
            ConfigurationError: parts of a combination do not fit each other or the task.
        """
        data = data or self._fresh

        def row(name: str, curve: str | None, reduction: str, signal: Signal) -> Row:
            estimate = self._estimated(data, signal)
            swept = sweep(*estimate, batch_sizes, self._resamples, self._seed, self._confidence)
            return self._comparison(reduction).row(name, curve, estimate.rows(), swept)

        found = []
        for each in self._combinations:
            reduction = each.reduction or self._reduction
            signal = self._signals.of(each, reduction, data)
            found.append(row(each.name, each.curve, reduction, signal))
        configured = self._signals.as_configured(data)
        return [*found, row("as configured", None, self._reduction, configured)]

    def _estimated(self, data: Sample, signal: Signal) -> Estimate:
        contributions = self._gradients(data.whole, signal.weighted_advantage)
        return Estimate(contributions.astype(np.float64), signal.share.numpy().astype(np.float64))

    def _compared(self, reduction: str) -> Comparison:
        plain, *others = (
            self._estimated(self._fresh, self._signals.of(each, reduction)).rows()
            for each in unbiased(self._combinations)
        )
        # The one whose mean is known most precisely.
        best = min((plain, *others), key=lambda rows: rows.var(axis=0).sum())
        return Comparison(plain, best, self.weights, self._confidence)
