"""CartPole: a cart that balances a pole."""

import math
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

_GRAVITY = 9.8  # m/s²
_POLE_MASS = 0.1  # kg
_TOTAL_MASS = 1.0 + _POLE_MASS  # kg
_HALF_LENGTH = 0.5  # m
_POLE_MASS_LENGTH = _POLE_MASS * _HALF_LENGTH  # kg m
_FORCE = 10.0  # N
_TIME_STEP = 0.02  # s
_POSITION_LIMIT = 2.4  # m
_ANGLE_LIMIT = 12 * 2 * math.pi / 360  # rad


@gin.register
class CompiledCartPole(
    TensorFlowEnvironment, ids={"CartPole-v1": {}, "CartPole-v0": {"time_limit": 200}}
):
    """Gymnasium's CartPole, after Barto, Sutton and Anderson (1983).

    Physics: [4, B] float32, rows x (m), dx/dt, the pole's angle (rad) and its velocity; equations
    of R. V. Florian, "Correct equations for the dynamics of the cart-pole system" (2007), no
    friction, explicit Euler.
    """

    @checked
    def __init__(
        self, num_envs: Count = 8, time_limit: Count | None = 500, sutton_barto_reward: bool = False
    ):
        """Makes B carts.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            sutton_barto_reward: 0 per step and -1 at the end, in place of 1 per step.

        Raises:
            ConfigurationError: ``num_envs`` or ``time_limit`` is not positive.
        """
        high = np.array([2 * _POSITION_LIMIT, np.inf, 2 * _ANGLE_LIMIT, np.inf], np.float32)
        super().__init__(gym.spaces.Box(-high, high), gym.spaces.Discrete(2), num_envs, time_limit)
        self._sutton_barto_reward = sutton_barto_reward

    @property
    def original(self) -> tuple[str, Mapping[str, Any]]:
        """Gymnasium's own."""
        return "CartPole-v1", {"sutton_barto_reward": self._sutton_barto_reward}

    def initial(self, noise: Noise) -> tf.Tensor:
        """Every row is uniform on ±0.05."""
        return tf.stack(noise.uniform(4, -0.05, 0.05))

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Pushes left (0) or right (1); ends when the cart leaves the track or the pole falls."""
        x, x_velocity, angle, angle_velocity = tf.unstack(physics)
        force = tf.where(action == 1, _FORCE, -_FORCE)
        sine, cosine = sine_cosine(angle)
        push = (force + _POLE_MASS_LENGTH * tf.square(angle_velocity) * sine) / _TOTAL_MASS
        angle_acceleration = (_GRAVITY * sine - cosine * push) / (
            _HALF_LENGTH * (4.0 / 3.0 - _POLE_MASS * tf.square(cosine) / _TOTAL_MASS)
        )
        x_acceleration = push - _POLE_MASS_LENGTH * angle_acceleration * cosine / _TOTAL_MASS

        x += _TIME_STEP * x_velocity
        x_velocity += _TIME_STEP * x_acceleration
        angle += _TIME_STEP * angle_velocity
        angle_velocity += _TIME_STEP * angle_acceleration
        terminated = (tf.abs(x) > _POSITION_LIMIT) | (tf.abs(angle) > _ANGLE_LIMIT)
        running, final = (0.0, -1.0) if self._sutton_barto_reward else (1.0, 1.0)
        reward = tf.where(terminated, final, running)
        return tf.stack([x, x_velocity, angle, angle_velocity]), reward, terminated

    def observe(self, physics: Any) -> tf.Tensor:
        """The physics itself, [B, 4]."""
        return tf.transpose(physics)
