"""The entropy bonus β H(π(· | s))."""

import gin
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative
from pgtf.learning.schedules import Horizon, Scheduled


@gin.register
class EntropyBonus:
    """Adds β ∇ H(π(· | s_t)) to the policy gradient (Mnih et al. 2016, section 4).

    Args:
        coefficient: β; a number or scalar, or a Keras schedule over environment steps.
    """

    @checked
    def __init__(self, coefficient: NonNegative | LearningRateSchedule = 0.01):
        self._coefficient = Scheduled(coefficient)

    def build(self, horizon: Horizon) -> None:
        """Takes the horizon of the run, which schedules may go by."""
        self._coefficient.build(horizon)

    def coefficient(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns β after this many environment steps, a scalar."""
        return self._coefficient.at(steps)
