"""The Gaussian policy over continuous actions."""

import math
from typing import Any, Literal

import gin
import gymnasium as gym
import keras
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative, Positive
from pgtf.errors import ConfigurationError
from pgtf.graph.stateless import normal
from pgtf.policies.head import Head
from pgtf.policies.output import Output

# The least standard deviation of the state-dependent scale: softplus underflows to 0.
_LEAST_SCALE = 1e-3


class Normal(tfp.distributions.Normal):
    """tfp's normal distribution, exact where tfp's x / scale − loc / scale cancels."""

    def _sample_n(self, n: int, seed: Any = None) -> tf.Tensor:
        return self.loc + self.scale * normal(tf.concat([[n], self.batch_shape_tensor()], 0), seed)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        deviation = (x - self.loc) / self.scale
        return -0.5 * deviation**2 - tf.math.log(self.scale) - 0.5 * math.log(2 * math.pi)


@gin.register
class Gaussian(Head, serves=gym.spaces.Box):
    """a ~ N(μ(s), σ²), diagonal, over a Box of any shape; it ignores the bounds.

    The score is (a − μ)/σ² ∇μ. Actions are float32 and unclipped: the environment clips them to the
    bounds, the log-prob is of the action as sampled. The scale σ is one of

    - "fixed": always ``initial_scale``;
    - "learned": exp(w), one weight w per action dimension, the same in every state;
    - "state_dependent": σ² = softplus(linear(features) + c) + 10⁻⁶, the form of Mnih et al. 2016
      (A3C, section 9); the constant c makes σ start at ``initial_scale``.

    Args:
        scale: "fixed", "learned" or "state_dependent".
        initial_scale: σ of the first policy, in units of the action.
        gain: of the orthogonal initialisation of μ, and of σ² where it depends on the state.
    """

    has_scale = True

    @checked
    def __init__(
        self,
        scale: Literal["fixed", "learned", "state_dependent"] = "learned",
        initial_scale: Positive = 1.0,
        gain: NonNegative = 0.01,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.initial_scale = initial_scale
        self.gain = gain

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the mean and the scale; see ``Head.build``."""
        if not isinstance(action_space, gym.spaces.Box):
            raise self.refusal("a Box action space", action_space)
        name = type(self).__name__
        least = _LEAST_SCALE if self.scale == "state_dependent" else 0.0
        if not self.initial_scale > least:
            raise ConfigurationError(
                f"{name}.initial_scale is {self.initial_scale}: bind it to a number above {least}."
            )
        shape = action_space.shape
        self.mean = Output(shape, self.gain, "mean")
        self.mean.build((None, num_features))
        if self.scale == "learned":
            self.log_scale = self.add_weight(
                shape=shape,
                initializer=keras.initializers.Constant(math.log(self.initial_scale)),
                dtype="float32",
                name="log_scale",
            )
        elif self.scale == "state_dependent":
            self.raw_variance = Output(shape, self.gain, "raw_variance")
            self.raw_variance.build((None, num_features))
            variance = self.initial_scale**2 - _LEAST_SCALE**2
            self.offset = variance + math.log(-math.expm1(-variance))  # softplus(offset) = variance

    def components(self, features: tf.Tensor) -> Normal:
        """Returns one normal distribution per action dimension, [..., *shape]."""
        loc = self.mean(features)
        if self.scale == "fixed":
            return Normal(loc, tf.constant(self.initial_scale, loc.dtype))
        if self.scale == "learned":
            return Normal(loc, tf.exp(tf.convert_to_tensor(self.log_scale)))
        raw = self.raw_variance(features)
        return Normal(loc, tf.sqrt(tf.nn.softplus(raw + self.offset) + _LEAST_SCALE**2))

    def distribution(self, features: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution over actions, float32 [..., *shape], for features [..., F]."""
        return tfp.distributions.Independent(self.components(features), len(self.mean.event_shape))

    def scaled(self, distribution: Any, factor: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns N(μ, (c σ)²) for a factor c, a scalar."""
        inner = distribution.distribution
        scaled = Normal(inner.loc, factor * inner.scale)
        return tfp.distributions.Independent(scaled, distribution.reinterpreted_batch_ndims)
