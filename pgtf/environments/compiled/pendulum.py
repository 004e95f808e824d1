"""Pendulum: swing it up and hold it, with a bounded torque."""

import math
from collections.abc import Mapping
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.compiled.angles import sine_cosine, wrap_angle
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment

_MAX_SPEED = 8.0  # rad/s
_MAX_TORQUE = 2.0  # N m
_TIME_STEP = 0.05  # s


@gin.register
class CompiledPendulum(TensorFlowEnvironment, ids={"Pendulum-v1": {}}):
    """Gymnasium's Pendulum: a rod of 1 kg and 1 m that never ends an episode by itself.

    Physics: [2, B] float32, rows the angle from upright (rad, in [-π, π)) and the velocity (rad/s).
    """

    @checked
    def __init__(self, num_envs: Count = 8, time_limit: Count | None = 200, g: float = 10.0):
        """Makes B pendulums.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            g: gravity, m/s².

        Raises:
            ConfigurationError: ``num_envs`` or ``time_limit`` is not positive.
        """
        high = np.array([1.0, 1.0, _MAX_SPEED], np.float32)
        super().__init__(
            gym.spaces.Box(-high, high),
            gym.spaces.Box(-_MAX_TORQUE, _MAX_TORQUE, (1,), np.float32),
            num_envs,
            time_limit,
        )
        self._g = g

    @property
    def original(self) -> tuple[str, Mapping[str, Any]]:
        """Gymnasium's own."""
        return "Pendulum-v1", {"g": self._g}

    def initial(self, noise: Noise) -> tf.Tensor:
        """Any angle, and a velocity uniform on [-1, 1)."""
        angle, velocity = noise.uniform(2, -1.0, 1.0)
        return tf.stack([math.pi * angle, velocity])

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Applies the torque [B, 1]; the cost is that of the state before the step."""
        angle, velocity = tf.unstack(physics)
        torque = tf.squeeze(action, -1)
        cost = tf.square(angle) + 0.1 * tf.square(velocity) + 0.001 * tf.square(torque)
        sine, _ = sine_cosine(angle)
        velocity += (1.5 * self._g * sine + 3.0 * torque) * _TIME_STEP
        velocity = tf.clip_by_value(velocity, -_MAX_SPEED, _MAX_SPEED)
        angle = wrap_angle(angle + velocity * _TIME_STEP)
        return tf.stack([angle, velocity]), -cost, tf.zeros_like(cost, tf.bool)

    def observe(self, physics: Any) -> tf.Tensor:
        """Cosine and sine of the angle, and the velocity: [B, 3]."""
        angle, velocity = tf.unstack(physics)
        sine, cosine = sine_cosine(angle)
        return tf.stack([cosine, sine, velocity], axis=-1)
