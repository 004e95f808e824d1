"""The variance of a batch's gradient as the number of its trajectories grows."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pgtf.laboratory import statistics
from pgtf.laboratory.statistics import Array, Interval


class Sweep(NamedTuple):
    """tr Cov(ĝ) of batches of several sizes.

    Attributes:
        sizes: trajectories in a batch.
        traces: tr Cov of the gradients of disjoint batches, one for each size.
    """

    sizes: tuple[int, ...]
    traces: tuple[Interval, ...]

    @property
    def slope(self) -> float:
        """Slope of log tr Cov over log N, weighted by the number of batches; -1 is 1/N."""
        points = [
            (np.log(size), np.log(trace.estimate), 1.0 / size)
            for size, trace in zip(self.sizes, self.traces, strict=True)
            if trace.estimate > 0
        ]
        if len(points) < 2:
            return float("nan")
        x, y, weight = np.array(points).T
        return float(np.polyfit(x, y, 1, w=np.sqrt(weight))[0])


def sweep(
    contributions: Array,
    share: Array,
    sizes: Sequence[int],
    number: int,
    seed: int,
    confidence: float,
) -> Sweep:
    """Cuts the trajectories into disjoint batches of each size and measures their gradients.

    The gradient of each batch is estimated from it alone: a reduction with a varying divisor uses
    the batch's own, so 1/N is a finding and not an identity.

    Args:
        contributions: [N, P], of each trajectory to ĝ.
        share: [N], of each trajectory in the divisor of ĝ.
        sizes: trajectories in a batch; leftover trajectories are not used.
        number: bootstrap samples of the batches.
        seed: of the bootstrap.
        confidence: of the intervals.
    """
    products = statistics.gram(contributions)
    traces = []
    for size in sizes:
        batches = len(share) // size
        member = np.repeat(np.eye(batches), size, axis=1)
        member = np.pad(member, ((0, 0), (0, len(share) - batches * size)))
        whole = member @ share
        kept = whole > 0  # A batch may hold nothing that is learned from.
        mean = member[kept] / whole[kept, None]
        weights = statistics.resamples(int(kept.sum()), number, seed)
        trace = statistics.moments(mean @ products @ mean.T, weights).trace
        traces.append(statistics.interval(trace, confidence))
    return Sweep(tuple(sizes), tuple(traces))
