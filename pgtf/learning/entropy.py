"""The entropy bonus β H(π(· | s))."""

import gin
import keras
import tensorflow as tf


@gin.register
class EntropyBonus:
    """Adds β ∇ H(π(· | s_t)) to the policy gradient (Mnih et al. 2016, section 4).

    Args:
        coefficient: β; a number or scalar, or a Keras schedule over environment steps.
    """

    def __init__(self, coefficient: float | keras.optimizers.schedules.LearningRateSchedule = 0.01):
        self._coefficient = coefficient

    def coefficient(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns β after this many environment steps, a scalar."""
        if callable(self._coefficient):
            return tf.cast(self._coefficient(steps), tf.float32)
        return tf.convert_to_tensor(self._coefficient, tf.float32)
