"""Gaussian exploration whose noise is a function of the state, held for several steps."""

import math
from typing import Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, NonNegative, Positive
from pgtf.graph.stateless import normal
from pgtf.policies.gaussian import Normal
from pgtf.policies.head import Head
from pgtf.policies.output import Output

# Deviation of the noise that is left where all features are 0.
_LEAST_SCALE = 1e-3


class FeatureNoise:
    """a = μ + zᵀ (σ ⊙ ξ) with a matrix ξ of standard normal numbers.

    Of one action by itself, N(μ, Σ_j z_j² σ_j²) for each dimension, independent of each other.

    Args:
        loc: μ, [..., *shape].
        features: z, [..., F].
        scales: σ, [F, A], where A is the number of dimensions of an action.
    """

    def __init__(self, loc: tf.Tensor, features: tf.Tensor, scales: tf.Tensor) -> None:
        self.loc = loc
        self.features = features
        self.scales = scales
        variance = tf.linalg.matmul(tf.square(features), tf.square(scales))
        self._event_rank = len(loc.shape) - len(features.shape) + 1
        marginal = Normal(loc, tf.sqrt(tf.reshape(variance, tf.shape(loc))))
        self._marginal = tfp.distributions.Independent(marginal, self._event_rank)

    def sample(self, sample_shape: Any = (), seed: Any = None) -> tf.Tensor:
        """Returns actions with a ξ of their own each, [*sample_shape, ..., *shape]."""
        return self._marginal.sample(sample_shape, seed=seed)

    def with_noise(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns the actions [..., *shape] that ξ, [..., F, A], leads to."""
        deviation = tf.einsum("...f,...fa->...a", self.features, self.scales * noise)
        return self.loc + tf.reshape(deviation, tf.shape(self.loc))

    def log_prob(self, action: tf.Tensor) -> tf.Tensor:
        """Returns the log-density of actions by themselves, [...]."""
        return self._marginal.log_prob(action)

    def entropy(self) -> tf.Tensor:
        """Returns the entropy of actions by themselves, [...]."""
        return self._marginal.entropy()

    def mode(self) -> tf.Tensor:
        """Returns μ, [..., *shape]."""
        return self.loc


@gin.register
class StateDependentNoise(Head):
    """Generalised state-dependent exploration, gSDE (Raffin et al. 2021, arXiv:2005.05719).

    a = μ(s) + zᵀ (σ ⊙ ξ), where z are the features of the policy's network and ξ is drawn anew
    every ``hold`` steps and at each episode's start. In between an action is a function of the
    state, so that exploration is smooth. Log-prob and entropy are those of an action by itself,
    N(μ(s), Σ_j z_j² σ_j²), as in the paper. σ, one for each feature and action dimension, is
    learned, and the policy's loss sends no gradient through z in the noise. Actions are unclipped:
    the environment clips them to the bounds.

    Args:
        hold: steps between two draws of ξ; None for a whole episode.
        initial_scale: σ of the first policy; the deviation of its actions is σ ‖z‖.
        gain: of the orthogonal initialisation of μ.
    """

    remembers = True
    has_scale = True

    @checked
    def __init__(
        self,
        hold: Count | None = 8,
        initial_scale: Positive = 0.135,
        gain: NonNegative = 0.01,
    ) -> None:
        super().__init__()
        self.hold = hold
        self.initial_scale = initial_scale
        self.gain = gain

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the mean and the scales; see ``Head.build``."""
        if not isinstance(action_space, gym.spaces.Box):
            raise self.refusal("a Box action space", action_space)
        self.mean = Output(action_space.shape, self.gain, "mean")
        self.mean.build((None, num_features))
        self._size = math.prod(action_space.shape)
        self.log_scale = self.add_weight(
            shape=(num_features, self._size),
            initializer=keras.initializers.Constant(math.log(self.initial_scale)),
            dtype="float32",
            name="log_scale",
        )

    def distribution(self, features: tf.Tensor) -> FeatureNoise:
        """Returns the distribution over actions, float32 [..., *shape], for features [..., F]."""
        noisy = tf.stop_gradient(tf.cast(features, tf.float32))
        # One feature more, always there, so that no density is that of a point.
        noisy = tf.concat([noisy, tf.ones_like(noisy[..., :1])], axis=-1)
        scales = tf.exp(tf.convert_to_tensor(self.log_scale))
        scales = tf.concat([scales, tf.fill([1, self._size], _LEAST_SCALE)], axis=0)
        return FeatureNoise(self.mean(features), noisy, scales)

    def initial_memory(self, num_envs: int) -> Any:
        """Returns a ξ for each of B episodes that is to be drawn at once."""
        shape = (num_envs, self.log_scale.shape[0] + 1, self._size)
        return {"noise": tf.zeros(shape), "left": tf.zeros((num_envs,), tf.int32)}

    def sample(self, distribution: Any, memory: Any, seed: tf.Tensor) -> tuple[tf.Tensor, Any]:
        """Samples with the ξ that is held, or a new one where its time is over."""
        over = memory["left"] <= 0
        drawn = normal(tf.shape(memory["noise"]), seed)
        noise = tf.where(over[:, tf.newaxis, tf.newaxis], drawn, memory["noise"])
        hold = tf.int32.max if self.hold is None else self.hold
        left = tf.where(over, hold, memory["left"]) - 1
        return distribution.with_noise(noise), {"noise": noise, "left": left}

    def scaled(self, distribution: Any, factor: tf.Tensor) -> FeatureNoise:
        """Returns the same noise with c σ, for a factor c, a scalar."""
        return FeatureNoise(distribution.loc, distribution.features, factor * distribution.scales)
