"""RMSProp as TensorFlow 1 has it."""

import gin
import keras


@gin.register
class TF1RMSprop(keras.optimizers.RMSprop):
    """RMSProp whose mean square starts at 1, with ε inside the root.

    θ ← θ − α g / √(v + ε) with v ← ρ v + (1 − ρ) g², as in ``tf.compat.v1.train.RMSPropOptimizer``
    and Stable-Baselines3's ``RMSpropTFLike``, with which the scores of A2C on Atari were published.
    Where v starts at 0, as in Keras, the first steps are as long as 1/√(1 − ρ) of the later ones,
    however small the gradients; here they are short. Arguments are those of Keras's ``RMSprop``.
    """

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):  # type: ignore[no-untyped-def]
        """Makes the mean squares of ones, and all else of zeros, as Keras does."""
        if name == "velocity":
            initializer = "ones"
        return super().add_optimizer_variables(trainable_variables, name, initializer)
