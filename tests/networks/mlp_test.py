"""Networks: features by hand, initialisation, and the ways they are evaluated."""

import re
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization


def built(space: gym.Space[Any], *arguments: Any, **others: Any) -> MLP:
    network = MLP(*arguments, **others)
    network.build(space)
    return network


NESTED = gym.spaces.Dict(
    {
        "b": gym.spaces.Discrete(3, start=5),
        "a": gym.spaces.Tuple((gym.spaces.Box(-1, 1, (1, 2)), gym.spaces.MultiBinary(2))),
    }
)


@pytest.mark.parametrize(
    ("space", "element", "expected"),
    [
        (gym.spaces.Box(-9, 9, (2,)), np.array([[1.5, -2.0]]), [[1.5, -2.0]]),
        (
            gym.spaces.Box(-9, 9, (2, 2)),
            np.array([[[1.0, 2.0], [3.0, 4.0]]]),
            [[1.0, 2.0, 3.0, 4.0]],
        ),
        (gym.spaces.Box(0, 255, (2,), np.uint8), np.array([[0, 51]], np.uint8), [[0.0, 0.2]]),
        (gym.spaces.Discrete(3), np.array([2, 0]), [[0, 0, 1], [1, 0, 0]]),
        (
            NESTED,
            {
                "b": np.array([6]),
                "a": (np.array([[[0.5, -0.5]]], np.float32), np.array([[1, 0]], np.int32)),
            },
            [[0.5, -0.5, 1, 0, 0, 1, 0]],
        ),
    ],
    ids=["Box", "matrix", "bytes", "Discrete", "nested"],
)
def test_without_layers_the_features_are_the_encoded_input(
    space: gym.Space[Any], element: Any, expected: list[list[float]]
) -> None:
    network = built(space, hidden=())
    element = tf.nest.map_structure(tf.convert_to_tensor, element)
    np.testing.assert_allclose(network.features(element), expected, rtol=1e-6)
    assert network.num_features == len(expected[0])
    assert not network.trainable_variables


def test_layers_by_hand() -> None:
    network = built(gym.spaces.Box(-9, 9, (2,)), hidden=(3, 2), activation="relu")
    first, second = (
        np.array([[1.0, -1.0, 0.5], [2.0, 1.0, -1.0]]),
        np.array([[1.0, 0], [0, 2], [3, 1]]),
    )
    for layer, kernel, bias in zip(
        network.dense, (first, second), ([0.0, 0.5, 0.0], [-1.0, 1.0]), strict=True
    ):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    x = np.array([[1.0, 2.0], [-3.0, 0.5]])
    hidden = np.maximum(x @ first + [0.0, 0.5, 0.0], 0.0)
    expected = np.maximum(hidden @ second + [-1.0, 1.0], 0.0)
    np.testing.assert_allclose(network.features(tf.constant(x, tf.float32)), expected, rtol=1e-6)


def test_kernels_start_orthogonal_with_the_gain_and_biases_zero() -> None:
    network = built(gym.spaces.Box(-9, 9, (8,)), hidden=(8, 5), gain=3.0)
    for layer in network.dense:
        kernel = layer.kernel.numpy()
        np.testing.assert_allclose(kernel.T @ kernel, 9.0 * np.eye(kernel.shape[1]), atol=1e-4)
        assert not np.any(layer.bias)
    assert not np.allclose(network.dense[0].kernel[:, :5], network.dense[1].kernel)


def test_the_gain_when_unbound_is_the_root_of_two() -> None:
    kernel = built(gym.spaces.Discrete(4), hidden=(4,)).dense[0].kernel.numpy()
    np.testing.assert_allclose(kernel @ kernel.T, 2.0 * np.eye(4), atol=1e-5)


@pytest.mark.parametrize("leading", [(5,), (1, 1), (3, 5), (2, 3, 5)])
def test_any_leading_dimensions(leading: tuple[int, ...]) -> None:
    network = built(gym.spaces.Box(-9, 9, (2, 3)), hidden=(4,))
    x = np.random.default_rng(0).normal(size=(*leading, 2, 3)).astype(np.float32)
    actual = network.features(tf.constant(x))
    assert actual.shape == (*leading, 4)
    flat = network.features(tf.constant(x.reshape(-1, 2, 3)))
    np.testing.assert_allclose(np.reshape(actual, (-1, 4)), flat, rtol=1e-5, atol=1e-6)


def test_a_population_of_weights_is_evaluated_as_one_batch_under_xla() -> None:
    """Every number is a Keras weight: a stateless scope swaps them all, member by member."""
    network = built(gym.spaces.Discrete(3), hidden=(4,), normalization=RunningNormalization())
    variables = network.trainable_variables
    rng = np.random.default_rng(1)
    stacks = [tf.constant(rng.normal(size=(6, *v.shape)), tf.float32) for v in variables]
    x = tf.constant([0, 2, 1, 1])

    def member(values: list[tf.Tensor]) -> tf.Tensor:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return network.features(x)

    together = tf.function(lambda s: tf.vectorized_map(member, s), jit_compile=True)(stacks)
    for i in range(6):
        for variable, stack in zip(variables, stacks, strict=True):
            variable.assign(stack[i])
        np.testing.assert_allclose(together[i], network.features(x), rtol=1e-5, atol=1e-6)


def test_normalization_stands_before_the_layers_and_follows_adapt() -> None:
    network = built(gym.spaces.Box(-9, 9, (1,)), hidden=(), normalization=RunningNormalization())
    network.adapt(tf.constant([[[1.0]], [[5.0]], [[99.0]]]), tf.constant([[1.0], [1.0], [0.0]]))
    np.testing.assert_allclose(
        network.features(tf.constant([[3.0], [7.0]])), [[0.0], [2.0]], atol=1e-6
    )


def test_without_normalization_adapting_does_nothing() -> None:
    network = built(gym.spaces.Discrete(3), hidden=(2,))
    before = [w.numpy() for w in network.weights]
    network.adapt(tf.constant([[1], [2]]), tf.ones((2, 1)))
    for now, then in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_layer_without_units_is_refused() -> None:
    message = (
        "MLP.hidden must be a list or tuple with a whole number of at least 1 for each item, not"
        " (64, 0)."
    )
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        built(gym.spaces.Discrete(3), hidden=(64, 0))


def test_an_activation_that_keras_does_not_know_is_refused() -> None:
    message = "MLP.activation must be the name of a Keras activation, not 'tanhh'."
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        MLP(activation="tanhh")
