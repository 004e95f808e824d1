"""Heads with chosen outputs, and the statistical tests their samples must pass."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

# How often each statistical test errs; seeds are fixed, so that it errs always or never.
ERROR_RATE = 1e-4


@pytest.fixture(params=[False, True], ids=["plain", "jit"])
def compiled(request: pytest.FixtureRequest) -> Callable[[Callable[..., Any]], Any]:
    """Makes a graph of a function, without XLA and with: their random numbers differ."""
    return lambda function: tf.function(function, jit_compile=request.param)


@pytest.fixture
def constant() -> Callable[..., tf.Tensor]:
    """Makes a layer's output the given one, whatever the features."""

    def assign(layer: keras.Layer, output: Any) -> None:
        layer.kernel.assign(tf.zeros_like(layer.kernel))
        layer.bias.assign(np.ravel(output))

    return assign


@pytest.fixture
def identity() -> Callable[[keras.Layer], None]:
    """Makes a layer's output its features."""

    def assign(layer: keras.Layer) -> None:
        layer.kernel.assign(np.eye(*layer.kernel.shape))
        layer.bias.assign(tf.zeros_like(layer.bias))

    return assign


@pytest.fixture
def assert_frequencies() -> Callable[[np.ndarray, np.ndarray], None]:
    """Pearson's chi-square test that indices come with these probabilities."""

    def check(indices: np.ndarray, probabilities: np.ndarray) -> None:
        indices = np.ravel(indices)
        assert indices.min() >= 0
        assert indices.max() < len(probabilities)
        counts = np.bincount(indices, minlength=len(probabilities))
        possible = probabilities > 0
        assert np.all(counts[~possible] == 0)
        expected = probabilities[possible] / probabilities.sum() * len(indices)
        assert np.all(expected > 5)  # else the test statistic has another distribution
        assert stats.chisquare(counts[possible], expected).pvalue > ERROR_RATE

    return check


@pytest.fixture
def assert_distributed() -> Callable[[np.ndarray, Callable[[np.ndarray], np.ndarray]], None]:
    """The Kolmogorov-Smirnov test that numbers have this distribution function."""

    def check(samples: np.ndarray, cdf: Callable[[np.ndarray], np.ndarray]) -> None:
        assert stats.kstest(np.ravel(samples), cdf).pvalue > ERROR_RATE

    return check
