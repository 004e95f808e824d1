"""The hash behind the compiled environments' random numbers, tested as a random number generator.

Seeds are fixed; each p-value below 1e-4 would come up once in ten thousand tests of good numbers.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.environments.compiled import Noise
from pgtf.graph.stateless import pcg4d

_NUM_ENVS, _NUM_STEPS = 512, 2048


@tf.function(jit_compile=True)
def _run(seed, first):
    """[4, steps, envs] numbers as the steps of a run draw them."""
    return tf.map_fn(
        lambda count: tf.stack(Noise(seed, count, _NUM_ENVS).uniform(4)),
        tf.range(first, first + _NUM_STEPS),
        fn_output_signature=tf.float32,
    )


@pytest.fixture(scope="module", params=[(0, 0), (1, 0), (0, 1), (-1, 2**31 - 1), (123456, 654321)])
def numbers(request):
    """Four million numbers from one seed."""
    return _run(tf.constant(request.param), 0).numpy().transpose(1, 0, 2)


def _uniform(cells, num_cells):
    counts = np.bincount(cells.astype(np.int64).ravel(), minlength=num_cells)
    return stats.chisquare(counts).pvalue


def test_numbers_lie_in_the_unit_interval_and_fill_it_evenly(numbers):
    assert numbers.min() >= 0
    assert numbers.max() < 1
    for word in numbers:
        assert _uniform(word * 4096, 4096) > 1e-4
        # The last ten of the 24 bits.
        assert _uniform((word.astype(np.float64) * 2**24) % 1024, 1024) > 1e-4


def test_neighbours_in_time_in_the_batch_and_in_a_draw_are_independent(numbers):
    for k, word in enumerate(numbers):
        pairs = [(word[lag:], word[:-lag]) for lag in (1, 2, 8)]
        pairs += [(word[:, lag:], word[:, :-lag]) for lag in (1, 2, 8)]
        pairs += [(word[1:, 1:], word[:-1, :-1]), (word, numbers[(k + 1) % 4])]
        for one, other in pairs:
            assert _uniform(np.floor(one * 64) * 64 + np.floor(other * 64), 64 * 64) > 1e-4


def test_runs_of_neighbouring_seeds_are_independent():
    base = _run(tf.constant([7, 11]), 0).numpy()
    for seed in ([8, 11], [7, 12], [6, 11], [7, 11 + (1 << 20)]):
        other = _run(tf.constant(seed), 0).numpy()
        assert _uniform(np.floor(base * 64) * 64 + np.floor(other * 64), 64 * 64) > 1e-4


def test_more_than_four_numbers_are_all_different_and_independent():
    draws = np.stack(Noise(tf.constant([1, 2]), tf.constant(3), 65536).uniform(10))
    assert draws.shape == (10, 65536)
    correlation = np.corrcoef(draws) - np.eye(10)
    assert np.abs(correlation).max() < 5 / 256
    assert np.array_equal(draws[:4], Noise(tf.constant([1, 2]), tf.constant(3), 65536).uniform(4))


def test_an_environments_numbers_do_not_depend_on_how_many_there_are():
    few = Noise(tf.constant([1, 2]), tf.constant(3), 8).uniform(2)
    many = Noise(tf.constant([1, 2]), tf.constant(3), 64).uniform(2)
    np.testing.assert_array_equal(few, np.stack(many)[:, :8])


def test_the_hash_is_pcg4d():
    # Worked in Python's integers from the listing in the paper.
    def listing(v):
        v = [(a * 1664525 + 1013904223) % 2**32 for a in v]

        def mix(v):
            x, y, z, w = v
            x = (x + y * w) % 2**32
            y = (y + z * x) % 2**32
            z = (z + x * y) % 2**32
            w = (w + y * z) % 2**32
            return [x, y, z, w]

        return mix([a ^ (a >> 16) for a in mix(v)])

    words = np.random.default_rng(0).integers(0, 2**32, (4, 100), dtype=np.uint32)
    result = np.stack(pcg4d(*(tf.constant(w) for w in words)))
    expected = np.array([listing([int(a) for a in column]) for column in words.T]).T
    np.testing.assert_array_equal(result, expected)
