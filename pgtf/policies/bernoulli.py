"""The Bernoulli policy over binary actions."""

from typing import Any

import gin
import gymnasium as gym
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative
from pgtf.graph.stateless import uniform
from pgtf.policies.head import Head
from pgtf.policies.output import Output


class Coin(tfp.distributions.Bernoulli):
    """tfp's Bernoulli distribution over int32, in fewer operations, finite for finite logits."""

    def _sample_n(self, n: int, seed: Any = None) -> tf.Tensor:
        level = uniform(tf.concat([[n], tf.shape(self.logits)], 0), seed)
        return tf.cast(level < tf.sigmoid(self.logits), self.dtype)

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        sign = 2.0 * tf.cast(event, self.logits.dtype) - 1.0
        return -tf.nn.softplus(-sign * self.logits)

    def _entropy(self) -> tf.Tensor:
        return tf.nn.softplus(self.logits) - self.logits * tf.sigmoid(self.logits)


@gin.register
class Bernoulli(Head, serves=gym.spaces.MultiBinary):
    """One coin for each bit of a MultiBinary space, independent given the state.

    The logits are linear in the network's features; actions are int32 of the space's shape.

    Args:
        gain: of the orthogonal initialisation of the logits; 0 starts with fair coins.
    """

    @checked
    def __init__(self, gain: NonNegative = 0.01) -> None:
        super().__init__()
        self.gain = gain

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the layer of logits; see ``Head.build``."""
        if not isinstance(action_space, gym.spaces.MultiBinary):
            raise self.refusal("a MultiBinary action space", action_space)
        self.logits = Output(action_space.shape, self.gain, "logits")
        self.logits.build((None, num_features))

    def distribution(self, features: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution over actions, int32 [..., *shape], for features [..., F]."""
        coins = Coin(logits=self.logits(features))
        return tfp.distributions.Independent(coins, len(self.logits.event_shape))
