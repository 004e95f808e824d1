"""A network in a module of one's own: one dense layer.

import tests.extensions.my_network
Policy.network = @OneLayer()
VCritic.network = @OneLayer()
"""

import gin
import gymnasium as gym
import keras
import numpy as np
import tensorflow as tf

import pgtf
from pgtf import spaces


@gin.register
class OneLayer(pgtf.Network):
    """A layer of tanh units over the flattened input: what an MLP with one layer computes.

    Args:
        units: F.
    """

    def __init__(self, units: int = 256):
        super().__init__()
        self.num_features = units

    def build(self, space: gym.Space) -> None:
        """Makes the layer."""
        self.space = space
        orthogonal = keras.initializers.Orthogonal(float(np.sqrt(2.0)))
        self.layer = keras.layers.Dense(self.num_features, "tanh", kernel_initializer=orthogonal)
        self.layer.build((None, spaces.num_features(space)))

    def features(self, element) -> tf.Tensor:
        """Maps a nest of [..., *shape] to [..., F]."""
        return self.layer(spaces.features(self.space, element))
