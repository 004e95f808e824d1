"""The entropy bonus β H(π(· | s))."""

import gin
import tensorflow as tf

from pgtf.learning.schedules import Scheduled, scheduled


@gin.register
class EntropyBonus:
    """Adds β ∇ H(π(· | s_t)) to the policy gradient (Mnih et al. 2016, section 4).

    Args:
        coefficient: β; a number or scalar, or a Keras schedule over environment steps.
    """

    def __init__(self, coefficient: Scheduled = 0.01):
        self._coefficient = coefficient

    def coefficient(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns β after this many environment steps, a scalar."""
        return scheduled(self._coefficient, steps)
