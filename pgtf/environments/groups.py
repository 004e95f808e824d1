"""N groups of E copies of one environment: each member of a population plays in its own group."""

import abc
from collections.abc import Sequence
from typing import Any, Protocol

import keras
import tensorflow as tf

from pgtf.environments.lifetime import Lifetime, LifetimeOfAnother
from pgtf.trajectory import TimeStep, Trajectory


class Copies(Lifetime, Protocol):
    """The part of an ``Environment`` that groups are made of."""

    num_envs: int

    @property
    def seeds_each(self) -> bool:
        """Whether ``reset`` gives each copy the seed that is meant for it."""

    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        """See ``Environment.reset``."""

    def step(self, state: Any, action: Any, held: tf.Tensor | None = None) -> tuple[Any, TimeStep]:
        """See ``Environment.step``."""

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """See ``Environment.variables``."""

    def adapt(self, trajectory: Trajectory) -> None:
        """See ``Environment.adapt``."""


class Groups(Lifetime, abc.ABC):
    """The contract of ``Environment`` with a leading axis for the group: [N, E, ...].

    Attributes:
        environment: what the groups are made of.
        seeds_each: whether groups with equal seeds meet the same episodes.
    """

    environment: Copies
    seeds_each: bool = True

    @abc.abstractmethod
    def reset(self, seeds: tf.Tensor) -> tuple[Any, Any]:
        """Starts a new episode in every copy.

        Args:
            seeds: int32 [N, 2]; groups with equal seeds get the same initial states and randomness.

        Returns:
            The state and the first observation, a nest of [N, E, ...].
        """

    @abc.abstractmethod
    def step(self, state: Any, action: Any, held: tf.Tensor) -> tuple[Any, TimeStep]:
        """Moves every copy by one step; see ``Environment.step``.

        Args:
            state: what the previous ``reset`` or ``step`` returned.
            action: nest of [N, E, ...].
            held: [N, E] bool.

        Returns:
            The next state and the time step, whose fields are [N, E, ...].
        """

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """What the environment has learned of itself, one statistic for all groups."""
        return self.environment.variables

    def adapt(self, trajectory: Trajectory) -> None:
        """Moves ``variables``; see ``Environment.adapt``.

        Args:
            trajectory: [T, B], of steps of any of the copies.
        """
        self.environment.adapt(trajectory)


class VectorisedGroups(Groups):
    """Groups of a compiled environment: one of E copies, vectorised over N states.

    Args:
        environment: of E copies.
    """

    def __init__(self, environment: Copies):
        self.environment = environment

    def reset(self, seeds: tf.Tensor) -> tuple[Any, Any]:
        """Starts a new episode in every copy; see ``Groups.reset``."""
        return tf.vectorized_map(self.environment.reset, seeds)

    def step(self, state: Any, action: Any, held: tf.Tensor) -> tuple[Any, TimeStep]:
        """Moves every copy by one step; see ``Groups.step``."""
        return tf.vectorized_map(lambda each: self.environment.step(*each), (state, action, held))


class BlockGroups(LifetimeOfAnother, Groups):
    """Groups of an environment that is not compiled: blocks of one with N · E copies.

    Args:
        environment: of N · E copies.
        num_groups: N.
    """

    environment: Copies

    def __init__(self, environment: Copies, num_groups: int):
        self.environment = environment
        self.seeds_each = environment.seeds_each
        self._shape = [num_groups, environment.num_envs // num_groups]

    def reset(self, seeds: tf.Tensor) -> tuple[Any, Any]:
        """Starts a new episode in every copy; see ``Groups.reset``."""
        state, observation = self.environment.reset(seeds)
        return state, self._grouped(observation)

    def step(self, state: Any, action: Any, held: tf.Tensor) -> tuple[Any, TimeStep]:
        """Moves every copy by one step; see ``Groups.step``."""
        action, held = tf.nest.map_structure(
            lambda x: tf.reshape(x, [self.environment.num_envs, *x.shape[2:]]), (action, held)
        )
        state, step = self.environment.step(state, action, held)
        return state, self._grouped(step)

    def _grouped(self, nest: Any) -> Any:
        return tf.nest.map_structure(lambda x: tf.reshape(x, [*self._shape, *x.shape[1:]]), nest)
