"""Standardised observations."""

from collections.abc import Callable
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Positive
from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.graph.moments import RunningMoments
from pgtf.trajectory import TimeStep, Trajectory


@gin.register
class NormalizedObservation(Adapter):
    """Standardises observations by the mean and variance of all steps of all copies so far.

    One statistic serves policy, critic and baseline alike; ``RunningNormalization`` does the same
    within one network. It stands still during a rollout and moves after its update. Every Box of
    numbers is standardised by itself, those in a Dict or Tuple too; bytes and categories stay as
    they are.

    Args:
        environment: of any kind.
        clip: bound on the standardised observations.
        epsilon: added to the variance.
    """

    @checked
    def __init__(
        self,
        environment: Environment | None = None,
        clip: Positive = 10.0,
        epsilon: Positive = 1e-8,
    ):
        super().__init__(environment)
        self.clip = clip
        self.epsilon = epsilon
        # One for each leaf of an observation, None where it stays as it is.
        self._moments: list[RunningMoments | None] = []
        self.observation_space = _mapped(self.observation_space, self._standardised)
        moments = [moments for moments in self._moments if moments is not None]
        if not moments:
            raise ConfigurationError(
                "NormalizedObservation standardises observations that are numbers, and the inner"
                f" environment's are {self.environment.observation_space}: bind the environment"
                " without it."
            )
        self.statistics = [variable for each in moments for variable in each.variables]

    def _standardised(self, space: gym.Space) -> gym.Space:
        if not isinstance(space, gym.spaces.Box) or space.dtype == np.uint8:
            self._moments.append(None)
            return space
        self._moments.append(RunningMoments(space.shape))
        return gym.spaces.Box(-self.clip, self.clip, space.shape, np.float32)

    def observe(self, memory: Any, observation: Any) -> Any:
        """Returns standardised observations, a nest of [B, ...]."""

        def standardised(x: tf.Tensor, moments: RunningMoments | None) -> tf.Tensor:
            if moments is None:
                return x
            _, mean, variance = moments.values
            scaled = (tf.cast(x, tf.float32) - mean) * tf.math.rsqrt(variance + self.epsilon)
            return tf.clip_by_value(scaled, -self.clip, self.clip)

        leaves = zip(tf.nest.flatten(observation), self._moments, strict=True)
        return tf.nest.pack_sequence_as(observation, [standardised(*each) for each in leaves])

    def note(self, memory: Any, observation: Any, step: TimeStep) -> list[tf.Tensor]:
        """Notes what was acted on, the leaves that are standardised."""
        leaves = zip(tf.nest.flatten(observation), self._moments, strict=True)
        return [leaf for leaf, moments in leaves if moments is not None]

    def learn(self, trajectory: Trajectory) -> None:
        """Adds the observations that were acted on."""
        learning = [moments for moments in self._moments if moments is not None]
        for moments, leaf in zip(learning, trajectory.notes, strict=True):
            moments.add(tf.cast(leaf, tf.float32), trajectory.mask)


def _mapped(space: gym.Space, function: Callable[[gym.Space], gym.Space]) -> gym.Space:
    """Replaces the leaves of a space, in the order of ``tf.nest``."""
    match space:
        case gym.spaces.Dict():
            return gym.spaces.Dict(
                {key: _mapped(part, function) for key, part in sorted(space.items())}
            )
        case gym.spaces.Tuple():
            return gym.spaces.Tuple([_mapped(part, function) for part in space])
        case _:
            return function(space)
