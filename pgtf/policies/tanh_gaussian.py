"""The Gaussian policy squashed into the bounds of its actions."""

import math
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.policies.bounds import Bounds
from pgtf.policies.gaussian import Gaussian, Normal

# The trapezoid rule of the entropy: 32 standard normal deviates and their weights.
_NODES = np.linspace(-5.0, 5.0, 32)
_WEIGHTS = np.exp(-0.5 * _NODES**2) / np.sum(np.exp(-0.5 * _NODES**2))


class SquashedNormal(tfp.distributions.Distribution):
    """a = low + length (1 + tanh u) / 2 with u ~ N(loc, scale²), each dimension on its own.

    Args:
        loc: mean of u, [..., *shape].
        scale: standard deviation of u, broadcasts with ``loc``.
        bounds: of the action, arrays of [*shape].
    """

    def __init__(self, loc: tf.Tensor, scale: tf.Tensor, bounds: Bounds) -> None:
        parameters = dict(locals())
        self.normal = Normal(loc, scale)
        self.bounds = bounds
        super().__init__(
            dtype=self.normal.dtype,
            reparameterization_type=tfp.distributions.FULLY_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self.normal.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self.normal.batch_shape_tensor()

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _squash(self, u: tf.Tensor) -> tf.Tensor:
        return self.bounds.from_unit(tf.sigmoid(2.0 * u))  # (1 + tanh u) / 2

    def _log_slope(self, u: tf.Tensor) -> tf.Tensor:
        """Returns log da/du = log(length / 2) + log(1 − tanh² u), finite for every u."""
        size = tf.abs(u)
        log_derivative = 2.0 * (math.log(2.0) - size - tf.nn.softplus(-2.0 * size))
        return log_derivative + np.log(0.5 * self.bounds.length)

    def _sample_n(self, n: int, seed: Any = None) -> tf.Tensor:
        return self._squash(self.normal.sample(n, seed=seed))

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        fraction = self.bounds.to_unit(action)
        u = 0.5 * (tf.math.log(fraction) - tf.math.log1p(-fraction))
        return self.normal.log_prob(u) - self._log_slope(u)

    def _entropy(self) -> tf.Tensor:
        u = self.normal.loc[..., tf.newaxis] + self.normal.scale[..., tf.newaxis] * _NODES
        size = tf.abs(u)
        mean = tf.reduce_sum((size + tf.nn.softplus(-2.0 * size)) * _WEIGHTS, -1)
        half = 0.5 * self.bounds.length
        return self.normal.entropy() + 2.0 * (math.log(2.0) - mean) + np.log(half)

    def _mode(self) -> tf.Tensor:
        return self._squash(self.normal.loc)


@gin.register
class TanhGaussian(Gaussian):
    """A diagonal Gaussian over u, squashed by tanh to the bounds of a Box (Haarnoja et al. 2018).

    log π(a|s) = log N(u; μ, σ²) − log da/du, where u is recovered from the action (that paper's
    appendix C). The arguments are those of ``Gaussian``; ``initial_scale`` is in units of u, where
    the interval is about −2..2. Actions stay a millionth of the interval away from the bounds: that
    keeps u within ±7 and everything finite.

    The entropy E[−log N(u)] + E[log da/du] has no closed form: its second term is a trapezoid rule
    of 32 points over μ ± 5σ, wrong by less than 2·10⁻⁵ up to σ = 3 and by 2·10⁻³ at σ = 5.
    ``mode``, the greedy action, is the squashed mean; the density may be highest elsewhere.
    """

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the mean and the scale; see ``Head.build``."""
        self.bounds = Bounds.of(self, action_space)
        super().build(num_features, action_space)

    def distribution(self, features: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution over actions, float32 [..., *shape], for features [..., F]."""
        normal = self.components(features)
        squashed = SquashedNormal(normal.loc, normal.scale, self.bounds)
        return tfp.distributions.Independent(squashed, len(self.mean.event_shape))

    def scaled(self, distribution: Any, factor: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the squashed N(μ, (c σ)²) of u for a factor c, a scalar."""
        inner = distribution.distribution
        scaled = SquashedNormal(inner.normal.loc, factor * inner.normal.scale, inner.bounds)
        return tfp.distributions.Independent(scaled, distribution.reinterpreted_batch_ndims)
