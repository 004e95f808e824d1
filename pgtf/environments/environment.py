"""The contract of an environment: B copies of one task, stepped by graph operations."""

import abc
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import keras
import tensorflow as tf

from pgtf.configuration.unmade import Needs, Unmade
from pgtf.environments.groups import BlockGroups, Groups, VectorisedGroups
from pgtf.environments.lifetime import Lifetime
from pgtf.errors import ConfigurationError
from pgtf.trajectory import PackedStep, TimeStep, Trajectory


class Environment(Lifetime, abc.ABC):
    """B copies of one task that reset themselves on the step after an episode's end.

    Attributes:
        observation_space: the space of one copy's observations.
        action_space: the space of one copy's actions.
        num_envs: B.
        compiled: whether ``reset`` and ``step`` are TensorFlow all through, so that XLA can compile
            them; otherwise they call Python.
        seeds_each: whether ``reset`` gives each copy the seed that is meant for it.
        time_limit: steps after which an episode is truncated, or None where there is no such limit.
        name: what run folders and messages call the task.
    """

    observation_space: gym.Space
    action_space: gym.Space
    num_envs: int
    compiled: bool = False
    seeds_each: bool = True
    time_limit: int | None = None
    name: str

    @classmethod
    def needs(cls, bound: Unmade) -> Needs:
        """Returns the copies, where they are compiled; see ``Unmade.needs``."""
        inner = bound.needs_of_parts()
        return inner._replace(copies=bound.argument("num_envs", 0)) if cls.compiled else inner

    @abc.abstractmethod
    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        """Starts a new episode in every copy.

        Args:
            seed: int32 [2], a stateless seed. Environments that are not compiled also take [N, 2],
                one for each of N equal blocks of copies, which start alike where their seeds are;
                and [3], for copies that come after that many others of the same seed elsewhere.

        Returns:
            The state (a nest of tensors that ``step`` takes) and the first observation, a nest of
            [B, ...].
        """

    @abc.abstractmethod
    def step(self, state: Any, action: Any, held: tf.Tensor | None = None) -> tuple[Any, TimeStep]:
        """Moves every copy by one step.

        A copy whose last step terminated or truncated ignores its action and resets itself: the row
        holds the first observation, reward 0, no flag and mask 0.

        Args:
            state: what the previous ``reset`` or ``step`` returned.
            action: nest of [B, ...] as a policy head samples it; bounds are applied in here.
            held: [B] bool; copies that do not move, their row is masked.

        Returns:
            The next state and the time step.
        """

    def packed_step(self, state: Any, action: Any) -> tuple[Any, TimeStep | PackedStep]:
        """Like ``step``, for rollouts, which take steps apart where that costs nothing."""
        return self.step(state, action)

    @abc.abstractmethod
    def replicate(self, num_envs: int, frozen: bool = False) -> "Environment":
        """Returns a fresh environment of the same task with another number of copies.

        Args:
            num_envs: copies in the new environment.
            frozen: whether it only reads ``variables``, which both share, and never moves them; an
                evaluation uses such a copy.
        """

    @property
    def longest_episode(self) -> int | None:
        """Steps in the longest possible episode, or None where that is unknown or unbounded."""
        return self.time_limit

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """What the environment has learned of itself (running statistics), for checkpoints."""
        return ()

    def adapt(self, trajectory: Trajectory) -> None:
        """Moves ``variables`` by a trajectory that has been learned from.

        Args:
            trajectory: [T, B], as the learner saw it, with the ``notes`` of the steps.
        """
        del trajectory

    @property
    def core(self) -> "Environment":
        """The environment itself, without what adapts it."""
        return self

    def first_sight(self, observation: Any) -> tuple[Any, Any]:
        """Returns what an agent sees of ``core`` at the start of an episode.

        This, ``next_sight`` and ``translated`` are for policies that act where there is no
        environment of pgtf: observations come from elsewhere, and actions go there.

        Args:
            observation: nest of [N, ...], of the space of ``core``.

        Returns:
            What is to be remembered until the next step, a nest of [N, ...], and a nest of
            [N, ...] that ``observation_space`` describes.
        """
        return (), observation

    def next_sight(self, memory: Any, action: Any, observation: Any) -> tuple[Any, Any]:
        """Returns what an agent sees of ``core`` after a step.

        Args:
            memory: from the step before.
            action: nest of [N, ...], the last one, as the policy sampled it.
            observation: nest of [N, ...], of the space of ``core``.

        Returns:
            As ``first_sight``.
        """
        del memory, action
        return (), observation

    def translated(self, action: Any) -> Any:
        """Returns what ``core`` is given for an action of the policy, a nest of [N, ...]."""
        return action

    def grouped(self, num_groups: int) -> Groups:
        """Returns N groups of B copies each, for the N members of a population."""
        if self.compiled:
            return VectorisedGroups(self)
        return BlockGroups(self.replicate(num_groups * self.num_envs), num_groups)

    def drawn(self) -> "Environment":
        """Returns one copy of the same task that can ``render`` itself.

        Raises:
            ConfigurationError: there is no picture of this task.
        """
        raise ConfigurationError(f"{self.name} cannot be filmed: it does not draw itself.")

    def render(self) -> Any:
        """Returns a picture of the first copy, [height, width, 3] or [height, width] uint8.

        Raises:
            ConfigurationError: the copies cannot draw themselves.
        """
        raise ConfigurationError(f"{self.name} cannot render itself.")

    def snapshot(self) -> Any:
        """Returns the state that lives outside TensorFlow, for checkpoints.

        Returns:
            What JSON can hold; None where there is no such state, or none that can be had.
        """
        return None

    def resume(self, snapshot: Any) -> None:
        """Goes on from a ``snapshot``, which may be one of another process.

        Args:
            snapshot: of an environment of the same making; not None.
        """
        del snapshot
