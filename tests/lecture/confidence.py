"""Confidence regions of means of vectors."""

import numpy as np
import numpy.typing as npt
from scipy import stats


def p_value(samples: npt.ArrayLike, mean: npt.ArrayLike) -> float:
    """Hotelling's T² test that independent, nearly normal vectors have this mean.

    Args:
        samples: [K, D], K > D; each most often the mean of a batch, and so nearly normal.
        mean: [D].

    Returns:
        The probability of samples at least as far off, if the mean is right. The region of
        confidence 1 - α is made of the means with a p-value above α.
    """
    rows = np.asarray(samples, np.float64)
    count, size = rows.shape
    distance = rows.mean(0) - np.asarray(mean, np.float64)
    covariance = np.atleast_2d(np.cov(rows, rowvar=False))
    squared = count * distance @ np.linalg.solve(covariance, distance)
    ratio = squared * (count - size) / (size * (count - 1))
    return float(stats.f.sf(ratio, size, count - size))
