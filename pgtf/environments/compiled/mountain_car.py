"""MountainCar: an engine too weak for the hill, three actions."""

from collections.abc import Mapping
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.compiled.angles import sine_cosine
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment

_MIN_POSITION, _MAX_POSITION = -1.2, 0.6
_MAX_SPEED = 0.07
_GOAL_POSITION = 0.5
_FORCE = 0.001
_GRAVITY = 0.0025


@gin.register
class CompiledMountainCar(TensorFlowEnvironment, ids={"MountainCar-v0": {}}):
    """Gymnasium's MountainCar, after A. Moore's thesis (1990).

    Physics: [2, B] float32, rows position and velocity.
    """

    @checked
    def __init__(
        self, num_envs: Count = 8, time_limit: Count | None = 200, goal_velocity: float = 0.0
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
            gym.spaces.Box(
                np.array([_MIN_POSITION, -_MAX_SPEED], np.float32),
                np.array([_MAX_POSITION, _MAX_SPEED], np.float32),
            ),
            gym.spaces.Discrete(3),
            num_envs,
            time_limit,
        )
        self._goal_velocity = goal_velocity

    @property
    def original(self) -> tuple[str, Mapping[str, Any]]:
        """Gymnasium's own."""
        return "MountainCar-v0", {"goal_velocity": self._goal_velocity}

    def initial(self, noise: Noise) -> tf.Tensor:
        """At rest, the position uniform on [-0.6, -0.4)."""
        (position,) = noise.uniform(1, -0.6, -0.4)
        return tf.stack([position, tf.zeros_like(position)])

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Pushes left (0), not at all (1) or right (2); -1 a step until the goal."""
        push = tf.cast(action - 1, tf.float32) * _FORCE
        position, velocity = coast(physics, push)
        terminated = (position >= _GOAL_POSITION) & (velocity >= self._goal_velocity)
        return tf.stack([position, velocity]), -tf.ones_like(position), terminated

    def observe(self, physics: Any) -> tf.Tensor:
        """The physics itself, [B, 2]."""
        return tf.transpose(physics)


def coast(physics: tf.Tensor, push: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Moves cars on the slope sin(3x) for one step; the wall on the left stops them.

    Args:
        physics: [2, B], position and velocity.
        push: [B], the engine's acceleration.

    Returns:
        The next position and velocity, [B] each.
    """
    position, velocity = tf.unstack(physics)
    _, cosine = sine_cosine(3 * position)
    velocity += push - _GRAVITY * cosine
    velocity = tf.clip_by_value(velocity, -_MAX_SPEED, _MAX_SPEED)
    position = tf.clip_by_value(position + velocity, _MIN_POSITION, _MAX_POSITION)
    velocity = tf.where((position <= _MIN_POSITION) & (velocity < 0), 0.0, velocity)
    return position, velocity
