"""RMSProp as TensorFlow 1 has it."""

from typing import Any

import gin
import keras
from keras.optimizers.schedules import LearningRateSchedule

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative, Positive, ProbabilityBelowOne


@gin.register
class TF1RMSprop(keras.optimizers.RMSprop):
    """RMSProp whose mean square starts at 1, with ε inside the root.

    θ ← θ − α g / √(v + ε) with v ← ρ v + (1 − ρ) g², as in ``tf.compat.v1.train.RMSPropOptimizer``
    and Stable-Baselines3's ``RMSpropTFLike``, with which the scores of A2C on Atari were published.
    Where v starts at 0, as in Keras, the first steps are as long as 1/√(1 − ρ) of the later ones,
    however small the gradients; here they are short. Further arguments are those of Keras's
    ``RMSprop``.

    Args:
        learning_rate: α, a number or a schedule, which counts environment steps.
        rho: ρ.
        momentum: of the steps; 0 for none.
        epsilon: ε.
        centered: whether v has the square of the mean gradient subtracted.
    """

    @checked
    def __init__(
        self,
        learning_rate: NonNegative | LearningRateSchedule = 7e-4,
        rho: ProbabilityBelowOne = 0.99,
        momentum: ProbabilityBelowOne = 0.0,
        epsilon: Positive = 1e-5,
        centered: bool = False,
        **kwargs: Any,
    ):
        super().__init__(learning_rate, rho, momentum, epsilon, centered, **kwargs)

    def add_optimizer_variables(
        self, trainable_variables: Any, name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Makes the mean squares of ones, and all else of zeros, as Keras does."""
        if name == "velocity":
            initializer = "ones"
        return super().add_optimizer_variables(trainable_variables, name, initializer)
