"""Running standardisation of network inputs."""

import gin
import keras
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Positive
from pgtf.graph.moments import MeanAndVariance


@gin.register
class RunningNormalization(keras.Layer):
    """Standardises features by the mean and variance of all steps seen so far, clipped.

    The statistics are non-trainable weights of their network. They are saved with it and frozen
    during rollouts and evaluations: only ``adapt``, called once after each update, moves them, so
    the log-probs that are differentiated are those of the policy that acted.

    Args:
        clip: bound on the standardised features.
        epsilon: added to the variance.
    """

    @checked
    def __init__(self, clip: Positive = 10.0, epsilon: Positive = 1e-8):
        super().__init__()
        self.clip = clip
        self.epsilon = epsilon

    def build(self, num_features: int) -> None:
        """Makes the statistics for F features."""
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
        self.mean = self.add_weight(
            shape=(num_features,), initializer="zeros", trainable=False, name="mean"
        )
        self.variance = self.add_weight(
            shape=(num_features,), initializer="ones", trainable=False, name="variance"
        )

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Standardises [..., F]."""
        scaled = (features - self.mean) * tf.math.rsqrt(self.variance + self.epsilon)
        return tf.clip_by_value(scaled, -self.clip, self.clip)

    def adapt(self, features: tf.Tensor, mask: tf.Tensor) -> None:
        """Adds steps to the statistics.

        Args:
            features: [T, B, F].
            mask: [T, B]; rows with 0 are left out.
        """
        before = MeanAndVariance(self.count.value, self.mean.value, self.variance.value)
        after = before.with_rows(features, mask)
        self.count.assign(after.count)
        self.mean.assign(after.mean)
        self.variance.assign(after.variance)
