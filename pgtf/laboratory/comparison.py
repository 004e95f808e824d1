"""The measures of one estimator, relative to two references."""

from typing import NamedTuple

import numpy as np

from pgtf.laboratory import statistics
from pgtf.laboratory.batch_sizes import Sweep
from pgtf.laboratory.statistics import Array, Interval


class Row(NamedTuple):
    """The measurements of one combination.

    Attributes:
        name: the combination's.
        curve: the curve of the picture that it belongs to, or None.
        trace: tr Cov(ĝ) of one trajectory's gradient; a batch of N has 1/N of it.
        ratio: the trace relative to that without a baseline.
        signal_to_noise: ‖E ĝ‖² / tr Cov(ĝ), of one trajectory.
        bias: ‖E ĝ - E ĝ_MC‖, the distance from the mean of the Monte Carlo gradient.
        relative_bias: the bias divided by ‖E ĝ_MC‖; infinite where that is lost in its noise.
        trajectories: how many give the standard error that all of them have without a baseline.
        sweep: the variance by the size of a batch.
    """

    name: str
    curve: str | None
    trace: Interval
    ratio: Interval
    signal_to_noise: Interval
    bias: Interval
    relative_bias: Interval
    trajectories: Interval
    sweep: Sweep


class Comparison:
    """Compares estimators with one without a baseline and with one without bias.

    Args:
        plain: [N, P] gradients without a baseline.
        unbiased: [N, P] Monte Carlo gradients of the lowest variance.
        weights: [1 + R, N], from ``statistics.resamples``: the same for all estimators, so each
            ratio is within one resample.
        confidence: of the intervals.
    """

    def __init__(self, plain: Array, unbiased: Array, weights: Array, confidence: float):
        self._weights = weights
        self._confidence = confidence
        self._unbiased = unbiased
        self._plain_trace = statistics.moments(statistics.gram(plain), weights).trace
        self._norm = statistics.moments(statistics.gram(unbiased), weights).squared_mean

    def row(self, name: str, curve: str | None, gradients: Array, sweep: Sweep) -> Row:
        """Returns the measurements for gradients [N, P]."""
        products = statistics.gram(gradients)
        trace, squared_mean = statistics.moments(products, self._weights)
        difference = statistics.gram(gradients - self._unbiased)
        squared_bias = statistics.moments(difference, self._weights).squared_mean
        # Squares of numbers this small are rounding.
        squared_bias[np.abs(squared_bias) < 1e-12 * np.diagonal(products).mean()] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = trace / self._plain_trace
            signal_to_noise = squared_mean / trace
            relative = np.where(self._norm > 0, squared_bias / self._norm, np.inf)
        relative[squared_bias <= 0] = 0.0

        def interval(values: Array) -> Interval:
            return statistics.interval(values, self._confidence)

        def root_interval(values: Array) -> Interval:
            return statistics.interval(values, self._confidence, statistics.root)

        return Row(
            name,
            curve,
            trace=interval(trace),
            ratio=interval(ratio),
            signal_to_noise=interval(signal_to_noise),
            bias=root_interval(squared_bias),
            relative_bias=root_interval(relative),
            trajectories=interval(len(gradients) * ratio),
            sweep=sweep,
        )
