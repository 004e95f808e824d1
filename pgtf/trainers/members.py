"""Many seeds' learners as one: rollouts and gradients vectorised over their stacked weights."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pgtf.graph.finite import undone_unless_finite
from pgtf.graph.packing import Packed, packed, unpacked
from pgtf.graph.scan import scan_while, vectorized
from pgtf.learning.acting import TapedActing
from pgtf.learning.objective import Objective
from pgtf.learning.schedules import OverEnvironmentSteps
from pgtf.learning.targets import Targets
from pgtf.losses import Scalars
from pgtf.rollouts.replay import RecentRollouts, ReplayBuffer, rollout_spec
from pgtf.rollouts.unroll import Behaviour, Carry, Finished
from pgtf.trainers.stacked import StackedOptimizer, along
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trajectory import Trajectory


class _Member(NamedTuple):
    """One rollout of one seed.

    Attributes:
        carry: where its environments stand now.
        fresh: the trajectory, [T, B].
        finished: [3], the episodes that ended.
        work: gradients, or what the passes start from.
        targets: of the fresh steps.
        scalars: to log.
        statistics: as they are after the update.
    """

    carry: Carry
    fresh: Trajectory
    finished: tf.Tensor
    work: Any
    targets: Targets
    scalars: Packed
    statistics: list[tf.Tensor]


class StackedLearner:
    """Iterates S seeds of a ``SynchronousTrainer``, each with weights of its own.

    Args:
        trainer: of one seed, whose learner is built.
        trainable: [S, …] each, the learner's.
        statistics: [S, …] each, of ``own_statistics``.
        optimizer: built for ``trainable``.
        seeds: int32 [S, 2], the roots of the seeds' random streams.
        total_steps: after which a seed waits for the others.
        undoes: whether an update that leaves a seed's numbers not finite is undone in that seed.

    Attributes:
        steps: int64 [S], environment steps of each seed.
        updates: scalar int32, steps of the optimizer.
        buffer: of recent rollouts, or None.
    """

    def __init__(
        self,
        trainer: SynchronousTrainer,
        trainable: list[keras.Variable],
        statistics: list[keras.Variable],
        optimizer: StackedOptimizer,
        seeds: tf.Tensor,
        total_steps: int,
        undoes: bool,
    ):
        self.learner = trainer.learner
        self.environment = trainer.environment
        self._rollout = trainer.rollout
        self._trainable = trainable
        self._statistics = statistics
        self._optimizer = optimizer
        self._seeds = seeds
        self._total_steps = total_steps
        self._undoes = undoes
        self._passes = None
        if not self.learner.optimization.one_gradient:
            self._passes = self.learner.optimization.passes
        self._replay: RecentRollouts | None = trainer.replay
        self.steps = tf.Variable(tf.zeros((seeds.shape[0],), tf.int64), trainable=False)
        self.updates = tf.Variable(0, trainable=False)
        self.buffer = None
        if self._replay is not None:
            self._replay.check(self.learner, self._rollout, self.environment)
            spec = rollout_spec(self.environment, self._rollout, self._behaviour())
            self.buffer = ReplayBuffer(self._replay, spec, seeds.shape[0])

    @property
    def own_statistics(self) -> list[keras.Variable]:
        """The variables of one seed that no optimizer moves: the learner's, then the environment's.

        The environment is one for all seeds.
        """
        return [*self.learner.statistics, *self.environment.variables]

    def iterate(self, carry: Carry) -> tuple[Carry, Packed, tf.Tensor, tf.Tensor]:
        """One iteration of every seed.

        Args:
            carry: where the environments stand, [S, …] each.

        Returns:
            Where they stand now, scalars [S, n], the episodes that ended, [S, 3], and advantages
            [S, T, B].
        """
        steps = self.steps.value()
        seeds = tf.vectorized_map(
            lambda seed: tf.random.experimental.stateless_fold_in(seed, self.updates.value()),
            self._seeds,
        )
        statistics = _values(self._statistics)
        drawn: list[Any] = []
        age: Scalars = {}
        if self.buffer is not None:
            *drawn, age["replay_age"] = self.buffer.taken(seeds)
        member = tf.vectorized_map(
            self._member, (carry, seeds, steps, drawn, _values(self._trainable), statistics)
        )
        active = steps < self._total_steps
        rate = tf.where(active, self._learning_rate(steps), 0.0)

        def update() -> Scalars:
            found: Scalars = {}
            if self._passes is None:
                self._optimizer.apply(member.work, self._trainable, rate)
                self.updates.assign_add(1)
            else:
                found = self._pass_all(member.work, steps, statistics, rate)
                self.updates.assign_add(self._passes.most_steps)
            for variable, now in zip(self._statistics, member.statistics, strict=True):
                variable.assign(tf.where(along(active, now), now, variable.value.value()))
            return found

        scalars = (self._undone(update) if self._undoes else update()) | _columns(member.scalars)
        if self.buffer is not None:
            self.buffer.add(member.fresh)
        taken_steps = tf.cast(tf.reduce_sum(member.fresh.mask, axis=(1, 2)), tf.int64)
        self.steps.assign(steps + tf.where(active, taken_steps, 0))
        scalars |= {"learning_rate": self._learning_rate(steps) + tf.zeros_like(rate)} | age
        return member.carry, packed(scalars), member.finished, member.targets.advantage

    def _undone(self, update: Callable[[], Scalars]) -> Scalars:
        """Takes an update of all seeds, and undoes it in those that it leaves not finite."""
        stacks = [*self._trainable, *self._statistics, *self._optimizer.keras.variables]
        values = [x.value for x in stacks if len(x.shape) and tf.as_dtype(x.dtype).is_floating]
        scalars, kept = undone_unless_finite(values, update, members=True)
        return scalars | {"skipped": 1.0 - tf.cast(kept, tf.float32)}

    def _member(self, inputs: tuple[Any, ...]) -> _Member:
        """One rollout of one seed, with its own weights, and what it learns from it."""
        carry, seed, steps, drawn, trainable, statistics = inputs
        with self._substituted(trainable, statistics) as scope, vectorized():
            objective = dataclasses.replace(self.learner.objective, steps=steps)
            learn = self._differentiated if self._passes is None else self._begun
            carry, fresh, finished, work, targets, scalars = learn(objective, carry, seed, drawn)
            if self._replay is not None:
                targets = targets.first(self.environment.num_envs)
            self.learner.observe(fresh, targets)
            self.environment.adapt(fresh)
            now = [scope.get_current_value(variable) for variable in self.own_statistics]
        moved = [old if new is None else new for old, new in zip(statistics, now, strict=True)]
        return _Member(carry, fresh, tf.stack(finished), work, targets, packed(scalars), moved)

    def _differentiated(
        self, objective: Objective, carry: Carry, seed: tf.Tensor, drawn: Any
    ) -> tuple[Carry, Trajectory, Finished, Any, Targets, Scalars]:
        """A rollout and the gradient of its loss."""
        learner = self.learner
        with tf.GradientTape() as tape:
            tape.watch([variable.value for variable in learner.trainable_variables])
            taped = (
                self._rollout.unrolls
                and TapedActing.supports(objective)
                and not learner.uses_behaviour
            )
            acting = TapedActing(objective) if taped else None
            behaviour = self._behaviour()
            if acting is not None:
                behaviour = behaviour._replace(act=acting)
            # Otherwise the gradient would also flow through how actions are sampled.
            with contextlib.nullcontext() if taped else tape.stop_recording():
                carry, fresh, finished = self._rollout.collect(
                    self.environment, behaviour, carry, seed
                )
            forward = acting.forward_pass(carry.observation) if acting else None
            loss = objective.whole_loss(self._joined(fresh, drawn), seed, forward)
        gradients, norm = learner.clipped(learner.differentiate(tape, loss.value))
        scalars = loss.scalars | {"gradient_norm": norm}
        return carry, fresh, finished, gradients, loss.targets, scalars

    def _begun(
        self, objective: Objective, carry: Carry, seed: tf.Tensor, drawn: Any
    ) -> tuple[Carry, Trajectory, Finished, Any, Targets, Scalars]:
        """A rollout and what passes over it start from."""
        assert self._passes is not None
        carry, fresh, finished = self._rollout.collect(
            self.environment, self._behaviour(), carry, seed
        )
        plan, place, targets, scalars = self._passes.begin(
            objective, self._joined(fresh, drawn), seed
        )
        return carry, fresh, finished, (plan, place), targets, scalars

    def _pass_all(
        self, work: Any, steps: tf.Tensor, statistics: list[tf.Tensor], rate: tf.Tensor
    ) -> Scalars:
        """Takes the steps of the passes in every seed; returns the means of their scalars, [S]."""
        passes, learner = self._passes, self.learner
        assert passes is not None
        plan, first = work

        def step(place: Any, t: tf.Tensor) -> tuple[Any, Packed]:
            def gradients(inputs: tuple[Any, ...]) -> tuple[Any, list[tf.Tensor], Packed]:
                plan, place, steps, trainable, statistics = inputs
                objective = dataclasses.replace(learner.objective, steps=steps)
                with self._substituted(trainable, statistics):
                    place, found, scalars = passes.gradients(learner, objective, plan, place, t)
                    found, norm = learner.clipped(found)
                return place, found, packed(scalars | {"gradient_norm": norm})

            inputs = (plan, place, steps, _values(self._trainable), statistics)
            place, found, scalars = tf.vectorized_map(gradients, inputs)
            self._optimizer.apply(found, self._trainable, rate)
            return place, scalars

        count = passes.most_steps
        _, rows = scan_while(step, lambda place, t: t < count, first, count)
        return {name: tf.reduce_mean(x, axis=0) for name, x in _columns(rows).items()}

    def _joined(self, fresh: Trajectory, drawn: Any) -> Trajectory:
        if self._replay is None:
            return fresh
        taken, filled = drawn
        return fresh.beside(self._replay.beside(taken, filled, fresh))

    @contextlib.contextmanager
    def _substituted(
        self, trainable: list[tf.Tensor], statistics: list[tf.Tensor]
    ) -> Iterator[keras.StatelessScope]:
        variables = [*self.learner.trainable_variables, *self.own_statistics]
        mapping = list(zip(variables, [*trainable, *statistics], strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            yield scope

    def _behaviour(self) -> Behaviour:
        return Behaviour.of(
            self.learner.policy, self.environment.num_envs, self.learner.uses_behaviour
        )

    def _learning_rate(self, steps: tf.Tensor) -> tf.Tensor:
        schedule = self.learner.optimizer._learning_rate
        if isinstance(schedule, OverEnvironmentSteps):
            return schedule.at(steps)
        return tf.convert_to_tensor(self.learner.optimizer.learning_rate)


def _values(variables: list[keras.Variable]) -> list[tf.Tensor]:
    return [variable.value.value() for variable in variables]


def _columns(together: Packed) -> Scalars:
    names, values = unpacked(together)
    return dict(zip(names, tf.unstack(values, axis=-1), strict=True))
