"""The contract of an adapter: an environment round another one, hosted or compiled."""

import copy
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.environments.lifetime import LifetimeOfAnother
from pgtf.errors import ConfigurationError
from pgtf.trajectory import TimeStep, Trajectory


class AdapterState(NamedTuple):
    """Where an adapter stands.

    Attributes:
        inner: the state of the environment that is adapted.
        memory: the adapter's own, a nest of [B, ...].
        observation: nest of [B, ...], the last one, as the inner environment shows it.
    """

    inner: Any
    memory: Any
    observation: Any


class Adapter(LifetimeOfAnother, Environment):
    """Changes what is observed of another environment, what it is told, and what is learned from.

    A subclass overrides some of ``begin``, ``remember``, ``observe``, ``translate``, ``reward``,
    ``note`` and ``learn``, and sets ``observation_space`` or ``action_space`` in its constructor
    where it changes that. It may also change ends in its own ``step``. All of that is TensorFlow,
    so that a compiled environment stays compiled, and works on every copy at once. ``score`` passes
    through untouched.

    Adapters nest: the inner one comes first.

    Args:
        environment: what to adapt.

    Attributes:
        environment: what is adapted.
        frozen: whether ``statistics`` are read and never moved, as in an evaluation.
        statistics: the adapter's own variables. A subclass makes them in its constructor; copies of
            the adapter share them.

    Raises:
        ConfigurationError: there is no environment.
    """

    environment: Environment

    def __init__(self, environment: Environment | None = None):
        if environment is None:
            kind = type(self).__name__
            raise ConfigurationError(
                f"{kind}.environment is not bound: bind it to what the adapter goes round, such as"
                " @GymEnvironment()."
            )
        self.frozen = False
        self.statistics: list[keras.Variable] = []
        self.observation_space = environment.observation_space
        self.action_space = environment.action_space
        self._go_round(environment)

    def _go_round(self, environment: Environment) -> None:
        self.environment = environment
        self.num_envs = environment.num_envs
        self.compiled = environment.compiled
        self.seeds_each = environment.seeds_each
        self.time_limit = environment.time_limit
        self.name = environment.name

    def begin(self, observation: Any) -> Any:
        """Returns what the adapter remembers of a new episode: a nest of [B, ...], () for nothing.

        Args:
            observation: nest of [B, ...], the first one, as the inner environment shows it.
        """
        del observation
        return ()

    def remember(self, memory: Any, action: Any, step: TimeStep) -> Any:
        """Returns what the adapter remembers after a step.

        Rows that are no transition change nothing: where an episode begins, ``begin`` counts.

        Args:
            memory: from before.
            action: nest of [B, ...], as the policy sampled it.
            step: as the inner environment returned it.
        """
        del action, step
        return memory

    def observe(self, memory: Any, observation: Any) -> Any:
        """Returns what an agent sees, a nest of [B, ...] that ``observation_space`` describes.

        Args:
            memory: the observation included.
            observation: as the inner environment shows it.
        """
        del memory
        return observation

    def translate(self, action: Any) -> Any:
        """Returns what the inner environment is given for an action, a nest of [B, ...].

        Args:
            action: nest of [B, ...], as the policy sampled it, within bounds or not.
        """
        return action

    def reward(self, memory: Any, step: TimeStep) -> tf.Tensor:
        """Returns what is learned from, [B] float32; masked rows get 0 by themselves.

        Args:
            memory: the step included.
            step: as the inner environment returned it.
        """
        del memory
        return step.reward

    def note(self, memory: Any, observation: Any, step: TimeStep) -> Any:
        """Returns what ``learn`` has to see of a step, a nest of [B, ...]; () for nothing more.

        Args:
            memory: the step included.
            observation: nest of [B, ...], the one that was acted on.
            step: as the inner environment returned it.
        """
        del memory, observation, step
        return ()

    def learn(self, trajectory: Trajectory) -> None:
        """Moves ``statistics``; is not called where they are frozen.

        Args:
            trajectory: [T, B], as the learner saw it: all adapters have changed its observations
                and rewards; ``score`` is the environment's own and ``notes`` are what this adapter
                noted. Rows whose mask is 0 do not count.
        """
        del trajectory

    def reset(self, seed: tf.Tensor) -> tuple[AdapterState, Any]:
        """Starts every copy afresh; see ``Environment.reset``."""
        state, observation = self.environment.reset(seed)
        memory = self.begin(observation)
        return AdapterState(state, memory, observation), self.observe(memory, observation)

    def step(
        self, state: AdapterState, action: Any, held: tf.Tensor | None = None
    ) -> tuple[AdapterState, TimeStep]:
        """Moves every copy by one step; see ``Environment.step``."""
        inner, before, acted_on = state
        inner, step = self.environment.step(inner, self.translate(action), held)
        moved = step.mask > 0
        memory = _select(moved, self.remember(before, action, step), self.begin(step.observation))
        if held is not None:
            memory = _select(held, before, memory)
        state = AdapterState(inner, memory, step.observation)
        note = self.note(memory, acted_on, step)
        reward = self.reward(memory, step)
        if reward is not step.reward:
            step = step._replace(reward=tf.where(moved, reward, 0.0))
        if tf.nest.flatten((step.notes, note)):
            step = step._replace(notes=(step.notes, note))
        return state, step._replace(observation=self.observe(memory, step.observation))

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """The statistics of all adapters, the inner ones' first."""
        return [*self.environment.variables, *self.statistics]

    def adapt(self, trajectory: Trajectory) -> None:
        """Moves the statistics, unless frozen; see ``Environment.adapt``."""
        if not self.frozen:
            inner, own = trajectory.notes or ((), ())
            self.environment.adapt(trajectory._replace(notes=inner))
            self.learn(trajectory._replace(notes=own))

    @property
    def core(self) -> Environment:
        """The environment inside all adapters."""
        return self.environment.core

    def first_sight(self, observation: Any) -> tuple[Any, Any]:
        """Returns what an agent sees first of an episode; see ``Environment.first_sight``."""
        inner, observation = self.environment.first_sight(observation)
        memory = self.begin(observation) if self._shows else ()
        return (inner, memory), self.observe(memory, observation)

    def next_sight(self, memory: Any, action: Any, observation: Any) -> tuple[Any, Any]:
        """Returns what an agent sees after a step; see ``Environment.next_sight``."""
        inner, own = memory
        inner, observation = self.environment.next_sight(inner, self.translate(action), observation)
        if self._shows:
            own = self.remember(own, action, _seen(observation))
        return (inner, own), self.observe(own, observation)

    @property
    def _shows(self) -> bool:
        """Whether it changes observations; else its memory is of no use to one who only looks."""
        return type(self).observe is not Adapter.observe

    def translated(self, action: Any) -> Any:
        """Returns what ``core`` is given for an action; see ``Environment.translated``."""
        return self.environment.translated(self.translate(action))

    def replicate(self, num_envs: int, frozen: bool = False) -> "Adapter":
        """Returns the adapter round a replica; the statistics are shared."""
        frozen = frozen or self.frozen
        return self._round(self.environment.replicate(num_envs, frozen), frozen)

    def drawn(self) -> "Adapter":
        """Returns the adapter, frozen, round a copy that draws itself."""
        return self._round(self.environment.drawn(), frozen=True)

    def _round(self, environment: Environment, frozen: bool) -> "Adapter":
        other = copy.copy(self)
        other.frozen = frozen
        other._go_round(environment)
        return other

    @property
    def longest_episode(self) -> int | None:
        """That of the inner environment."""
        return self.environment.longest_episode

    def render(self) -> Any:
        """Returns the inner environment's picture; see ``Environment.render``."""
        return self.environment.render()

    def snapshot(self) -> Any:
        """That of the inner environment."""
        return self.environment.snapshot()

    def resume(self, snapshot: Any) -> None:
        """Lets the inner environment go on; see ``Environment.resume``."""
        self.environment.resume(snapshot)


def _seen(observation: Any) -> TimeStep:
    """A step of which nothing is known but the observation."""
    copies = tf.shape(tf.nest.flatten(observation)[0])[:1]
    no = tf.zeros(copies, tf.bool)
    return TimeStep(observation, tf.fill(copies, math.nan), no, no, tf.ones(copies))


def _select(condition: tf.Tensor, yes: Any, no: Any) -> Any:
    """Chooses per copy: leaves are [B, ...]."""

    def along(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(condition, [-1, *[1] * (len(x.shape) - 1)])

    return tf.nest.map_structure(lambda y, n: tf.where(along(y), y, n), yes, no)
