"""One Keras optimizer that moves many seeds' weights, each as if it had an optimizer of its own."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from pgtf.errors import ConfigurationError
from pgtf.graph.updating import apply_gradients
from pgtf.learning.tf1_rmsprop import TF1RMSprop

# Their steps are elementwise, and (momentum aside) proportional to the learning rate of the moment.
_KERAS = ("SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Adadelta", "Lion")
_ELEMENTWISE = (*(getattr(keras.optimizers, name) for name in _KERAS), TF1RMSprop)


class StackedOptimizer:
    """Moves weights [S, …] of S seeds, each by its own learning rate.

    An elementwise optimizer does not know that its variables are stacks. It takes its steps at a
    learning rate of 1, and each seed's part of a step is then scaled by that seed's rate. This is
    exact, up to rounding, where the rate is a factor of the step and of nothing that is remembered.

    Args:
        optimizer: one seed's, not built.

    Attributes:
        keras: the optimizer behind it.

    Raises:
        ConfigurationError: a stack would not move as its seeds would alone.
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer):
        config = optimizer.get_config()
        name = type(optimizer).__name__
        if type(optimizer) not in _ELEMENTWISE:
            raise ConfigurationError(
                f"train.num_seeds > 1 cannot be combined with {name}, which is not elementwise:"
                f" bind Learner.optimizer to one of {', '.join(_KERAS)}, TF1RMSprop, or start one"
                " run for each seed."
            )
        if config.get("momentum") and isinstance(optimizer._learning_rate, LearningRateSchedule):
            raise ConfigurationError(
                "train.num_seeds > 1 cannot be combined with momentum under a schedule, as steps"
                f" remember earlier learning rates: bind {name}.momentum = 0.0 or"
                f" {name}.learning_rate to a number, or start one run for each seed."
            )
        for option in ("clipnorm", "global_clipnorm"):
            if config.get(option):
                raise ConfigurationError(
                    f"train.num_seeds > 1 cannot be combined with {name}.{option}: bind"
                    " Learner.max_gradient_norm in its place, or start one run for each seed."
                )
        if config.get("use_ema"):
            raise ConfigurationError(
                f"train.num_seeds > 1 cannot be combined with {name}.use_ema = True: leave it"
                " unbound, or start one run for each seed."
            )
        self.keras = type(optimizer).from_config(config | {"learning_rate": 1.0})

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes the slots.

        Args:
            variables: [S, …] each.
        """
        self.keras.build(variables)

    def apply(
        self, gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable], rates: tf.Tensor
    ) -> None:
        """Takes one step.

        Args:
            gradients: [S, …] each.
            variables: those of ``build``.
            rates: [S], learning rates; a seed whose rate is 0 stands still.
        """
        before = [variable.value.value() for variable in variables]
        apply_gradients(self.keras, gradients, variables)
        for variable, old in zip(variables, before, strict=True):
            step = variable.value.value() - old
            variable.assign(old + along(rates, step) * step)


def along(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Reshapes [S] so that it broadcasts against [S, …]."""
    return tf.reshape(values, [-1] + [1] * (len(like.shape) - 1))
