"""Acrobot: a double pendulum driven at its elbow."""

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

_GRAVITY = 9.8  # m/s²
_TIME_STEP = 0.2  # s
_MAX_VELOCITY_1 = 4 * math.pi  # rad/s
_MAX_VELOCITY_2 = 9 * math.pi  # rad/s

# Both links have mass 1 kg, length 1 m, centre of mass at 0.5 m and moment of inertia 1 kg m².
_CENTRE = 0.5
_INERTIA = 1.0


@gin.register
class CompiledAcrobot(TensorFlowEnvironment, ids={"Acrobot-v1": {}}):
    """Gymnasium's Acrobot: Sutton and Barto's book version, one Runge-Kutta step of 0.2 s.

    Physics: [4, B] float32, rows the first link's angle from hanging down, the second's relative to
    the first (rad), and their velocities (rad/s).
    """

    @checked
    def __init__(self, num_envs: Count = 8, time_limit: Count | None = 500):
        """Makes B acrobots.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.

        Raises:
            ConfigurationError: ``num_envs`` or ``time_limit`` is not positive.
        """
        high = np.array([1, 1, 1, 1, _MAX_VELOCITY_1, _MAX_VELOCITY_2], np.float32)
        super().__init__(gym.spaces.Box(-high, high), gym.spaces.Discrete(3), num_envs, time_limit)

    @property
    def original(self) -> tuple[str, Mapping[str, Any]]:
        """Gymnasium's own."""
        return "Acrobot-v1", {}

    def initial(self, noise: Noise) -> tf.Tensor:
        """Every row is uniform on ±0.1."""
        return tf.stack(noise.uniform(4, -0.1, 0.1))

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Applies a torque of -1, 0 or 1 N m; ends when the tip is 1 m above the pivot."""
        torque = tf.cast(action - 1, tf.float32)
        angle_1, angle_2, velocity_1, velocity_2 = _runge_kutta(tf.unstack(physics), torque)
        angle_1, angle_2 = wrap_angle(angle_1), wrap_angle(angle_2)
        velocity_1 = tf.clip_by_value(velocity_1, -_MAX_VELOCITY_1, _MAX_VELOCITY_1)
        velocity_2 = tf.clip_by_value(velocity_2, -_MAX_VELOCITY_2, _MAX_VELOCITY_2)
        height = -sine_cosine(angle_1)[1] - sine_cosine(angle_1 + angle_2)[1]
        terminated = height > 1.0
        reward = tf.where(terminated, 0.0, -1.0)
        return tf.stack([angle_1, angle_2, velocity_1, velocity_2]), reward, terminated

    def observe(self, physics: Any) -> tf.Tensor:
        """Cosine and sine of each angle, then the two velocities: [B, 6]."""
        angle_1, angle_2, velocity_1, velocity_2 = tf.unstack(physics)
        sine_1, cosine_1 = sine_cosine(angle_1)
        sine_2, cosine_2 = sine_cosine(angle_2)
        return tf.stack([cosine_1, sine_1, cosine_2, sine_2, velocity_1, velocity_2], axis=-1)


def _runge_kutta(start: list[tf.Tensor], torque: tf.Tensor) -> list[tf.Tensor]:
    """One classical fourth-order step of the equations of motion."""

    def shifted(slope: list[tf.Tensor], seconds: float) -> list[tf.Tensor]:
        return [s + seconds * k for s, k in zip(start, slope, strict=True)]

    k1 = _derivative(start, torque)
    k2 = _derivative(shifted(k1, _TIME_STEP / 2), torque)
    k3 = _derivative(shifted(k2, _TIME_STEP / 2), torque)
    k4 = _derivative(shifted(k3, _TIME_STEP), torque)
    mean = [a + 2 * b + 2 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True)]
    return shifted(mean, _TIME_STEP / 6)


def _derivative(physics: list[tf.Tensor], torque: tf.Tensor) -> list[tf.Tensor]:
    """Equations of motion: Sutton and Barto, "Reinforcement Learning", example 11.3 (1998)."""
    angle_1, angle_2, velocity_1, velocity_2 = physics
    sine_1, cosine_1 = sine_cosine(angle_1)
    sine_2, cosine_2 = sine_cosine(angle_2)
    sine_12 = sine_1 * cosine_2 + cosine_1 * sine_2
    d1 = _CENTRE**2 + (1 + _CENTRE**2 + 2 * _CENTRE * cosine_2) + 2 * _INERTIA
    d2 = _CENTRE**2 + _CENTRE * cosine_2 + _INERTIA
    # cos(x - π/2) of the book, written as sin(x).
    phi2 = _CENTRE * _GRAVITY * sine_12
    phi1 = (
        -_CENTRE * tf.square(velocity_2) * sine_2
        - 2 * _CENTRE * velocity_2 * velocity_1 * sine_2
        + (_CENTRE + 1) * _GRAVITY * sine_1
        + phi2
    )
    acceleration_2 = (torque + d2 / d1 * phi1 - _CENTRE * tf.square(velocity_1) * sine_2 - phi2) / (
        _CENTRE**2 + _INERTIA - tf.square(d2) / d1
    )
    acceleration_1 = -(d2 * acceleration_2 + phi1) / d1
    return [velocity_1, velocity_2, acceleration_1, acceleration_2]
