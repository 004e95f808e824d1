"""The contract of a network: elements of a space in, features out."""

from typing import Any

import gymnasium as gym
import keras
import tensorflow as tf


class Network(keras.Layer):
    """Maps elements of a space to features.

    Attributes:
        space: what it was built for; parts that share a network agree on it.
        num_features: F, known once built.
    """

    space: gym.Space
    num_features: int

    def build(self, space: gym.Space) -> None:
        """Makes the layers.

        Args:
            space: the space of one input, most often an environment's observation space.

        Raises:
            ConfigurationError: the network cannot take this space.
        """
        raise NotImplementedError

    def features(self, element: Any) -> tf.Tensor:
        """Maps a nest of [..., *shape] to [..., F]."""
        raise NotImplementedError

    def adapt(self, element: Any, mask: tf.Tensor) -> None:
        """Moves running statistics of the input, if the network keeps any.

        Args:
            element: nest of [T, B, *shape].
            mask: [T, B].
        """
