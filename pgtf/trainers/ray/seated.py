"""A share of many copies that act as they would all together.

The random numbers of a batch follow from one seed. An actor that holds B of N·B copies draws for
all of them and keeps its own rows, so that N actors do what one process with N·B copies does.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.environments.lifetime import LifetimeOfAnother
from pgtf.policies.decision import Actor, ActorMemory, Decision, network_memory
from pgtf.trajectory import PackedStep, TimeStep, Trajectory


class Seat(NamedTuple):
    """Which of N equal blocks of copies an actor holds.

    Attributes:
        number: counted from 0.
        of: N.
    """

    number: int
    of: int

    def widened(self, x: tf.Tensor) -> tf.Tensor:
        """Puts [B, ...] in its place among zeros: [N·B, ...]."""
        before, after = self.number, self.of - 1 - self.number
        rows = tf.shape(x)[0]
        ends = [[before * rows, after * rows], *[[0, 0]] * (len(x.shape) - 1)]
        wide = tf.pad(x, ends)
        if x.shape[0] is not None:
            wide.set_shape([self.of * x.shape[0], *x.shape[1:]])
        return wide

    def own(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the rows of this seat: [N·B, ...] to [B, ...]."""
        rows = x.shape[0] // self.of
        return x[self.number * rows : (self.number + 1) * rows]


class SeatedPolicy(Actor):
    """A policy whose samples are rows of those for all N·B copies.

    The network sees B observations; only the head and the random numbers are N·B wide.

    Args:
        policy: built.
        seat: whose rows.
    """

    def __init__(self, policy: Actor, seat: Seat):
        self._policy = policy
        self._seat = seat
        self.network = policy.network
        self.head = policy.head
        self.trainable_variables = policy.trainable_variables

    def distribution_of(self, features: tf.Tensor) -> Any:
        """Returns π(· | s), of batch shape [...], for the network's features, [..., F]."""
        return self._policy.distribution_of(features)

    def act(
        self, observation: Any, memory: Any, seed: tf.Tensor, with_log_prob: bool = False
    ) -> Decision:
        """Samples actions [B, ...]; see ``Actor.act``."""
        seat = self._seat
        features, remembered = self.network.step(observation, network_memory(memory))
        wide_memory = memory
        if isinstance(memory, ActorMemory):
            wide_memory = ActorMemory((), tf.nest.map_structure(seat.widened, memory.head))
        wide = self.distribution_of(seat.widened(features))
        action, drawn = self.sampled(wide, wide_memory, seed)
        action = tf.nest.map_structure(seat.own, action)
        log_prob = self.distribution_of(features).log_prob(action) if with_log_prob else ()
        if isinstance(memory, ActorMemory):
            remembered = ActorMemory(remembered, tf.nest.map_structure(seat.own, drawn.head))
        return Decision(action, log_prob, remembered)


class SeatedEnvironment(LifetimeOfAnother, Environment):
    """B copies whose seeds are those of their places among N·B.

    Compiled copies draw their randomness together; those of each seat get a stream of their own.

    Args:
        environment: B copies.
        seat: whose.
    """

    environment: Environment

    def __init__(self, environment: Environment, seat: Seat):
        self.environment = environment
        self._seat = seat
        self.observation_space = environment.observation_space
        self.action_space = environment.action_space
        self.num_envs = environment.num_envs
        self.compiled = environment.compiled
        self.seeds_each = environment.seeds_each
        self.time_limit = environment.time_limit
        self.name = environment.name

    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        """Starts new episodes, with the seeds of this seat; see ``Environment.reset``."""
        if self.compiled:
            if self._seat.number:
                seed = tf.random.experimental.stateless_fold_in(seed, self._seat.number)
            return self.environment.reset(seed)
        first = tf.constant([self._seat.number * self.num_envs], tf.int32)
        return self.environment.reset(tf.concat([seed, first], 0))

    def step(self, state: Any, action: Any, held: tf.Tensor | None = None) -> tuple[Any, TimeStep]:
        """Moves every copy by one step; see ``Environment.step``."""
        return self.environment.step(state, action, held)

    def packed_step(self, state: Any, action: Any) -> tuple[Any, TimeStep | PackedStep]:
        """Like ``step``; see ``Environment.packed_step``."""
        return self.environment.packed_step(state, action)

    def replicate(self, num_envs: int, frozen: bool = False) -> Environment:
        """Returns copies without a seat; see ``Environment.replicate``."""
        return self.environment.replicate(num_envs, frozen)

    @property
    def longest_episode(self) -> int | None:
        """That of the copies."""
        return self.environment.longest_episode

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """Those of the copies."""
        return self.environment.variables

    def adapt(self, trajectory: Trajectory) -> None:
        """Moves ``variables``; see ``Environment.adapt``."""
        self.environment.adapt(trajectory)

    def snapshot(self) -> Any:
        """That of the copies."""
        return self.environment.snapshot()

    def resume(self, snapshot: Any) -> None:
        """Lets the copies go on; see ``Environment.resume``."""
        self.environment.resume(snapshot)
