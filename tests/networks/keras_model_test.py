"""A Keras model of the user's own does as a network, wherever one is taken."""

from typing import Any

import gin
import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.learner import Learner
from pgtf.networks import MLP, KerasNetwork, as_network
from pgtf.policies import Policy
from tests.short_runs import train
from tests.toy_environments import Nested

PICTURE = gym.spaces.Box(0, 255, (6, 5, 2), np.uint8)


def functional(*shape: int) -> keras.Model:
    inputs = keras.Input(shape)
    x = keras.layers.Conv2D(3, 2)(inputs) if len(shape) == 3 else keras.layers.Dense(3)(inputs)
    return keras.Model(inputs, keras.layers.Flatten()(x) if len(shape) == 3 else x)


@gin.register
def small_model() -> keras.Model:
    return functional(4)


@pytest.mark.parametrize("leading", [(), (7,), (2, 3), (2, 3, 4)])
def test_leading_axes_are_flattened_for_the_model(leading: tuple[int, ...]) -> None:
    model = functional(6, 5, 2)
    network = as_network(model)
    network.build(PICTURE)
    pictures = np.random.default_rng(0).integers(0, 256, (*leading, 6, 5, 2)).astype(np.uint8)

    features = network.features(pictures)

    expected = model(pictures.reshape(-1, 6, 5, 2).astype(np.float32))
    assert features.shape == (*leading, network.num_features)
    np.testing.assert_allclose(
        features, tf.reshape(expected, (*leading, network.num_features)), rtol=1e-5
    )


def test_unknown_leading_axes_keep_the_rank_and_the_features() -> None:
    network = as_network(functional(4))
    network.build(gym.spaces.Box(-1.0, 1.0, (4,)))
    traced = tf.function(network.features, [tf.TensorSpec((None, None, 4))])

    assert traced.get_concrete_function().output_shapes == (None, None, 3)
    assert traced(tf.ones((2, 5, 4))).shape == (2, 5, 3)


class Parts(keras.Model):
    """Takes a nest of inputs, as ``Nested`` observes it."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs: dict[str, Any]) -> tf.Tensor:
        gear, bits = inputs["gear"]
        flat = [inputs["torque"], gear, bits, inputs["lights"]]
        picture = keras.layers.Flatten()(inputs["picture"])
        return self.dense(tf.concat([*flat, picture], axis=-1))


def test_dict_observations_reach_the_model_as_a_dict() -> None:
    network = KerasNetwork(Parts())
    network.build(Nested.observation_space)

    # 2 numbers, 1 of 3 one-hot, 2 bits, 4 categories of 2, 3, 4 and 5, 2 × 3 pixels.
    assert network.model.dense.kernel.shape == (2 + 3 + 2 + 14 + 6, 3)


def test_parts_that_are_given_one_model_share_its_weights_and_its_network() -> None:
    model = functional(4)
    critic = VCritic(model)
    learner = Learner(Policy(model), critic, StateValue())
    learner.build(gym.spaces.Box(-1.0, 1.0, (4,)), gym.spaces.Discrete(2))

    assert learner.policy.network is critic.network
    # The model's two, and kernel and bias of the head and of the critic.
    assert len(learner.trainable_variables) == 6


def test_network_that_is_none_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"a pgtf\.Network or a keras\.Model or None, not 'mlp'"
    ):
        Policy("mlp")
    with pytest.raises(ConfigurationError, match="cannot take inputs of Box"):
        as_network(functional(4)).build(PICTURE)
    assert isinstance(as_network(mlp := MLP()), MLP)
    assert as_network(mlp) is mlp


@pytest.mark.parametrize("trainer", ["SynchronousTrainer", "AsynchronousTrainer"])
def test_model_bound_by_gin_is_trained(trainer: str, tmp_path: Any) -> None:
    model = f"@{small_model.__name__}()"
    file = "a2c.gin" if trainer == "SynchronousTrainer" else "a3c.gin"
    summary = train(
        tmp_path, f"Policy.network = {model}", f"VCritic.network = {model}", files=(file,)
    )

    assert summary["steps"] >= 400
