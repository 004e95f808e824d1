"""A network with memory in a module of one's own: a gated recurrent unit.

import tests.extensions.my_recurrent_network
Policy.network = @torso/gin.singleton()
VCritic.network = @torso/gin.singleton()
torso/gin.singleton.constructor = @GRU
"""

import gin
import gymnasium as gym
import keras
import tensorflow as tf

import pgtf
from pgtf import spaces


@gin.register
class GRU(pgtf.Network):
    """A gated recurrent unit (Cho et al. 2014, arXiv:1406.1078) over the flattened input.

    Args:
        units: F, and the size of the memory.
    """

    def __init__(self, units: int = 64):
        super().__init__()
        self.num_features = units
        self.cell = keras.layers.GRUCell(units)

    def build(self, space: gym.Space) -> None:
        """Makes the weights."""
        self.space = space
        self.cell.build((None, spaces.num_features(space)))

    def initial_memory(self, num_envs: int) -> tf.Tensor:
        """Zeros, [B, F]."""
        return tf.zeros((num_envs, self.num_features))

    def step(self, element, memory: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One step of B inputs: the features are the memory after it, [B, F]."""
        features, _ = self.cell(spaces.features(self.space, element), [memory])
        return features, features


@gin.register
class Forgetful(GRU):
    """A mistake: what it learns from is not what acted, for it begins no episode afresh."""

    def unroll(self, element, first: tf.Tensor, memory: tf.Tensor) -> tf.Tensor:
        """As if the rollout were one episode."""
        return super().unroll(element, tf.zeros_like(first), memory)
