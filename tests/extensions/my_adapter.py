"""An environment adapter in a module of one's own: rewards divided by their running deviation.

import tests.extensions.my_adapter
TASK = @RewardScale()
RewardScale.environment = @GymEnvironment()
"""

import gin
import keras
import tensorflow as tf

from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.environment import Environment
from pgtf.trajectory import TimeStep, Trajectory


@gin.register
class RewardScale(Adapter):
    """Divides what is learned from by the standard deviation of all rewards so far.

    Args:
        environment: of any kind.
        least: what is divided by at the least.
    """

    def __init__(self, environment: Environment | None = None, least: float = 1e-3):
        super().__init__(environment)
        self.least = least
        self.count = keras.Variable(0.0, trainable=False, name="count")
        self.mean = keras.Variable(0.0, trainable=False, name="mean")
        self.squares = keras.Variable(0.0, trainable=False, name="squares")
        self.statistics = [self.count, self.mean, self.squares]

    def reward(self, memory, step: TimeStep) -> tf.Tensor:
        """Divides the reward, once there are statistics."""
        deviation = tf.sqrt(self.squares.value / tf.maximum(self.count.value, 1.0))
        seen = self.count.value > 0
        return step.reward / tf.where(seen, tf.maximum(deviation, self.least), 1.0)

    def learn(self, trajectory: Trajectory) -> None:
        """Merges the moments of the new rewards (Chan, Golub and LeVeque 1979)."""
        count = tf.reduce_sum(trajectory.mask)
        mean = tf.math.divide_no_nan(tf.reduce_sum(trajectory.mask * trajectory.score), count)
        squares = tf.reduce_sum(trajectory.mask * tf.square(trajectory.score - mean))
        before, total = self.count.value, self.count.value + count
        shift = mean - self.mean.value
        share = tf.math.divide_no_nan(count, total)
        self.squares.assign_add(squares + tf.square(shift) * before * share)
        self.mean.assign_add(shift * share)
        self.count.assign(total)
