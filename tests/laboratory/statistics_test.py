"""Traces, squared means and their intervals, against NumPy and known distributions."""

import numpy as np
import pytest
from scipy import stats

from pgtf.laboratory import statistics
from pgtf.laboratory.batch_sizes import sweep


def test_the_trace_is_the_sample_covariances() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4)) + 3.0
    trace, _ = statistics.moments(statistics.gram(rows), np.ones((1, 20)))
    assert trace[0] == pytest.approx(np.trace(np.cov(rows, rowvar=False)))


def test_the_squared_mean_is_over_pairs_of_different_rows() -> None:
    rows = np.random.default_rng(1).normal(size=(7, 3))
    weights = np.array([[2.0, 0.0, 1.0, 1.0, 3.0, 0.0, 0.0]])
    pairs = [(i, j) for i in range(7) for j in range(7) if i != j]
    w = [weights[0, i] * weights[0, j] for i, j in pairs]
    products = [rows[i] @ rows[j] for i, j in pairs]
    halves = [((rows[i] - rows[j]) ** 2).sum() / 2 for i, j in pairs]
    trace, squared_mean = statistics.moments(statistics.gram(rows), weights)
    assert squared_mean[0] == pytest.approx(np.average(products, weights=w))
    assert trace[0] == pytest.approx(np.average(halves, weights=w))


def test_resamples_draw_as_many_as_there_are() -> None:
    weights = statistics.resamples(50, 30, 0)
    assert weights.shape == (31, 50)
    assert (weights[0] == 1).all()
    assert (weights.sum(1) == 50).all()
    assert (weights[1:] == 0).any()


def covered(mean: float, experiments: int = 200) -> tuple[int, int, float]:
    """How often intervals hold the trace and the squared mean, and the mean of the latter."""
    rng = np.random.default_rng(2)
    scales = np.array([3.0, 2.0, 1.0, 1.0])
    trace, centre = (scales**2).sum(), np.full(4, mean)
    hits, estimates = np.zeros(2), []
    for i in range(experiments):
        rows = centre + scales * rng.normal(size=(100, 4))
        weights = statistics.resamples(100, 200, i)
        found = statistics.moments(statistics.gram(rows), weights)
        for k, (values, truth) in enumerate(
            [(found.trace, trace), (found.squared_mean, 4 * mean**2)]
        ):
            interval = statistics.interval(values, 0.95)
            hits[k] += interval.low <= truth <= interval.high
        estimates.append(found.squared_mean[0])
    return int(hits[0]), int(hits[1]), float(np.mean(estimates))


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_intervals_cover_at_their_rate(mean: float) -> None:
    """95 % intervals; percentile ones of 100 rows may cover 92 %: below it is refused at 1 %."""
    trace, squared_mean, estimate = covered(mean)
    least = stats.binom.ppf(0.01, 200, 0.92)
    assert trace >= least
    assert squared_mean >= least
    assert trace < 200  # no interval is that wide
    # Unbiased: the squared mean of the rows would be 15 / 100 too large.
    assert estimate == pytest.approx(4 * mean**2, abs=0.08)


def test_the_variance_of_batches_falls_as_one_over_their_size() -> None:
    rng = np.random.default_rng(3)
    rows = 1.0 + rng.normal(size=(1024, 3))
    found = sweep(rows / 1024, np.full(1024, 1 / 1024), (1, 4, 16), 100, 0, 0.99)
    for size, trace in zip(found.sizes, found.traces, strict=True):
        assert trace.low < 3.0 / size < trace.high
    assert found.slope == pytest.approx(-1.0, abs=0.1)


def test_batches_that_share_their_noise_do_not_fall() -> None:
    """Power: rows that are equal within batches of 8 keep the variance of one."""
    rows = np.repeat(np.random.default_rng(4).normal(size=(128, 3)), 8, axis=0)
    found = sweep(rows / 1024, np.full(1024, 1 / 1024), (1, 2, 4, 8), 100, 0, 0.99)
    assert found.slope > -0.1


def test_batches_of_a_ratio_are_divided_by_their_own_sum() -> None:
    rng = np.random.default_rng(5)
    count = rng.integers(1, 9, size=64).astype(np.float64)
    total = rng.normal(size=(64, 2))
    found = sweep(total / count.sum(), count / count.sum(), (8,), 10, 0, 0.95)
    batches = total.reshape(8, 8, 2).sum(1) / count.reshape(8, 8).sum(1)[:, None]
    assert found.traces[0].estimate == pytest.approx(np.trace(np.cov(batches, rowvar=False)))
