"""A baseline in a module of one's own: the mean return of the batch before.

import tests.extensions.my_baseline
Learner.baseline = @LastMean()
"""

import gin
import gymnasium as gym
import tensorflow as tf

import pgtf


@gin.register
class LastMean(pgtf.Baseline):
    """b = mean of G over the batch before, in which no action of this batch has a part."""

    def build(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        critic: pgtf.Critic | None,
    ) -> None:
        """Makes the mean."""
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean")

    def values(
        self,
        trajectory: pgtf.Trajectory,
        estimates: pgtf.Estimates | None,
        policy: pgtf.Actor,
        seed: tf.Tensor,
    ) -> tf.Tensor:
        """Returns b, [T, B]."""
        return tf.fill(tf.shape(trajectory.reward), self.mean.value)

    def update(self, trajectory: pgtf.Trajectory, returns: tf.Tensor, mask: tf.Tensor) -> None:
        """Takes the mean of a batch."""
        self.mean.assign(tf.reduce_sum(mask * returns) / tf.maximum(tf.reduce_sum(mask), 1.0))
