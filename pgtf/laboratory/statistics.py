"""Traces, squared norms and biases of gradient estimators, with bootstrap intervals.

All of them are means over pairs of different trajectories (U-statistics), so the noise of a squared
mean does not bias them. All are functions of the Gram matrix K_ij = ĝ_i · ĝ_j: resampling
trajectories reweights the rows of K, and the gradients themselves are needed only once.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and its confidence interval."""

    estimate: float
    low: float
    high: float


class Moments(NamedTuple):
    """The moments of one estimator: row 0 is the sample itself, the others are resamples.

    Attributes:
        trace: [1 + R] tr Cov(ĝ_i), the variance of the gradient of one trajectory.
        squared_mean: [1 + R] ‖E ĝ_i‖²; may come out below 0 where it is small.
    """

    trace: Array
    squared_mean: Array


def gram(gradients: npt.ArrayLike) -> Array:
    """K = G Gᵀ, [N, P] to [N, N]."""
    rows = np.asarray(gradients, np.float64)
    return rows @ rows.T


def resamples(count: int, number: int, seed: int) -> Array:
    """How often each of N trajectories is drawn in R bootstrap samples; the first row is all ones.

    Args:
        count: N.
        number: R.
        seed: of the draws.

    Returns:
        [1 + R, N].
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=number)
    return np.vstack([np.ones(count), drawn])


def moments(products: Array, weights: Array) -> Moments:
    """Trace and squared norm of the mean, over pairs of different trajectories.

    With weights w, Σ_{i≠j} w_i w_j ĝ_i · ĝ_j estimates ‖E ĝ‖² and Σ_{i≠j} w_i w_j ‖ĝ_i - ĝ_j‖² / 2
    the trace, both over Σ_{i≠j} w_i w_j. With all weights 1 the latter is the sample covariance's.

    Args:
        products: [N, N] the Gram matrix.
        weights: [R, N].
    """
    squares = np.diagonal(products)
    total = weights.sum(1)
    pairs = total**2 - (weights**2).sum(1)
    different = ((weights @ products) * weights).sum(1) - weights**2 @ squares
    spread = (weights * (total[:, None] - weights)) @ squares
    return Moments((spread - different) / pairs, different / pairs)


def interval(
    values: Array, confidence: float, transform: Callable[[Array], Array] = lambda x: x
) -> Interval:
    """The percentile interval of a statistic.

    Args:
        values: [1 + R], of the sample and of the resamples.
        confidence: such as 0.95.
        transform: a monotone function, applied at the end.
    """
    tail = (1.0 - confidence) / 2.0
    # Without interpolation, which cannot handle infinite ratios.
    low, high = np.quantile(values[1:], [tail, 1.0 - tail], method="inverted_cdf")
    return Interval(*(float(x) for x in transform(np.array([values[0], low, high]))))


def root(values: Array) -> Array:
    """√x, 0 below 0: a squared norm that comes out negative counts as 0."""
    return np.sqrt(np.maximum(values, 0.0))
