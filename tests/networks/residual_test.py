"""IMPALA's residual network: sizes, its definition, layouts."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from scipy import signal

from pgtf.errors import ConfigurationError
from pgtf.networks.residual import ImpalaNetwork


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def test_it_is_the_network_of_the_paper() -> None:
    """Fifteen convolutions of 3×3, and 256 units over 11×11×32 of pictures of 84×84."""
    network = ImpalaNetwork()
    network.build(spaces.Box(0, 255, (84, 84, 4), np.uint8))
    kernels = [v.shape for v in network.trainable_variables if len(v.shape) > 1]
    first, second = [(3, 3, 16, 16)] * 4, [(3, 3, 32, 32)] * 4
    assert kernels == [
        (3, 3, 4, 16),
        *first,
        (3, 3, 16, 32),
        *second,
        (3, 3, 32, 32),
        *second,
        (11 * 11 * 32, 256),
    ]
    assert network.features(pictures(2, 3, 84, 84, 4)).shape == (2, 3, 256)


def test_features_are_those_of_the_definition() -> None:
    """One filter and one block: conv, max-pool, x + conv(relu(conv(relu(x)))), relu, dense."""
    network = ImpalaNetwork((1,), 1, 5)
    network.build(spaces.Box(0, 255, (4, 6, 2), np.uint8))
    for variable in network.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    picture = pictures(1, 4, 6, 2)
    first, bias, one, bias_one, two, bias_two, dense, offset = (
        v.numpy() for v in network.trainable_variables
    )

    def convolved(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
        layers = [signal.correlate2d(x[..., c], kernel[..., c, 0], "same") for c in range(len(x.T))]
        return np.sum(layers, axis=0)[..., np.newaxis] + bias

    x = convolved(picture[0] / 255.0, first, bias)[..., 0]
    # Windows of 3×3 with stride 2 that begin at the border, as far as they lie in the picture.
    pooled = [[x[i : i + 3, j : j + 3].max() for j in (0, 2, 4)] for i in (0, 2)]
    x = np.array(pooled)[..., np.newaxis]
    x = x + convolved(np.maximum(convolved(np.maximum(x, 0), one, bias_one), 0), two, bias_two)
    expected = np.maximum(np.maximum(x, 0).reshape(-1) @ dense + offset, 0)
    assert np.count_nonzero(expected) > 1
    np.testing.assert_allclose(network.features(picture)[0], expected, rtol=1e-4, atol=1e-4)


def test_both_layouts_give_the_same_features() -> None:
    last, first = ImpalaNetwork((2,), 1, 4), ImpalaNetwork((2,), 1, 4)
    last.build(spaces.Box(0, 255, (9, 10, 3), np.uint8))
    first.build(spaces.Box(0, 255, (3, 9, 10), np.uint8))
    for own, other in zip(first.variables, last.variables, strict=True):
        own.assign(other.value)
    picture = pictures(2, 9, 10, 3)
    moved = tf.constant(np.moveaxis(picture, -1, 1))
    np.testing.assert_allclose(
        first.features(moved), last.features(tf.constant(picture)), rtol=1e-4, atol=1e-5
    )


def test_other_inputs_and_sizes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^ImpalaNetwork needs images"):
        ImpalaNetwork().build(spaces.Discrete(3))
    with pytest.raises(ConfigurationError, match=r"^ImpalaNetwork scales bytes"):
        ImpalaNetwork().build(spaces.Box(0.0, 1.0, (84, 84, 4)))
    with pytest.raises(
        ConfigurationError,
        match=r"^ImpalaNetwork\.filters must be a list or tuple that",
    ):
        ImpalaNetwork(())
