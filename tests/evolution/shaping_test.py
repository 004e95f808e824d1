"""Fitness shaping: what stays the same under it, and what it does to equal members."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.evolution.shaping import centred_ranks, standardised

FITNESS = np.array([3.0, -1.0, 7.0, 3.0, 0.0, 12.0, -40.0], np.float32)


def test_centred_ranks_by_hand() -> None:
    """The two 3s share ranks 3 and 4 of 0 … 6."""
    expected = np.array([3.5, 1, 5, 3.5, 2, 6, 0]) / 6 - 0.5
    np.testing.assert_allclose(centred_ranks(tf.constant(FITNESS)), expected, atol=1e-7)


def test_centred_ranks_are_those_of_scipy() -> None:
    fitness = np.random.default_rng(0).integers(0, 20, 64).astype(np.float32)
    expected = (stats.rankdata(fitness) - 1) / 63 - 0.5
    np.testing.assert_allclose(centred_ranks(tf.constant(fitness)), expected, atol=1e-6)


@pytest.mark.parametrize(
    "increasing",
    [np.exp, np.arctan, lambda x: x**3, lambda x: 1e-3 * x - 100],
    ids=["exp", "arctan", "cube", "affine"],
)
def test_ranks_are_invariant_under_increasing_functions(increasing: Callable) -> None:
    fitness = FITNESS[:-1] / 4
    ranks = centred_ranks(tf.constant(fitness)).numpy()
    transformed = increasing(fitness.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(centred_ranks(tf.constant(transformed)), ranks)
    np.testing.assert_array_equal(centred_ranks(tf.constant(-transformed)), -ranks)


def test_standardised_fitness_has_mean_0_and_standard_deviation_1() -> None:
    shaped = standardised(tf.constant(FITNESS)).numpy()
    np.testing.assert_allclose(shaped, stats.zscore(FITNESS), rtol=1e-5)
    np.testing.assert_allclose(standardised(tf.constant(5 * FITNESS + 100)), shaped, rtol=1e-4)


@pytest.mark.parametrize("shaping", [centred_ranks, standardised])
def test_a_generation_of_equal_members_weighs_nothing(shaping: Callable) -> None:
    np.testing.assert_array_equal(shaping(tf.fill([8], 500.0)), np.zeros(8))
