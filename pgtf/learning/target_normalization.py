"""Critics in units of the returns' own mean and deviation."""

import gin
import keras
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Positive, ProbabilityBelowOne
from pgtf.errors import ConfigurationError
from pgtf.graph.moments import MeanAndVariance


@gin.register
class TargetNormalization(keras.Layer):
    """V = μ + σ n, where the network's output n is fitted to (G − μ) / σ.

    μ and σ are the running mean and deviation of the returns G, as they were before the update, so
    that the size of rewards does not decide on the size of the critic's gradients. With
    ``preserve`` this is PopArt (van Hasselt et al. 2016, arXiv:1602.07714): when μ and σ move, the
    output layer moves against them, and V stays what it was. The first returns only set the units:
    preserving a V that has learned nothing would keep it near 0, however far from there the returns
    are. With ``centred`` and ``preserve`` both False it is Tianshou's division of returns by their
    deviation. ``train/value_loss`` is in these units.

    Args:
        centred: whether μ is subtracted; else it is 0 and σ still the deviation.
        preserve: whether the output layer moves so that V stays as it was.
        decay: share of the past in each update, PopArt's 1 − β; None for equal weight of all steps
            so far.
        epsilon: the least σ.
    """

    @checked
    def __init__(
        self,
        centred: bool = True,
        preserve: bool = True,
        decay: ProbabilityBelowOne | None = None,
        epsilon: Positive = 1e-4,
    ):
        super().__init__(dtype="float32")
        self.centred = centred
        self.preserve = preserve
        self.decay = decay
        self.epsilon = epsilon

    def build(self) -> None:
        """Makes the statistics: μ = 0 and σ = 1 before any return.

        Raises:
            ConfigurationError: another critic has it already.
        """
        if self.built:
            raise ConfigurationError(
                "A TargetNormalization belongs to one critic or baseline: bind"
                " @TargetNormalization() to each, and no singleton."
            )
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean")
        self.variance = self.add_weight(
            shape=(), initializer="ones", trainable=False, name="variance"
        )

    def units(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns μ and σ."""
        mean = tf.convert_to_tensor(self.mean.value)
        deviation = tf.maximum(tf.sqrt(self.variance.value), self.epsilon)
        return (mean if self.centred else tf.zeros_like(mean)), deviation

    def call(self, outputs: tf.Tensor) -> tf.Tensor:
        """Returns μ + σ n for the network's outputs n, [...]."""
        mean, deviation = self.units()
        return mean + deviation * outputs

    def normalized(self, values: tf.Tensor) -> tf.Tensor:
        """Returns (V − μ) / σ of values or returns, [...]."""
        mean, deviation = self.units()
        return (values - mean) / deviation

    def adapt(self, returns: tf.Tensor, mask: tf.Tensor, output_layer: keras.layers.Dense) -> None:
        """Moves the statistics, and the output layer against them, but for the first returns.

        Args:
            returns: [T, B].
            mask: [T, B]; steps with 0 are left out.
            output_layer: whose outputs are n.
        """
        mean, deviation = self.units()
        learned = self.count.value > 0
        now = MeanAndVariance(self.count.value, self.mean.value, self.variance.value)
        if self.decay is not None:
            # The past counts as much as gives these steps a share of 1 - decay.
            steps = tf.reduce_sum(mask)
            past = tf.where(now.count > 0, steps * self.decay / (1.0 - self.decay), 0.0)
            now = now._replace(count=past)
        now = now.with_rows(returns, mask)
        self.count.assign(now.count)
        self.mean.assign(now.mean)
        self.variance.assign(now.variance)
        if self.preserve:
            new_mean, new_deviation = self.units()
            kernel, bias = output_layer.kernel, output_layer.bias
            scale = tf.where(learned, deviation / new_deviation, 1.0)
            shift = tf.where(learned, (mean - new_mean) / new_deviation, 0.0)
            kernel.assign(scale * kernel.value)
            bias.assign(scale * bias.value + shift)
