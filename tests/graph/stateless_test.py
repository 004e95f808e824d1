"""Random numbers: uniform, normal, and independent from seed to seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.graph import stateless as noise
from pgtf.graph.stateless import normal, uniform


def test_uniform_numbers_fill_the_unit_interval(
    compiled: Callable[..., Any], assert_distributed: Callable[..., Any]
) -> None:
    numbers = compiled(lambda seed: uniform([100_000], seed))(tf.constant([7, 1])).numpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert_distributed(numbers, stats.uniform.cdf)


def test_normal_numbers_are_standard_normal(
    compiled: Callable[..., Any], assert_distributed: Callable[..., Any]
) -> None:
    numbers = compiled(lambda seed: normal([100_000], seed))(tf.constant([7, 2])).numpy()
    assert_distributed(numbers, stats.norm.cdf)


def test_neighbouring_numbers_and_seeds_are_independent(compiled: Callable[..., Any]) -> None:
    """A rollout's seeds are neighbours: rows are seeds (0, i), columns the numbers of one draw."""
    draw = compiled(lambda s: tf.map_fn(lambda i: uniform([4], tf.stack([0, i])), s, tf.float32))
    numbers = draw(tf.range(20_000)).numpy()
    cells = np.floor(numbers * 8).astype(int)
    pairs = {
        "one seed": cells[:, 0] * 8 + cells[:, 1],
        "next seed": cells[:-1, 0] * 8 + cells[1:, 0],
        "next seed, next number": cells[:-1, 0] * 8 + cells[1:, 1],
    }
    for name, pair in pairs.items():
        counts = np.bincount(pair, minlength=64)
        assert stats.chisquare(counts).pvalue > 1e-4, name


def test_a_seed_is_both_its_numbers() -> None:
    draws = [tuple(uniform([4], seed).numpy()) for seed in ([1, 2], [2, 1], [1, 3], [1, -2])]
    assert len(set(draws)) == len(draws)
    assert tuple(uniform([4], [1, 2]).numpy()) == draws[0]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_extremes_are_finite_and_mirror_images(
    jit_compile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One number in 2^24 is the largest below 1: a search over parameters soon draws it."""
    ends = tf.constant([0.0, 0.25, 1.0 - 2.0**-24, 0.75 - 2.0**-24])
    monkeypatch.setattr(noise, "uniform", lambda shape, seed: ends)
    drawn = tf.function(noise.normal, jit_compile=jit_compile)([4], tf.constant([1, 2])).numpy()
    np.testing.assert_allclose(drawn[:2], -drawn[2:], rtol=1e-6)
    assert 5.2 < drawn[2] < 5.5
