"""The softmax policy over discrete actions."""

from typing import Any

import gin
import gymnasium as gym
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative
from pgtf.policies.categorical import Categorical
from pgtf.policies.head import Head
from pgtf.policies.output import Output


@gin.register
class Softmax(Head, serves=gym.spaces.Discrete):
    """π(a|s) = exp h(s, a) / Σ_b exp h(s, b) over a Discrete space.

    The preferences h are linear in the network's features. The score is
    ∇h(s, a) − Σ_b π(b|s) ∇h(s, b) (Sutton and Barto 2018, equations 13.2 and 13.9). Actions are
    int32 in 0..n−1: the environment adds the space's ``start``.

    Args:
        gain: of the orthogonal initialisation of the preferences; 0 starts uniform.
    """

    enumerates = True

    @checked
    def __init__(self, gain: NonNegative = 0.01) -> None:
        super().__init__()
        self.gain = gain

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the layer of preferences; see ``Head.build``."""
        if not isinstance(action_space, gym.spaces.Discrete):
            raise self.refusal("a Discrete action space", action_space)
        self.preferences = Output((int(action_space.n),), self.gain, "preferences")
        self.preferences.build((None, num_features))

    def distribution(self, features: tf.Tensor) -> Categorical:
        """Returns the distribution over actions, int32 [...], for features [..., F]."""
        return Categorical(logits=self.preferences(features))

    def log_probabilities(self, distribution: Any) -> tf.Tensor:
        """Returns log π(b | s) of every action b, [..., n]."""
        return tf.nn.log_softmax(distribution.logits_parameter())
