"""Fits V(s) or Q(s, a) to Monte Carlo returns, to convergence."""

import functools

import gin
import keras
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Positive
from pgtf.graph.updating import apply_gradients
from pgtf.learning.critics import Critic
from pgtf.learning.targets import Batch
from pgtf.losses import value_loss
from pgtf.trajectory import Trajectory


@gin.register
class ValueFit:
    """Minibatch regression of a critic, or of a baseline's own network, on returns.

    Args:
        num_steps: gradient steps.
        batch_size: environment steps in each.
        learning_rate: Adam's at the start; it falls to 0 along a cosine.
    """

    @checked
    def __init__(
        self, num_steps: Count = 2000, batch_size: Count = 256, learning_rate: Positive = 3e-3
    ):
        self.num_steps = num_steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate

    def run(
        self, regressor: Critic, trajectory: Trajectory, returns: tf.Tensor, mask: tf.Tensor
    ) -> None:
        """Fits to standardised returns, then rescales the output layer.

        Args:
            regressor: built; its weights are fitted.
            trajectory: T steps of B environments.
            returns: [T, B] G_t.
            mask: [T, B].
        """
        steps = tf.where(tf.reshape(mask, (-1,)) > 0)[:, 0]
        regressor.adapt(trajectory, mask)
        states, actions, first = tf.nest.map_structure(
            lambda x: _rows(x, steps),
            (trajectory.acted_on, trajectory.action, trajectory.first[:-1]),
        )
        targets = _rows(returns, steps)
        mean = tf.reduce_mean(targets)
        scale = tf.maximum(tf.math.reduce_std(targets), 1e-6 * tf.maximum(tf.abs(mean), 1.0))
        targets = (targets - mean) / scale
        schedule = keras.optimizers.schedules.CosineDecay(self.learning_rate, self.num_steps)
        optimizer = keras.optimizers.Adam(schedule)
        variables = regressor.trainable_variables
        optimizer.build(variables)
        count = int(targets.shape[0])
        size = min(self.batch_size, count)

        def descend(t: tf.Tensor) -> tuple[tf.Tensor]:
            drawn = tf.random.stateless_uniform((size,), tf.stack([t, 7]), 0, count, tf.int32)
            pick = functools.partial(tf.gather, indices=drawn)
            state, action, starts = tf.nest.map_structure(pick, (states, actions, first))
            batch = Batch(state, action, (), (), (), starts, ())
            with tf.GradientTape() as tape:
                weight = tf.fill((size,), 1.0 / size)
                loss = value_loss(regressor.predict(batch), pick(targets), weight)
            values = [variable.value for variable in variables]
            apply_gradients(optimizer, tape.gradient(loss, values), variables)
            return (t + 1,)

        @tf.function(autograph=False)
        def fit() -> None:
            tf.while_loop(lambda t: t < self.num_steps, descend, (tf.constant(0),))

        fit()
        layer = regressor.output_layer
        layer.kernel.assign(scale * layer.kernel)
        layer.bias.assign(scale * layer.bias + mean)


def restore(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    """Assigns saved values."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _rows(x: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """The given steps of [T, B, ...], [M, ...]."""
    return tf.gather(tf.reshape(x, (-1, *x.shape[2:])), steps)
