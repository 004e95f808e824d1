"""The entropy bonus β H(π(· | s))."""

import gin
import keras
import tensorflow as tf

from pgtf.learning.schedules import Horizon, over_run


@gin.register
class EntropyBonus:
    """Adds β ∇ H(π(· | s_t)) to the policy gradient (Mnih et al. 2016, section 4).

    Args:
        coefficient: β; a number or scalar, or a Keras schedule over environment steps.
    """

    def __init__(self, coefficient: float | keras.optimizers.schedules.LearningRateSchedule = 0.01):
        self._coefficient = coefficient
        self._horizon: Horizon | None = None

    def build(self, horizon: Horizon) -> None:
        """Takes the horizon of the run, which schedules may go by."""
        self._horizon = horizon
        horizon.follow(self._coefficient)

    def coefficient(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns β after this many environment steps, a scalar."""
        schedule = self._coefficient
        if not callable(schedule):
            return tf.convert_to_tensor(schedule, tf.float32)
        if self._horizon is None:
            assert not over_run(schedule), "build has not been called"
            return tf.cast(schedule(steps), tf.float32)
        return self._horizon.value(schedule, steps)
