"""The Beta policy over bounded actions."""

from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative
from pgtf.graph.stateless import normal, uniform
from pgtf.policies.bounds import Bounds
from pgtf.policies.head import Head
from pgtf.policies.output import Output

# Proposals for each gamma variate. Concentrations are at least 1, so each is accepted with
# probability above 0.95, and all are rejected less than once in 6e7 draws, which float32 cannot
# resolve.
_PROPOSALS = 6


class BoundedBeta(tfp.distributions.Distribution):
    """a = low + length x with x ~ Beta(1 + p, 1 + q), p and q ≥ 0: flat or with one peak.

    Args:
        p: exponent of x in the density, [..., *shape].
        q: exponent of 1 - x.
        bounds: of the action, arrays of [*shape].
    """

    def __init__(self, p: tf.Tensor, q: tf.Tensor, bounds: Bounds) -> None:
        parameters = dict(locals())
        self.p, self.q, self.bounds = p, q, bounds
        super().__init__(
            dtype=p.dtype,
            reparameterization_type=tfp.distributions.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
        )

    def _batch_shape(self) -> tf.TensorShape:
        return self.p.shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.shape(self.p)

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _sample_n(self, n: int, seed: Any = None) -> tf.Tensor:
        """Draws x = g / (g + h) from two gamma variates, without a loop: XLA and vectorized_map.

        Marsaglia and Tsang 2000, "A Simple Method for Generating Gamma Variables".
        """
        normal_seed, uniform_seed = tfp.random.split_seed(seed, 2)
        concentration = tf.stop_gradient(1.0 + tf.stack([self.p, self.q], -1))[..., tf.newaxis]
        shape = tf.concat([[n], tf.shape(concentration)[:-1], [_PROPOSALS]], 0)
        d = concentration - 1.0 / 3.0
        z = normal(shape, normal_seed)
        root = 1.0 + z / tf.sqrt(9.0 * d)
        v = tf.maximum(root, 1e-6) ** 3
        level = tf.math.log1p(-uniform(shape, uniform_seed))
        accepted = (root > 0.0) & (level < 0.5 * z**2 + d * (1.0 - v + tf.math.log(v)))
        first = tf.argmax(accepted, -1)
        chosen = tf.reduce_sum(tf.one_hot(first, _PROPOSALS) * v, -1) * d[..., 0]
        return self.bounds.from_unit(chosen[..., 0] / tf.reduce_sum(chosen, -1))

    def _log_normaliser(self) -> tf.Tensor:
        return tfp.math.lbeta(1.0 + self.p, 1.0 + self.q) + np.log(self.bounds.length)

    def _log_prob(self, action: tf.Tensor) -> tf.Tensor:
        x = self.bounds.to_unit(action)
        kernel = self.p * tf.math.log(x) + self.q * tf.math.log1p(-x)
        return kernel - self._log_normaliser()

    def _entropy(self) -> tf.Tensor:
        total = tf.math.digamma(2.0 + self.p + self.q)
        log_x = tf.math.digamma(1.0 + self.p) - total  # E[log x]
        log_rest = tf.math.digamma(1.0 + self.q) - total  # E[log (1 - x)]
        return self._log_normaliser() - self.p * log_x - self.q * log_rest

    def _mode(self) -> tf.Tensor:
        # The tiny summand makes the middle the mode of the flat density, p = q = 0.
        p, q = self.p + 1e-8, self.q + 1e-8
        return self.bounds.from_unit(p / (p + q))


@gin.register
class Beta(Head):
    """A Beta distribution per action dimension, stretched over the bounds of a Box.

    Its concentrations are 1 + softplus(linear(features)), so that the density has one peak and, as
    no action leaves the bounds, no clipping biases the gradient (Chou et al. 2017, "Improving
    Stochastic Policy Gradients in Continuous Control with Deep Reinforcement Learning using the
    Beta Distribution"). Actions are float32 of the Box's shape and keep a millionth of the interval
    away from the bounds. The first policy is broad, Beta(1.69, 1.69) in every state.

    Args:
        gain: of the orthogonal initialisation of the concentrations.
    """

    @checked
    def __init__(self, gain: NonNegative = 0.01) -> None:
        super().__init__()
        self.gain = gain

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the two layers of concentrations; see ``Head.build``."""
        self.bounds = Bounds.of(self, action_space)
        self.raw_p = Output(self.bounds.low.shape, self.gain, "raw_p")
        self.raw_p.build((None, num_features))
        self.raw_q = Output(self.bounds.low.shape, self.gain, "raw_q")
        self.raw_q.build((None, num_features))

    def distribution(self, features: tf.Tensor) -> tfp.distributions.Distribution:
        """Returns the distribution over actions, float32 [..., *shape], for features [..., F]."""
        p = tf.nn.softplus(self.raw_p(features))
        q = tf.nn.softplus(self.raw_q(features))
        beta = BoundedBeta(p, q, self.bounds)
        return tfp.distributions.Independent(beta, len(self.raw_p.event_shape))
