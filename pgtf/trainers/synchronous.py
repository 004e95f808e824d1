"""A2C and its relatives: B environments in lockstep, one update for each rollout."""

import time
from collections.abc import Mapping
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
from pgtf.graph.scan import scan_while
from pgtf.learning.learner import Learner
from pgtf.rollouts import place
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.replay import RecentRollouts
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Carry
from pgtf.trainers.call_length import CallLength
from pgtf.trainers.iteration import Iteration
from pgtf.trainers.recovery import Recovery
from pgtf.trainers.trainer import Report, Trainer, train_rows

_STEPS_PER_CALL = {False: 10_000, True: 50_000}  # by Environment.compiled


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

    Attributes:
        iteration: a rollout and its update, once built.
        carry: where the environments stand, once built.
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
        self.learner.build(self.environment.observation_space, self.environment.action_space)
        self.iteration = Iteration(
            self.learner,
            self.environment,
            self.rollout,
            self.replay,
            self.compilation,
            self.undoes_updates,
            seed,
        )
        self.carry = self._start()
        self._within = False
        self._saved_carry: list[tf.Variable] = []
        if self.environment.compiled:
            self._saved_carry = [tf.Variable(leaf) for leaf in tf.nest.flatten(self.carry)]
        self._trace()

    def build_policy(self) -> dict[str, Any]:
        """Makes the learner's variables; see ``Trainer.build_policy``."""
        self.learner.build(self.environment.observation_space, self.environment.action_space)
        return {"learner": self.learner} | self.environment_statistics()

    def _trace(self) -> None:
        self._once = self.iteration.traced(self.carry)
        self._several = None
        if self.rollout.static(self.environment):
            batch = self._once.structured_outputs[3]["train/advantages"].shape.num_elements()
            self._most = max(1, _STEPS_PER_CALL[self.environment.compiled] // batch)
            self._length = CallLength(self._most)
            compiled = self.environment.compiled
            self._several = self.compilation.function(self._iterate_several, compiled)

    def saving(self) -> dict[str, Any]:
        """Copies the state of compiled environments into variables, and returns that of others."""
        for variable, value in zip(self._saved_carry, tf.nest.flatten(self.carry), strict=False):
            variable.assign(value)
        stand = not self._saved_carry and not self._within
        there = place.noted(self.environment, self.carry) if stand else {}
        return there | self._recovery.saving()

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Restores the state of environments; where there is none, new episodes begin."""
        self._recovery.restored(saved)
        if self._saved_carry:
            self.carry = tf.nest.pack_sequence_as(
                self.carry, [tf.identity(variable) for variable in self._saved_carry]
            )
        else:
            there = place.returned(self.environment, saved, self.carry)
            self.carry = self._start() if there is None else there

    def iterate(self, limit: int) -> Report:
        """Trains for a moment; see ``Trainer.iterate``."""

        def attempt() -> Report:
            return self.compilation.run(lambda: self._iterate(limit), self._restart)

        self._within = True  # An environment that fails is further than the last carry.
        report = self._recovery.run(attempt, self.environment, self._start_again)
        self._within = False
        return report

    def _start_again(self) -> None:
        self.carry = self._start()

    def _restart(self) -> None:
        """Traces again, after XLA failed and before anything was learned."""
        self._trace()
        if not self.environment.compiled:
            self.carry = self._start()  # The steps of the failed call are lost.

    def _iterate(self, limit: int) -> Report:
        if self._several is not None:
            bounds = np.asarray(limit, np.int64), np.asarray(self._bound(), np.float64)
            self.carry, turns, metrics, episodes, histograms = self._several(
                self.carry, *map(tf.convert_to_tensor, bounds)
            )
            count = int(turns)
            self._length.took(count)
        else:
            self.carry, *once, histograms = self._once(self.carry)
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
        buffer = self.iteration.buffer
        own |= {"replay": buffer} if buffer is not None else {}
        return own | self.environment_statistics()

    def _start(self) -> Carry:
        # Not the seeds of the episodes that have failed, where that was before the next update.
        return self.iteration.start(self.learner.updates + self._recovery.failures)

    def _iterate_several(self, carry: Carry, limit: tf.Tensor, bound: tf.Tensor) -> tuple[Any, ...]:
        most, outputs = self._most, self._once.structured_outputs
        empty = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), outputs[3])

        def once(place: tuple[Carry, tf.Tensor, Any], t: tf.Tensor) -> tuple[Any, Any]:
            carry, scalars, episodes, histograms = self._once(place[0])
            return (carry, t + 1, histograms), (scalars, episodes)

        (carry, count, histograms), (scalars, episodes) = scan_while(
            once,
            lambda place, t: (t < most) & (self.steps < limit) & self._in_time(t, bound),
            (carry, tf.constant(0), empty),
            most if self.environment.compiled else None,
        )
        return carry, count, scalars, episodes, histograms
