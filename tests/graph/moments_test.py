"""Running moments against those of all rows at once."""

import numpy as np
import pytest
import tensorflow as tf

from pgtf.graph.moments import RunningMoments


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("offset", [0.0, 3e3])
def test_moments_of_batches_are_those_of_all_rows_that_count(
    shape: tuple[int, ...], offset: float
) -> None:
    noise = np.random.default_rng(0)
    moments, counted = RunningMoments(shape), []
    for num_rows in (5, 1, 40):
        rows = offset + noise.normal(2.0, 3.0, (num_rows, 4, *shape)).astype(np.float32)
        mask = noise.random((num_rows, 4)) < 0.7
        moments.add(tf.constant(rows), tf.constant(mask, tf.float32))
        counted.append(rows[mask])
    together = np.concatenate(counted).astype(np.float64)
    count, mean, variance = (value.numpy() for value in moments.values)
    assert count == len(together)
    np.testing.assert_allclose(mean, together.mean(0), rtol=1e-5)
    np.testing.assert_allclose(variance, together.var(0), rtol=1e-4)


def test_rows_that_do_not_count_leave_everything_as_it_was() -> None:
    moments = RunningMoments((2,))
    moments.add(tf.fill((3, 2), 9.0), tf.zeros((3,)))
    count, mean, variance = moments.values
    assert count == 0.0
    np.testing.assert_array_equal(mean, [0.0, 0.0])
    np.testing.assert_array_equal(variance, [1.0, 1.0])
