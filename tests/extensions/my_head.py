"""A head in a module of one's own: Laplace noise round a mean.

import tests.extensions.my_head
Policy.head = @Laplace()
"""

import gin
import gymnasium as gym
import tensorflow as tf
import tensorflow_probability as tfp

import pgtf


@gin.register
class Laplace(pgtf.Head):
    """a ~ Laplace(μ(s), b), each component by itself: a Gaussian with heavier tails.

    Args:
        scale: b.
    """

    def __init__(self, scale: float = 1.0):
        super().__init__()
        self.scale = scale

    def build(self, num_features: int, action_space: gym.Space) -> None:
        """Makes the layer of means."""
        if not isinstance(action_space, gym.spaces.Box):
            raise self.refusal("a Box action space", action_space)
        self.mean = pgtf.Output(action_space.shape, 0.01, "mean")
        self.mean.build((None, num_features))

    def distribution(self, features: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution over actions [..., *shape] for features [..., F]."""
        each = tfp.distributions.Laplace(self.mean(features), self.scale)
        return tfp.distributions.Independent(each, len(self.mean.event_shape))
