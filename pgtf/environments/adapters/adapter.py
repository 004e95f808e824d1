"""The contract of an adapter: an environment round another one, hosted or compiled."""

import copy
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.environments.lifetime import LifetimeOfAnother
from pgtf.errors import ConfigurationError
from pgtf.trajectory import TimeStep, Trajectory


class Adapter(LifetimeOfAnother, Environment):
    """Changes what is observed of another environment, and what is learned from.

    A subclass overrides some of ``begin``, ``remember``, ``observe``, ``reward`` and ``learn``, and
    sets ``observation_space`` in its constructor where it changes that. It may also change actions
    or ends in its own ``step``. All of that is TensorFlow, so that a compiled environment stays
    compiled, and works on every copy at once. ``score`` passes through untouched.

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

    def reward(self, memory: Any, step: TimeStep) -> tf.Tensor:
        """Returns what is learned from, [B] float32; masked rows get 0 by themselves.

        Args:
            memory: the step included.
            step: as the inner environment returned it.
        """
        del memory
        return step.reward

    def learn(self, trajectory: Trajectory) -> None:
        """Moves ``statistics``; is not called where they are frozen.

        Args:
            trajectory: [T, B], as the learner saw it: all adapters have changed its observations
                and rewards; ``score`` is the environment's own. Rows whose mask is 0 do not count.
        """
        del trajectory

    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        """Starts every copy afresh; see ``Environment.reset``."""
        state, observation = self.environment.reset(seed)
        memory = self.begin(observation)
        return (state, memory), self.observe(memory, observation)

    def step(self, state: Any, action: Any, held: tf.Tensor | None = None) -> tuple[Any, TimeStep]:
        """Moves every copy by one step; see ``Environment.step``."""
        state, before = state
        state, step = self.environment.step(state, action, held)
        moved = step.mask > 0
        memory = _select(moved, self.remember(before, action, step), self.begin(step.observation))
        if held is not None:
            memory = _select(held, before, memory)
        reward = self.reward(memory, step)
        if reward is not step.reward:
            step = step._replace(reward=tf.where(moved, reward, 0.0))
        return (state, memory), step._replace(observation=self.observe(memory, step.observation))

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """The statistics of all adapters, the inner ones' first."""
        return [*self.environment.variables, *self.statistics]

    def adapt(self, trajectory: Trajectory) -> None:
        """Moves the statistics, unless frozen; see ``Environment.adapt``."""
        if not self.frozen:
            self.environment.adapt(trajectory)
            self.learn(trajectory)

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


def _select(condition: tf.Tensor, yes: Any, no: Any) -> Any:
    """Chooses per copy: leaves are [B, ...]."""

    def along(x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(condition, [-1, *[1] * (len(x.shape) - 1)])

    return tf.nest.map_structure(lambda y, n: tf.where(along(y), y, n), yes, no)
