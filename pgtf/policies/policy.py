"""The policy π(a | s): a network and a head."""

from typing import Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.networks.keras_model import as_network
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.policies.decision import Actor
from pgtf.policies.head import Head, default_head


@gin.register
class Policy(Actor, keras.Layer):
    """A distribution over actions for each observation.

    Attributes:
        head: the one that was bound or chosen, once built.

    Args:
        network: maps observations to features, a Keras model for one; an ``MLP`` when unbound.
        head: maps features to a distribution; chosen from the action space when unbound.
    """

    head: Head

    @checked
    def __init__(self, network: Network | keras.Model | None = None, head: Head | None = None):
        super().__init__()
        self.network = MLP() if network is None else as_network(network)
        self._bound_head = head

    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable.

        Args:
            observation_space: the space of one environment's observations.
            action_space: the space of one environment's actions.

        Raises:
            ConfigurationError: the network or the head does not fit its space.
        """
        self.head = self._bound_head or default_head(action_space)
        if not self.network.built:
            self.network.build(observation_space)
        self.head.build(self.network.num_features, action_space)

    def distribution_of(self, features: tf.Tensor) -> Any:
        """Returns π(· | s), of batch shape [...], for the network's features, [..., F]."""
        return self.head.distribution(features)
