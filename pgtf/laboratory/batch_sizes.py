"""How the variance of a batch's gradient falls with the number of its trajectories."""

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
        """Of log tr Cov over log N, sizes weighted by their number of batches; -1 is 1/N."""
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
    """Cuts the trajectories into disjoint batches, size by size.

    The gradient of each batch is estimated from it alone: where the reduction divides by a number
    that varies, the batch's own is taken, so that 1/N is a finding and no identity.

    Args:
        contributions: [N, P], what each trajectory adds to ĝ.
        share: [N], of what ĝ is divided by.
        sizes: trajectories in a batch; what is left over is left out.
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
