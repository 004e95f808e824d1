"""Environments written in TensorFlow, so that XLA compiles them together with the learner."""

import abc
import copy
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.compiled.drawing import Drawn
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.environments.sizes import require_batch
from pgtf.errors import ConfigurationError
from pgtf.spaces import bounded, specification
from pgtf.trajectory import TimeStep

#: Environment id -> the class that is its compiled version. Subclasses enter themselves.
REGISTRY: dict[str, type["TensorFlowEnvironment"]] = {}


class State(NamedTuple):
    """All that B environments remember, so that a checkpoint of it continues bit for bit.

    Attributes:
        physics: nest of [..., B] tensors; what the task itself remembers.
        time: [B] int32; steps since the start of the episode.
        ended: [B] bool; the episode is over and the next step resets.
        seed: [2] int32; the stateless seed that ``reset`` was given.
        count: [] int32; calls of ``reset`` and ``step`` since then. Hashed with the seed it gives
            the random numbers of the next step.
    """

    physics: Any
    time: tf.Tensor
    ended: tf.Tensor
    seed: tf.Tensor
    count: tf.Tensor


class TensorFlowEnvironment(Environment):
    """The part that all compiled environments share: resets, time limits, masks, action bounds.

    A subclass says what the task is: the two spaces, ``initial``, ``transition`` and ``observe``.
    All three work on B environments at once, with static shapes and without a Python side effect.
    ``initial`` and ``transition`` may use the same numbers of their ``noise``, because a row is
    either a reset or a transition and never both.

    A task that has a ``picture`` can be filmed; so can one that Gymnasium has too and that says so
    in ``original``.

    Attributes:
        ids: environment ids the class stands for -> the arguments that make it so; given with the
            bases, ``class CompiledCartPole(TensorFlowEnvironment, ids={"CartPole-v1": {}})``.
    """

    compiled = True
    ids: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @checked
    def __init__(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        num_envs: Count,
        time_limit: Count | None,
    ):
        """Keeps the spaces and sizes.

        Args:
            observation_space: the space of one environment's observations.
            action_space: the space of one environment's actions.
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.

        Raises:
            ConfigurationError: ``num_envs`` or ``time_limit`` is not positive.
        """
        spaces = observation_space, action_space
        require_batch(num_envs, spaces, f"{type(self).__name__}.num_envs")
        self.observation_space = observation_space
        self.action_space = action_space
        self.num_envs = num_envs
        self.time_limit = time_limit
        self.name = next(iter(self.ids), type(self).__name__)

    def __init_subclass__(
        cls, ids: Mapping[str, Mapping[str, Any]] | None = None, **kwargs: Any
    ) -> None:
        """Enters the class in the registry under its ``ids`` (see the attribute)."""
        super().__init_subclass__(**kwargs)
        # None for the subclass that gin makes of each registered class.
        if ids is not None:
            cls.ids = ids
            REGISTRY.update(dict.fromkeys(ids, cls))

    @abc.abstractmethod
    def initial(self, noise: Noise) -> Any:
        """Draws the physics of B new episodes: a nest of [..., B]."""

    @abc.abstractmethod
    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """Moves B environments by one step.

        Args:
            physics: nest of [..., B].
            action: [B, ...], inside the action space.
            noise: the random numbers of this step.

        Returns:
            The next physics, the reward [B] float32, and whether the task ended, [B] bool.
        """

    @abc.abstractmethod
    def observe(self, physics: Any) -> Any:
        """Returns what an agent sees of the physics: a nest of [B, ...]."""

    def picture(self, physics: Any) -> tf.Tensor | None:
        """Returns pictures of the physics, [B, height, width, 3] uint8; None if it draws none."""
        del physics
        return None

    @property
    def original(self) -> tuple[str, Mapping[str, Any]] | None:
        """The id and the arguments by which Gymnasium makes this very task, None if it has not.

        They hold for the class that states them, and for subclasses that leave its rules alone.
        """
        return None

    def reset(self, seed: tf.Tensor) -> tuple[State, Any]:
        """Starts every copy afresh; see ``Environment.reset``."""
        seed = tf.ensure_shape(tf.convert_to_tensor(seed, tf.int32), [2])
        count = tf.zeros([], tf.int32)
        physics = self.initial(Noise(seed, count, self.num_envs))
        time = tf.zeros([self.num_envs], tf.int32)
        return State(physics, time, time > 0, seed, count + 1), self.observe(physics)

    def step(
        self, state: State, action: Any, held: tf.Tensor | None = None
    ) -> tuple[State, TimeStep]:
        """Moves every copy by one step; see ``Environment.step``."""
        noise = Noise(state.seed, state.count, self.num_envs)
        physics, reward, terminated = self.transition(
            state.physics, _constant(self.action_space, action), noise
        )
        physics = _select(state.ended, self.initial(noise), physics)
        time = tf.where(state.ended, 0, state.time + 1)
        moves = tf.logical_not(state.ended)
        stays_ended = tf.zeros_like(moves)
        if held is not None:
            physics = _select(held, state.physics, physics)
            time = tf.where(held, state.time, time)
            moves = tf.logical_and(moves, tf.logical_not(held))
            stays_ended = tf.logical_and(held, state.ended)

        terminated = tf.logical_and(terminated, moves)
        truncated = tf.zeros_like(moves)
        if self.time_limit is not None:
            truncated = tf.logical_and(time >= self.time_limit, moves)
        ended = terminated | truncated | stays_ended
        row = TimeStep(
            observation=self.observe(physics),
            reward=tf.where(moves, reward, 0.0),
            terminated=terminated,
            truncated=truncated,
            mask=tf.cast(moves, tf.float32),
        )
        return State(physics, time, ended, state.seed, state.count + 1), row

    @checked
    def replicate(self, num_envs: Count, frozen: bool = False) -> "TensorFlowEnvironment":
        """Returns the same task with another number of copies."""
        del frozen
        # What changes lives in the state, so that the object itself may be copied.
        other = copy.copy(self)
        other.num_envs = num_envs
        return other

    def drawn(self) -> Environment:
        """Returns one copy that shows its ``picture``, or Gymnasium's ``original``.

        Raises:
            ConfigurationError: it has no picture, and Gymnasium has no such task.
        """
        if type(self).picture is not TensorFlowEnvironment.picture:
            one = self.replicate(1)
            return Drawn(one, lambda state: one.picture(state.physics))
        original = self.original
        if original is None or self._has_rules_of_its_own():
            raise ConfigurationError(
                f"{self.name} cannot be filmed: {type(self).__name__} draws no picture, and names"
                " no Gymnasium environment that is the same task."
            )
        id, kwargs = original
        limit = -1 if self.time_limit is None else self.time_limit  # -1: without a limit.
        kwargs = {**kwargs, "max_episode_steps": limit}
        return GymEnvironment(id, 1, kwargs, vectorization="loop").drawn()

    def _has_rules_of_its_own(self) -> bool:
        """Whether a subclass has changed the task of the class that states the ``original``."""
        for kind in type(self).__mro__:
            if "original" in vars(kind):
                return False
            if vars(kind).keys() & {"initial", "transition", "observe"}:
                return True
        return True


def _constant(space: gym.Space, action: Any) -> Any:
    """Turns a head's sample into the space's action, of the types of ``specification``.

    No gradient passes: a likelihood-ratio gradient must not leak through the physics of a rollout.
    """
    return tf.nest.map_structure(
        lambda spec, x: tf.stop_gradient(tf.cast(x, spec.dtype)),
        specification(space),
        bounded(space, action),
    )


def _select(condition: tf.Tensor, yes: Any, no: Any) -> Any:
    """Chooses per environment: leaves are [..., B], so that [B] broadcasts to them."""
    return tf.nest.map_structure(lambda y, n: tf.where(condition, y, n), yes, no)
