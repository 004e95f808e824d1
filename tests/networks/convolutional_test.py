"""Convolutional networks: shapes, layouts, scaling, and sharing."""

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf import parts as parts
from pgtf.errors import ConfigurationError
from pgtf.learning.critics import VCritic
from pgtf.networks.convolutional import AtariNetwork
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy

LAST = spaces.Box(0, 255, (84, 84, 4), np.uint8)
FIRST = spaces.Box(0, 255, (4, 84, 84), np.uint8)


def frames(*leading: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*leading, 84, 84, 4)).astype(np.uint8)


def built(space: spaces.Box = LAST) -> AtariNetwork:
    network = AtariNetwork()
    network.build(space)
    return network


def test_it_is_the_network_of_the_paper() -> None:
    """16 filters of 8×8×4, 32 of 4×4×16, and 256 units over 9×9×32, each with a bias."""
    network = built()
    counts = [int(np.prod(v.shape)) for v in network.trainable_variables]
    assert counts == [16 * 8 * 8 * 4, 16, 32 * 4 * 4 * 16, 32, 9 * 9 * 32 * 256, 256]
    assert network.num_features == 256


@pytest.mark.parametrize(
    "network",
    [
        AtariNetwork(((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512),
        AtariNetwork(size="nature"),
        AtariNetwork(units=512, convolutions=((32, 8, 4), (64, 4, 2), (64, 3, 1)), size="a3c"),
    ],
    ids=["by numbers", "by name", "numbers before the name"],
)
def test_the_nature_network_can_be_bound(network: AtariNetwork) -> None:
    network.build(LAST)
    assert sum(int(np.prod(v.shape)) for v in network.trainable_variables) == 1_684_128


def test_convolutions_are_those_of_their_definition() -> None:
    network = AtariNetwork(((3, 2, 2),), 5)
    network.build(spaces.Box(0, 255, (4, 6, 2), np.uint8))
    picture = frames(1)[:, :4, :6, :2]
    kernel, _, dense, _ = (v.numpy() for v in network.trainable_variables)
    bias, offset = np.array([0.1, -0.2, 0.3], np.float32), np.linspace(-1, 1, 5, dtype=np.float32)
    network.trainable_variables[1].assign(bias)
    network.trainable_variables[3].assign(offset)
    rows = np.zeros((2, 3, 3))
    for i in range(2):
        for j in range(3):
            patch = picture[0, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] / 255.0
            rows[i, j] = np.maximum(np.einsum("xyc,xycf->f", patch, kernel) + bias, 0.0)
    expected = np.maximum(rows.reshape(-1) @ dense + offset, 0.0)
    np.testing.assert_allclose(network.features(picture)[0], expected, rtol=1e-4, atol=1e-5)


def test_both_layouts_give_the_same_features() -> None:
    last, first = built(LAST), built(FIRST)
    for own, other in zip(first.variables, last.variables, strict=True):
        own.assign(other.value)
    picture = frames(3)
    features = last.features(picture)
    assert np.count_nonzero(features) > 100
    moved = np.moveaxis(picture, -1, 1)
    np.testing.assert_allclose(first.features(moved), features, rtol=1e-4, atol=1e-5)


def test_leading_axes_are_kept() -> None:
    network = built()
    picture = frames(2, 3)
    together = network.features(picture)
    assert together.shape == (2, 3, 256)
    np.testing.assert_allclose(together[1], network.features(picture[1]), rtol=1e-4, atol=1e-5)

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 84, 84, 4], tf.uint8)])
    def unknown(picture: tf.Tensor) -> tf.Tensor:
        return network.features(picture)

    np.testing.assert_allclose(unknown(picture), together, rtol=1e-4, atol=1e-5)


def test_policy_and_critic_share_one_network_through_gin() -> None:
    gin.parse_config(
        """
        Policy.network = @atari/gin.singleton()
        VCritic.network = @atari/gin.singleton()
        atari/gin.singleton.constructor = @AtariNetwork
        """
    )
    policy, critic = gin.get_configurable(Policy)(), gin.get_configurable(VCritic)()
    policy.build(FIRST, spaces.Discrete(6))
    critic.build(FIRST, spaces.Discrete(6))
    assert policy.network is critic.network
    shared = {id(v) for v in policy.variables} & {id(v) for v in critic.variables}
    assert len(shared) == 6


@pytest.mark.parametrize(
    ("space", "word"),
    [
        (spaces.Box(-1.0, 1.0, (3,)), "three axes"),
        (spaces.Discrete(4), "three axes"),
        (spaces.Box(0.0, 1.0, (84, 84, 4)), "float32"),
        (spaces.Box(0, 255, (8, 8, 4), np.uint8), "convolutions"),
    ],
)
def test_other_inputs_are_refused(space: spaces.Space, word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        AtariNetwork().build(space)
    with pytest.raises(ConfigurationError, match=r"^AtariNetwork\.size must be one of 'a3c'"):
        AtariNetwork(size="huge")  # type: ignore[arg-type]


def test_a_dense_network_takes_the_same_pictures() -> None:
    network = MLP((3,))
    network.build(FIRST)
    assert network.features(np.moveaxis(frames(2), -1, 1)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(8, 8, 2), (2, 8, 8)])
def test_pictures_are_scaled_by_the_bounds_of_their_space(shape: tuple[int, ...]) -> None:
    """A picture of flags is to the network what one of bytes is with 255 for 1."""
    networks = []
    mixture = np.random.default_rng(1).choice(np.array([1, 255], np.uint8), shape)
    for high in (1, 255, mixture):
        network = AtariNetwork(((3, 4, 2),), 5)
        keras.utils.set_random_seed(0)
        network.build(spaces.Box(0, np.broadcast_to(high, shape), shape, np.uint8))
        networks.append(network)
    flags = np.random.default_rng(0).integers(0, 2, (6, *shape)).astype(np.uint8)
    one, bright, mixed = networks
    expected = bright.features(tf.constant(255 * flags))
    np.testing.assert_allclose(one.features(tf.constant(flags)), expected, rtol=1e-5, atol=1e-6)
    partly = tf.constant(flags * mixture)
    np.testing.assert_allclose(mixed.features(partly), expected, rtol=1e-5, atol=1e-6)
