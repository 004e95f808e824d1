"""Schedules over environment steps, and over the length of a run."""

from typing import Any

import gin
import keras
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, NonNegative, Positive

_ENDLESS = tf.int64.max


class Horizon:
    """The length of a run in environment steps, and how much of it is over.

    The fraction that is over rises linearly from 0 to 1. A run that is resumed with another length
    goes on from the fraction it has reached: the rest is spread over the steps that are left, so
    that a schedule over the run never jumps. After the end the fraction stays 1.

    A run whose length nobody has set has no end, and is always at its start.

    It also knows by how much the steps of optimizers have been made smaller since the run began.

    Attributes:
        followed: whether a schedule of the run goes by it.
        step_scale: factor of all learning rates, a scalar variable.
    """

    def __init__(self) -> None:
        self.followed = False
        # Variables, as graphs are traced before a checkpoint tells where the run stands.
        self._total = tf.Variable(_ENDLESS, dtype=tf.int64, trainable=False)
        self._since = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._done = tf.Variable(0.0, trainable=False)
        self.step_scale = tf.Variable(1.0, trainable=False)
        self._numbers: list[tuple[keras.Variable, float]] = []

    def fraction(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns the fraction of the run that is over after this many steps, float32."""
        left = tf.maximum(self._total - self._since, 1)
        taken = tf.cast(tf.cast(steps, tf.int64) - self._since, tf.float32)
        fraction = self._done + ((1.0 - self._done) * taken) / tf.cast(left, tf.float32)
        return tf.clip_by_value(fraction, 0.0, 1.0)

    def extend(self, total: int, steps: int) -> None:
        """Gives the run a length, or another one.

        Args:
            total: environment steps of the whole run.
            steps: those it has taken.
        """
        if total != int(self._total.numpy()):
            self._done.assign(self.fraction(tf.constant(steps, tf.int64)))
            self._since.assign(steps)
            self._total.assign(total)

    def resume(self, state: dict[str, float] | None, total: int, steps: int) -> bool:
        """Goes on where the horizon of a checkpoint was, perhaps with another length.

        Args:
            state: of the checkpoint; None for a new run, or one from before horizons were saved,
                which had the same length.
            total: environment steps of the whole run.
            steps: those it has taken.

        Returns:
            Whether schedules go by the horizon and have reached their end.
        """
        if state is None:
            self.extend(total, 0)
        else:
            self.restore(state)
        over = self.fraction(tf.constant(steps, tf.int64)) >= 1.0
        self.extend(total, steps)
        return self.followed and bool(over)

    def state(self) -> dict[str, float]:
        """Returns what ``restore`` takes."""
        numbers = {
            "total": self._total,
            "since": self._since,
            "done": self._done,
            "step_scale": self.step_scale,
        }
        return {name: number.numpy().item() for name, number in numbers.items()}

    def restore(self, state: dict[str, float]) -> None:
        """Goes on where another horizon was."""
        self._total.assign(int(state["total"]))
        self._since.assign(int(state["since"]))
        self._done.assign(state["done"])
        self.scale_steps(state.get("step_scale", 1.0))

    def scale_steps(self, scale: float) -> None:
        """Multiplies the learning rates that were bound by this, in place of the factor before."""
        if scale == float(self.step_scale.numpy()):
            return
        self.step_scale.assign(scale)
        for variable, number in self._numbers:
            variable.assign(scale * number)

    def follow_number(self, learning_rate: keras.Variable) -> None:
        """Notes a learning rate that is a number, which ``scale_steps`` changes."""
        self._numbers.append((learning_rate, float(learning_rate.numpy())))

    def follow(self, schedule: Any) -> None:
        """Notes that a schedule (or a number) may go by this horizon."""
        self.followed |= over_run(schedule)

    def value(self, schedule: LearningRateSchedule, steps: tf.Tensor) -> tf.Tensor:
        """Evaluates a schedule, float32.

        Args:
            schedule: any Keras schedule; see ``over_run``.
            steps: environment steps, of any shape.
        """
        at = self.fraction(steps) if over_run(schedule) else steps
        return tf.cast(schedule(at), tf.float32)


def over_run(schedule: Any) -> bool:
    """Whether a schedule is a function of the fraction of the run that is over, not of steps.

    It says so by an attribute ``over_run = True``.
    """
    return bool(getattr(schedule, "over_run", False))


class Scheduled:
    """A number that may change over a run.

    Args:
        value: a number or scalar, or a Keras schedule over environment steps.
    """

    def __init__(self, value: float | LearningRateSchedule):
        self._value = value
        self._horizon: Horizon | None = None

    def build(self, horizon: Horizon) -> None:
        """Takes the horizon of the run, which schedules may go by."""
        self._horizon = horizon
        horizon.follow(self._value)

    def at(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns the number after this many environment steps, a float32 scalar."""
        value = self._value
        if not callable(value):
            return tf.convert_to_tensor(value, tf.float32)
        if self._horizon is None:
            assert not over_run(value), "build has not been called"
            return tf.cast(value(steps), tf.float32)
        return self._horizon.value(value, steps)


@gin.register
class PolynomialDecay(keras.optimizers.schedules.PolynomialDecay):
    """Keras's ``PolynomialDecay``, which lasts as long as the run unless ``decay_steps`` is bound.

    It falls from one value to another in ``train.total_steps`` environment steps, along a line by
    default. A run that is resumed with more steps goes on from the value it had, and spreads the
    rest of the decay over the steps that are left. A run that was finished stays at
    ``end_learning_rate``.

    Args:
        initial_learning_rate: the value at the start.
        decay_steps: environment steps until the end; None for the length of the run.
        end_learning_rate: the value at the end.
        power: of the polynomial; 1 for a line.
        cycle: whether it begins again after ``decay_steps``.
        name: of the schedule.
    """

    @checked
    def __init__(
        self,
        initial_learning_rate: NonNegative,
        decay_steps: Count | None = None,
        end_learning_rate: NonNegative = 0.0001,
        power: Positive = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        # The run as a whole is 1.
        length = 1 if decay_steps is None else decay_steps
        super().__init__(initial_learning_rate, length, end_learning_rate, power, cycle, name)
        self.over_run = decay_steps is None

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        config: dict[str, Any] = super().get_config()
        return config | ({"decay_steps": None} if self.over_run else {})


class OverEnvironmentSteps(LearningRateSchedule):
    """Evaluates another schedule at the number of environment steps instead of updates.

    So the settings of a schedule keep their meaning when the batch grows, and mean the same for
    learning rates, entropy coefficients and exploration.

    Args:
        schedule: any Keras schedule.
        steps: the variable that counts environment steps.
        horizon: of the run.
    """

    def __init__(self, schedule: LearningRateSchedule, steps: tf.Variable, horizon: Horizon):
        self._schedule = schedule
        self._steps = steps
        self._horizon = horizon
        horizon.follow(schedule)

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the value now; the optimizer's own ``step`` is not used."""
        del step
        return self.at(self._steps)

    def at(self, steps: tf.Tensor) -> tf.Tensor:
        """Returns the value after this many environment steps."""
        return self._horizon.step_scale * self._horizon.value(self._schedule, steps)

    @classmethod
    def install(
        cls, optimizer: keras.optimizers.Optimizer, steps: tf.Variable, horizon: Horizon
    ) -> None:
        """Makes the schedule of an optimizer, if it has one, count environment steps."""
        # Keras has no public way to replace a schedule, only numbers.
        schedule = optimizer._learning_rate
        if isinstance(schedule, LearningRateSchedule):
            optimizer._learning_rate = cls(schedule, steps, horizon)
        elif isinstance(schedule, keras.Variable):
            horizon.follow_number(schedule)
