"""MountainCarContinuous: the same hill, with a throttle that costs."""

from collections.abc import Mapping
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.compiled.mountain_car import coast
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment

_GOAL_POSITION = 0.45
_POWER = 0.0015


@gin.register
class CompiledMountainCarContinuous(TensorFlowEnvironment, ids={"MountainCarContinuous-v0": {}}):
    """Gymnasium's MountainCarContinuous.

    Physics: [2, B] float32, rows position and velocity.
    """

    @checked
    def __init__(
        self, num_envs: Count = 8, time_limit: Count | None = 999, goal_velocity: float = 0.0
    ):
        """Makes B cars.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            goal_velocity: the minimum velocity for reaching the goal.

        Raises:
            ConfigurationError: ``num_envs`` or ``time_limit`` is not positive.
        """
        super().__init__(
            gym.spaces.Box(np.array([-1.2, -0.07], np.float32), np.array([0.6, 0.07], np.float32)),
            gym.spaces.Box(-1.0, 1.0, (1,), np.float32),
            num_envs,
            time_limit,
        )
        self._goal_velocity = goal_velocity

    @property
    def original(self) -> tuple[str, Mapping[str, Any]]:
        """Gymnasium's own."""
        return "MountainCarContinuous-v0", {"goal_velocity": self._goal_velocity}

    def initial(self, noise: Noise) -> tf.Tensor:
        """At rest, the position uniform on [-0.6, -0.4)."""
        (position,) = noise.uniform(1, -0.6, -0.4)
        return tf.stack([position, tf.zeros_like(position)])

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Opens the throttle by [B, 1]; 100 at the goal, less a tenth of the action squared."""
        throttle = tf.squeeze(action, -1)
        position, velocity = coast(physics, _POWER * throttle)
        terminated = (position >= _GOAL_POSITION) & (velocity >= self._goal_velocity)
        reward = tf.where(terminated, 100.0, 0.0) - 0.1 * tf.square(throttle)
        return tf.stack([position, velocity]), reward, terminated

    def observe(self, physics: Any) -> tf.Tensor:
        """The physics itself, [B, 2]."""
        return tf.transpose(physics)
