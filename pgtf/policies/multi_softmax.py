"""The product of softmaxes over several discrete actions taken at once."""

from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative
from pgtf.policies.categorical import Categorical
from pgtf.policies.head import Head
from pgtf.policies.output import Output

# The preference of choices that only pad a row: its exponential is 0, and it is still finite.
_NEVER = -1e30


@gin.register
class MultiSoftmax(Head, serves=gym.spaces.MultiDiscrete):
    """One softmax for each entry of a MultiDiscrete space, independent given the state.

    Entries may differ in their number of choices, and ``nvec`` may have any number of dimensions.
    Actions are int32 of the space's shape, each in 0..n−1: the environment adds ``start``.

    Args:
        gain: of the orthogonal initialisation of the preferences; 0 starts uniform.
    """

    @checked
    def __init__(self, gain: NonNegative = 0.01) -> None:
        super().__init__()
        self.gain = gain

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes one layer for all the preferences; see ``Head.build``."""
        if not isinstance(action_space, gym.spaces.MultiDiscrete):
            raise self.refusal("a MultiDiscrete action space", action_space)
        nvec = np.asarray(action_space.nvec)
        self.preferences = Output((int(nvec.sum()),), self.gain, "preferences")
        self.preferences.build((None, num_features))
        # Where each entry's choices stand in the layer's output, [*shape, max(nvec)].
        choice = np.arange(nvec.max())
        first = np.cumsum(nvec).reshape(nvec.shape) - nvec
        self.valid = choice < nvec[..., np.newaxis]
        self.index = np.where(self.valid, first[..., np.newaxis] + choice, 0).astype(np.int32)

    def distribution(self, features: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution over actions, int32 [..., *shape], for features [..., F]."""
        logits = tf.gather(self.preferences(features), self.index, axis=-1)
        choices = Categorical(logits=tf.where(self.valid, logits, _NEVER))
        return tfp.distributions.Independent(choices, self.valid.ndim - 1)
