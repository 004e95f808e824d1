"""Schedules over environment steps."""

from typing import Any

import keras
import tensorflow as tf

# A number or scalar, or a Keras schedule over environment steps.
Scheduled = float | keras.optimizers.schedules.LearningRateSchedule


def scheduled(value: Any, steps: tf.Tensor) -> tf.Tensor:
    """Returns a ``Scheduled`` number after this many environment steps, a float32 scalar."""
    if callable(value):
        return tf.cast(value(steps), tf.float32)
    return tf.convert_to_tensor(value, tf.float32)


class OverEnvironmentSteps(keras.optimizers.schedules.LearningRateSchedule):
    """Evaluates another schedule at the number of environment steps instead of updates.

    So the settings of a schedule keep their meaning when the batch grows, and mean the same for
    learning rates, entropy coefficients and exploration.

    Args:
        schedule: any Keras schedule.
        steps: the variable that counts environment steps.
    """

    def __init__(
        self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: tf.Variable
    ):
        self._schedule = schedule
        self._steps = steps

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the value now; the optimizer's own ``step`` is not used."""
        del step
        return self.at(self._steps)

    def at(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns the value after this many environment steps."""
        return scheduled(self._schedule, steps)

    @classmethod
    def install(cls, optimizer: keras.optimizers.Optimizer, steps: tf.Variable) -> None:
        """Makes the schedule of an optimizer, if it has one, count environment steps."""
        # Keras has no public way to replace a schedule, only numbers.
        schedule = optimizer._learning_rate
        if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            optimizer._learning_rate = cls(schedule, steps)
