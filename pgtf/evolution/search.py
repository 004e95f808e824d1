"""Search distributions: P(θ) over the flattened parameters of a policy."""

import math
from typing import Literal

import gin
import keras
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Positive
from pgtf.policies.gaussian import Normal


@gin.register
class GaussianSearch(tf.Module):
    """θ ~ N(μ, σ²), the distribution of evolution's members.

    Attributes:
        mean: μ [D], a Keras variable, once built.
        log_scale: log σ, [] if isotropic or [D] if diagonal.

    Args:
        covariance: 'isotropic', one σ for all parameters, or 'diagonal', one for each.
        scale: 'fixed', σ stays ``initial_scale``, or 'learned', σ moves together with μ.
        initial_scale: σ of the first generation, in units of the parameters.
    """

    mean: keras.Variable
    log_scale: keras.Variable

    @checked
    def __init__(
        self,
        covariance: Literal["isotropic", "diagonal"] = "isotropic",
        scale: Literal["fixed", "learned"] = "fixed",
        initial_scale: Positive = 0.05,
    ):
        super().__init__()
        self.covariance = covariance
        self.scale = scale
        self.initial_scale = initial_scale

    def build(self, start: tf.Tensor) -> None:
        """Makes the variables; ``start`` [D] is the first mean."""
        shape = () if self.covariance == "isotropic" else start.shape
        level = tf.fill(shape, math.log(self.initial_scale))
        self.mean = keras.Variable(start, name="mean")
        self.log_scale = keras.Variable(level, name="log_scale")

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """The variables that the search moves: μ, and log σ where it is learned."""
        return [self.mean, self.log_scale] if self.scale == "learned" else [self.mean]

    @property
    def sigma(self) -> tf.Tensor:
        """The current σ, [] or [D]."""
        return tf.exp(self.log_scale.value)

    def distribution(self) -> tfp.distributions.Distribution:
        """Returns P(θ), of event shape [D]; its log-prob can be differentiated by μ and log σ."""
        sigma = tf.broadcast_to(self.sigma, self.mean.shape)
        return tfp.distributions.Independent(Normal(self.mean.value, sigma), 1)

    def sample(self, count: int, seed: tf.Tensor, antithetic: bool) -> tf.Tensor:
        """Draws members.

        Args:
            count: N.
            seed: int32 [2].
            antithetic: whether member i + N/2 is member i mirrored at the mean, 2μ − θ_i. Each
                still has the distribution P, and odd errors of an estimate cancel within the pair.

        Returns:
            θ [N, D].
        """
        if not antithetic:
            return self.distribution().sample(count, seed=seed)
        half = self.distribution().sample(count // 2, seed=seed)
        return tf.concat([half, 2.0 * self.mean.value - half], axis=0)
