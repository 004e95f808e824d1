"""A2C and its relatives: B environments in lockstep, one update for each rollout."""

import functools
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import gin
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import CountOrZero
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.graph.compilation import Compilation
from pgtf.graph.finite import float_variables, undone_unless_finite
from pgtf.graph.packing import Packed, packed
from pgtf.graph.scan import scan_while
from pgtf.learning.acting import TapedActing
from pgtf.learning.learner import Learner
from pgtf.learning.targets import Targets
from pgtf.losses import Scalars
from pgtf.policies.decision import Decision
from pgtf.rollouts import place
from pgtf.rollouts.collector import Collector, stream
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.replay import RecentRollouts, ReplayBuffer, rollout_spec
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour, Carry, Finished, Played, assembled
from pgtf.trainers.call_length import CallLength
from pgtf.trainers.recovery import Recovery
from pgtf.trainers.trainer import Report, Trainer, train_rows
from pgtf.trajectory import Trajectory

_STEPS_PER_CALL = {False: 2_000, True: 50_000}  # by Environment.compiled
# With fewer copies the small operations of a taped rollout cost more than a second forward pass.
_COPIES_TO_TAPE = 24


@gin.register
class SynchronousTrainer(Trainer):
    """Alternates between a rollout of every environment and an update.

    Rollout and update are one graph, and one call runs several iterations, so Python only steps
    Gymnasium environments.

    Args:
        learner: policy, critic, baseline and how they learn.
        environment: B environments.
        rollout: ``Rollouts`` of T steps, or whole ``Episodes``.
        replay: ``RecentRollouts`` that are learned from beside each fresh one; None for none.
        max_environment_failures: how many failures of environments, since the run was started or
            resumed, it survives; each time all copies are rebuilt, and the rollout is lost.
        jit_compile: whether XLA compiles acting and learning; faster for small dense networks,
            slower for convolutions.
    """

    learner: Learner

    @checked
    def __init__(
        self,
        learner: Learner | None = None,
        environment: Environment | None = None,
        rollout: Rollouts | Episodes | None = None,
        jit_compile: bool = True,
        replay: RecentRollouts | None = None,
        max_environment_failures: CountOrZero = 0,
    ):
        self.learner = learner or Learner()
        self.environment = environment or GymEnvironment()
        self.rollout = rollout or Rollouts()
        self.replay = replay
        self._recovery = Recovery(max_environment_failures)
        self.compilation = Compilation(jit_compile, "SynchronousTrainer.jit_compile")
        self.policy = self.learner.policy
        self.steps = self.learner.steps
        self.updates = self.learner.updates
        self.horizon = self.learner.horizon

    def build(self, seed: int) -> None:
        """Makes every variable, starts the environments and traces the graph."""
        environment = self.environment
        self.learner.build(environment.observation_space, environment.action_space)
        initial = self.policy.initial_memory(environment.num_envs)
        self._collector = Collector(environment, self.rollout, self._decide, initial, stream(seed))
        self._taped = (
            environment.compiled
            and environment.num_envs >= _COPIES_TO_TAPE
            and self.rollout.unrolled_steps is not None
            and self.learner.optimization.one_gradient
            and not self.learner.uses_behaviour
            and TapedActing.supports(self.learner.objective)
        )
        self._buffer = self._built_buffer()
        self._carry = self._start()
        self._within = False
        self._saved_carry: list[tf.Variable] = []
        if environment.compiled:
            self._saved_carry = [tf.Variable(leaf) for leaf in tf.nest.flatten(self._carry)]
        self._trace()

    def build_policy(self) -> dict[str, Any]:
        """Makes the learner's variables; see ``Trainer.build_policy``."""
        self.learner.build(self.environment.observation_space, self.environment.action_space)
        return {"learner": self.learner} | self.environment_statistics()

    def _built_buffer(self) -> ReplayBuffer | None:
        if self.replay is None:
            return None
        environment, rollout = self.environment, self.rollout
        self.replay.check(self.learner, rollout, environment)
        behaviour = Behaviour.of(self.policy, environment.num_envs, self.learner.uses_behaviour)
        return ReplayBuffer(self.replay, rollout_spec(environment, rollout, behaviour))

    def _trace(self) -> None:
        function = self.compilation.function
        act = functools.partial(self.policy.act, with_log_prob=self.learner.uses_behaviour)
        self._act = function(act)
        static = self.rollout.static(self.environment)
        self._learn = function(self._update, static)
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), self._carry)
        self._iteration = tf.function(self._iterate_once, autograph=False).get_concrete_function(
            specs
        )
        self._several = None
        if static:
            batch = self._iteration.structured_outputs[3]["train/advantages"].shape.num_elements()
            self._most = max(1, _STEPS_PER_CALL[self.environment.compiled] // batch)
            self._length = CallLength(self._most)
            self._several = function(self._iterate_several, self.environment.compiled)

    def saving(self) -> dict[str, Any]:
        """Copies the state of compiled environments into variables, and returns that of others."""
        for variable, value in zip(self._saved_carry, tf.nest.flatten(self._carry), strict=False):
            variable.assign(value)
        stand = not self._saved_carry and not self._within
        there = place.noted(self.environment, self._carry) if stand else {}
        return there | self._recovery.saving()

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Restores the state of environments; where there is none, new episodes begin."""
        self._recovery.restored(saved)
        if self._saved_carry:
            self._carry = tf.nest.pack_sequence_as(
                self._carry, [tf.identity(variable) for variable in self._saved_carry]
            )
        else:
            there = place.returned(self.environment, saved, self._carry)
            self._carry = self._start() if there is None else there

    def iterate(self, limit: int) -> Report:
        """Trains for a moment; see ``Trainer.iterate``."""

        def attempt() -> Report:
            return self.compilation.run(lambda: self._iterate(limit), self._restart)

        self._within = True  # An environment that fails is further than the last carry.
        report = self._recovery.run(attempt, self.environment, self._start_again)
        self._within = False
        return report

    def _start_again(self) -> None:
        self._carry = self._start()

    def _restart(self) -> None:
        """Traces again, after XLA failed and before anything was learned."""
        self._trace()
        if not self.environment.compiled:
            self._carry = self._start()  # The steps of the failed call are lost.

    def _iterate(self, limit: int) -> Report:
        if self._several is not None:
            bounds = np.asarray(limit, np.int64), np.asarray(self._bound(), np.float64)
            self._carry, turns, metrics, episodes, histograms = self._several(
                self._carry, *map(tf.convert_to_tensor, bounds)
            )
            count = int(turns)
            self._length.took(count)
        else:
            self._carry, *once, histograms = self._iteration(self._carry)
            metrics, episodes = tf.nest.map_structure(lambda x: x[tf.newaxis], once)
            count = 1
        return Report(
            train_rows(metrics, count),
            episodes.numpy()[:count],
            {k: v.numpy() for k, v in histograms.items()},
            self._recovery.counts(),
        )

    def _bound(self) -> float:
        """What ends a call of several iterations: their number, or a moment (see ``_in_time``)."""
        turns = self._length.next(self.call_seconds)
        return turns if self.environment.compiled else time.time() + self.call_seconds

    def _in_time(self, t: tf.Tensor, bound: tf.Tensor) -> tf.Tensor:
        if self.environment.compiled:
            return tf.cast(t, tf.float64) < bound
        return (t < 1) | (tf.timestamp() < bound)

    def warnings(self) -> list[str]:
        """Returns the rollout's warnings about the returns; see ``Trainer.warnings``."""
        return self.rollout.warnings(self.learner.objective.returns)

    def trackables(self) -> dict[str, Any]:
        """Returns the learner, its data, and where compiled environments and adapters stand."""
        carry = {f"leaf{i}": variable for i, variable in enumerate(self._saved_carry)}
        own = {"learner": self.learner} | ({"carry": carry} if carry else {})
        own |= {"replay": self._buffer} if self._buffer is not None else {}
        return own | self.environment_statistics()

    def _decide(self, values: None, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        del values  # The variables as they are.
        return self._act(observation, memory, seed)

    def _start(self) -> Carry:
        # Not the seeds of the episodes that have failed, where that was before the next update.
        count = self.learner.updates + self._recovery.failures
        return tf.function(self._collector.start, autograph=False)(count)

    def _iterate_once(self, carry: Carry) -> tuple[Carry, Packed, tf.Tensor, Any]:
        seed = self._collector.seed(self.learner.updates)
        if self._taped:
            carry, action, episodes, scalars, advantage = self._learn_while_acting(carry, seed)
        else:
            played = self._collector.play(None, carry, seed)
            carry, action, episodes, scalars, advantage = self._learn(played, seed)
        histograms = {"train/advantages": advantage}
        for i, leaf in enumerate(tf.nest.flatten(action)):
            histograms[f"train/actions_{i}" if i else "train/actions"] = leaf
        return carry, scalars, episodes, histograms

    def _learn_while_acting(self, carry: Carry, seed: tf.Tensor) -> tuple[Any, ...]:
        """A rollout and its update, with the gradient taped through the rollout itself."""
        learner = self.learner
        with tf.GradientTape() as tape:
            acting = TapedActing(learner.objective)
            carry, trajectory, finished = self.rollout.collect(
                self.environment, Behaviour(acting), carry, seed
            )
            forward = acting.forward_pass(carry.observation)
            loss = learner.objective.whole_loss(trajectory, seed, forward)

        def update() -> tuple[Scalars, Targets]:
            scalars = loss.scalars | learner.measured(trajectory, loss.targets)
            scalars |= learner.apply(learner.differentiate(tape, loss.value))
            learner.fit(trajectory, loss.targets)
            learner.observe(trajectory, loss.targets)
            return scalars, loss.targets

        return self._learned(carry, trajectory, finished, update)

    def _update(self, played: Played, seed: tf.Tensor) -> tuple[Any, ...]:
        """Learns from a rollout of environments that are not compiled."""
        carry, trajectory, finished = assembled(played)

        def update() -> tuple[Scalars, Targets]:
            if self._buffer is None:
                return self.learner.update(trajectory, seed)
            taken, filled, age = self._buffer.taken(seed)
            replayed = self._buffer.replay.beside(taken, filled, trajectory)
            scalars, targets = self.learner.update(trajectory, seed, replayed)
            self._buffer.add(trajectory)
            return scalars | {"replay_age": age}, targets

        # Counters do not follow from the rollout and wait for it all the same: it may fail.
        with self.compilation.after(trajectory.reward):
            return self._learned(carry, trajectory, finished, update)

    def _learned(
        self,
        carry: Carry,
        trajectory: Trajectory,
        finished: Finished,
        update: Callable[[], tuple[Scalars, Targets]],
    ) -> tuple[Any, ...]:
        """Takes an update, moves the environment's statistics and counts the steps."""

        def moved() -> tuple[Scalars, Targets]:
            result = update()
            self.environment.adapt(trajectory)
            return result

        if self.undoes_updates:
            learned = float_variables({"learner": self.learner} | self.environment_statistics())
            (scalars, targets), kept = undone_unless_finite([*learned.values()], moved)
            scalars |= {"skipped": 1.0 - tf.cast(kept, tf.float32)}
        else:
            scalars, targets = moved()
        self.steps.assign_add(tf.cast(tf.reduce_sum(trajectory.mask), tf.int64))
        return carry, trajectory.action, tf.stack(finished), packed(scalars), targets.advantage

    def _iterate_several(self, carry: Carry, limit: tf.Tensor, bound: tf.Tensor) -> tuple[Any, ...]:
        most, outputs = self._most, self._iteration.structured_outputs
        empty = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), outputs[3])

        def once(place: tuple[Carry, tf.Tensor, Any], t: tf.Tensor) -> tuple[Any, Any]:
            carry, scalars, episodes, histograms = self._iteration(place[0])
            return (carry, t + 1, histograms), (scalars, episodes)

        (carry, count, histograms), (scalars, episodes) = scan_while(
            once,
            lambda place, t: (t < most) & (self.steps < limit) & self._in_time(t, bound),
            (carry, tf.constant(0), empty),
            most if self.environment.compiled else None,
        )
        return carry, count, scalars, episodes, histograms
