"""Replay: a buffer of recent rollouts, from which old trajectories join the fresh ones."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_memory
from pgtf.configuration.ranges import Count
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.graph import stateless
from pgtf.learning.learner import Learner
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour, start
from pgtf.trajectory import Trajectory


class Draw(NamedTuple):
    """Which rollouts of a buffer are replayed.

    Attributes:
        slot: [n] int32, where they are.
        filled: [n] bool; False where the buffer does not hold that many yet.
        age: scalar float32, mean number of rollouts since they were the freshest.
    """

    slot: tf.Tensor
    filled: tf.Tensor
    age: tf.Tensor


@gin.register
class RecentRollouts:
    """Replays rollouts of earlier policies beside each fresh one.

    A buffer holds the latest ``capacity`` rollouts as they were collected, with the log-probs of
    the policy that acted and the memory it began with. Each update learns from the fresh rollout
    and ``replayed`` others, drawn uniformly without replacement. Running statistics, counters and
    episodes are those of the fresh one. Checkpoints hold the buffer.

    The data is off-policy, so ``Learner.surrogate`` has to weight it. Returns are those of the
    policies that acted unless ``Learner.returns`` corrects them, as ``VTrace`` does.

    Args:
        capacity: rollouts in the buffer, each of T steps of B environments.
        replayed: rollouts that join the fresh one in each update, fewer until there are as many.
    """

    @checked
    def __init__(self, capacity: Count = 100, replayed: Count = 1):
        if capacity < replayed:
            raise ConfigurationError(
                f"RecentRollouts.capacity must be at least RecentRollouts.replayed = {replayed},"
                f" not {capacity}."
            )
        self.capacity = capacity
        self.replayed = replayed

    def check(
        self, learner: Learner, rollout: Rollouts | Episodes, environment: Environment
    ) -> None:
        """Refuses a learner that does not weight data, and rollouts of varying length.

        Raises:
            ConfigurationError: which binding to change.
        """
        surrogate = learner.objective.surrogate
        if not surrogate.uses_behaviour:
            raise ConfigurationError(
                "RecentRollouts replays data of earlier policies, and"
                f" {type(surrogate).__name__} does not weight it: bind Learner.surrogate ="
                " @ImportanceWeighted()."
            )
        if learner.gradient_variance is not None:
            raise ConfigurationError(
                "RecentRollouts cannot be combined with GradientVariance, which compares"
                " environments that are all under one policy: bind Learner.gradient_variance ="
                " None."
            )
        if not rollout.static(environment):
            raise ConfigurationError(
                "RecentRollouts needs rollouts of one shape, and episodes of environments that are"
                " not compiled vary in length: bind the trainer's rollout = @Rollouts(), or add"
                " --gin_file=envs/compiled.gin."
            )

    def draw(self, added: tf.Tensor, seed: tf.Tensor) -> Draw:
        """Chooses rollouts uniformly, none of them twice.

        Args:
            added: scalar int32, rollouts that were put into the buffer so far.
            seed: int32 [2].
        """
        slots = tf.range(self.capacity)
        number = stateless.uniform([self.capacity], seed)
        best, slot = tf.math.top_k(tf.where(slots < added, number, -1.0), self.replayed)
        filled = best >= 0.0
        age = tf.cast((added - 1 - slot) % self.capacity + 1, tf.float32)
        count = tf.cast(filled, tf.float32)
        mean = tf.math.divide_no_nan(tf.reduce_sum(count * age), tf.reduce_sum(count))
        return Draw(slot, filled, mean)

    def beside(self, taken: Any, filled: tf.Tensor, fresh: Trajectory) -> Trajectory:
        """Makes one trajectory of the rollouts that were drawn.

        Args:
            taken: their trajectories, a ``Trajectory`` of [n, T, B, ...].
            filled: [n]; others are masked, so that nothing is learned from them.
            fresh: T steps of B environments.

        Returns:
            [T, n B] rows.
        """

        def real(old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
            # What is masked is evaluated all the same, and has to lie in the spaces.
            return tf.where(tf.reshape(filled, [-1] + [1] * len(new.shape)), old, new[tf.newaxis])

        taken = tf.nest.map_structure(real, taken, fresh)
        kept = tf.reshape(tf.cast(filled, tf.float32), [-1, 1, 1])
        taken = taken._replace(mask=kept * taken.mask)
        rows = tf.nest.map_structure(_columns, taken._replace(memory=()))
        memory = tf.nest.map_structure(lambda x: tf.reshape(x, [-1, *x.shape[2:]]), taken.memory)
        return rows._replace(memory=memory)


def _columns(x: tf.Tensor) -> tf.Tensor:
    """[n, T, B, ...] to [T, n B, ...]."""
    x = tf.transpose(x, [1, 0, *range(2, len(x.shape))])
    return tf.reshape(x, [x.shape[0], -1, *x.shape[3:]])


class ReplayBuffer(tf.Module):
    """The variables that hold recent rollouts, of one learner or of S at once.

    Args:
        replay: what is drawn from them.
        like: a ``Trajectory`` of tensor specs of the shape of each rollout.
        num_seeds: S, or None.
    """

    def __init__(self, replay: RecentRollouts, like: Trajectory, num_seeds: int | None = None):
        super().__init__()
        self.replay = replay
        self.added = tf.Variable(0, trainable=False)
        self._like = like
        self._num_seeds = num_seeds
        stack = [] if num_seeds is None else [num_seeds]
        size = sum(math.prod(spec.shape) * spec.dtype.size for spec in tf.nest.flatten(like))
        size *= num_seeds or 1
        require_memory(replay.capacity * size, f"RecentRollouts.capacity = {replay.capacity}")
        self._leaves = [
            tf.Variable(
                tf.zeros([replay.capacity, *stack, *spec.shape], spec.dtype), trainable=False
            )
            for spec in tf.nest.flatten(like)
        ]

    def taken(self, seed: tf.Tensor) -> tuple[Trajectory, tf.Tensor, tf.Tensor]:
        """Draws old rollouts.

        Args:
            seed: int32 [2], or [S, 2], of the update.

        Returns:
            A ``Trajectory`` of [n, T, B, ...] for ``RecentRollouts.beside``, which of them the
            buffer holds, [n], and their mean age in rollouts. S of each, if there are S learners.
        """
        added = self.added.value()

        def draw(seed: tf.Tensor) -> Draw:
            # Number 1 is the objective's; an optimization counts up from 2.
            seed = tf.random.experimental.stateless_fold_in(seed, -1)
            return self.replay.draw(added, seed)

        if self._num_seeds is None:
            slot, filled, age = draw(seed)
            leaves = [tf.gather(leaf, slot) for leaf in self._leaves]
        else:
            slot, filled, age = tf.vectorized_map(draw, seed)
            member = tf.broadcast_to(tf.range(self._num_seeds)[:, tf.newaxis], slot.shape)
            index = tf.stack([slot, member], axis=-1)
            # XLA has no kernel that gathers from a variable by such an index.
            leaves = [tf.gather_nd(leaf.value(), index) for leaf in self._leaves]
        return tf.nest.pack_sequence_as(self._like, leaves), filled, age

    def add(self, fresh: Trajectory) -> None:
        """Puts a rollout, or S of them, in the place of the oldest."""
        slot = self.added % self.replay.capacity
        for leaf, x in zip(self._leaves, tf.nest.flatten(fresh), strict=True):
            leaf.scatter_update(tf.IndexedSlices(x[tf.newaxis], slot[tf.newaxis]))
        self.added.assign_add(1)


def rollout_spec(
    environment: Environment, rollout: Rollouts | Episodes, behaviour: Behaviour
) -> Trajectory:
    """Returns the ``Trajectory`` of specs that a rollout has; no environment takes a step."""

    def collected(seed: tf.Tensor) -> Trajectory:
        carry = start(environment, seed, behaviour.initial)
        return rollout.collect(environment, behaviour, carry, seed)[1]

    traced: Callable[..., Any] = tf.function(collected, autograph=False)
    spec: Trajectory = traced.get_concrete_function(  # type: ignore[attr-defined]
        tf.TensorSpec([2], tf.int32)
    ).structured_outputs
    return spec
