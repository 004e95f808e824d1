"""A2C and its relatives: B environments in step, one update for each rollout."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import gin
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.graph.compilation import Compilation
from pgtf.graph.scan import UNROLLED, scan_while
from pgtf.learning.acting import TapedActing
from pgtf.learning.diagnostics import tags
from pgtf.learning.learner import Learner
from pgtf.learning.objective import Metrics
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Carry, Played, assembled, start
from pgtf.trainers.trainer import Report, Trainer

_STEPS_PER_CALL = {False: 2_000, True: 50_000}  # by Environment.compiled


@gin.register
class SynchronousTrainer(Trainer):
    """Collects a rollout of every environment, updates, and begins again.

    Rollout and update are one graph, and several iterations are one call into it, so that Python
    is entered only to step Gymnasium environments.

    Args:
        learner: policy, critic, baseline and how they learn.
        environment: B environments.
        rollout: ``Rollouts`` of T steps, or whole ``Episodes``.
        jit_compile: whether XLA compiles acting and learning; it pays for small dense networks and
            costs for convolutions.
    """

    learner: Learner

    def __init__(
        self,
        learner: Learner | None = None,
        environment: Environment | None = None,
        rollout: Rollouts | Episodes | None = None,
        jit_compile: bool = True,
    ):
        self.learner = learner or Learner()
        self.environment = environment or GymEnvironment()
        self.rollout = rollout or Rollouts()
        self.compilation = Compilation(jit_compile, "SynchronousTrainer.jit_compile")
        self.policy = self.learner.policy
        self.steps = self.learner.steps
        self.horizon = self.learner.horizon

    def build(self, seed: int) -> None:
        """Makes every variable, starts the environments and traces the graph."""
        environment = self.environment
        self.learner.build(environment.observation_space, environment.action_space)
        self._seed = tf.constant(seeded(seed))
        self._names: list[str] = []
        self._taped = (
            environment.compiled
            and isinstance(self.rollout, Rollouts)
            and self.rollout.num_steps <= UNROLLED
            and TapedActing.supports(self.learner)
        )
        self._carry = self._start()
        self._saved_carry: list[tf.Variable] = []
        if environment.compiled:
            self._saved_carry = [tf.Variable(leaf) for leaf in tf.nest.flatten(self._carry)]
        self._trace()

    def build_policy(self) -> dict[str, Any]:
        """Makes the learner's variables; see ``Trainer.build_policy``."""
        self.learner.build(self.environment.observation_space, self.environment.action_space)
        return {"learner": self.learner}

    def _trace(self) -> None:
        function = self.compilation.function
        self._act = function(self.policy.act)
        static = self.rollout.static(self.environment)
        self._learn = function(self._update, static)
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), self._carry)
        self._iteration = tf.function(self._iterate_once, autograph=False).get_concrete_function(
            specs
        )
        self._several = None
        if static:
            self._several = function(self._iterate_several, self.environment.compiled)

    def saving(self) -> dict[str, Any]:
        """Copies where compiled environments stand into the checkpoint's variables."""
        for variable, value in zip(self._saved_carry, tf.nest.flatten(self._carry), strict=False):
            variable.assign(value)
        return {}

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Goes on where compiled environments stood.

        Others start new episodes, with another seed than the first ones had.
        """
        del saved
        if self._saved_carry:
            self._carry = tf.nest.pack_sequence_as(
                self._carry, [tf.identity(variable) for variable in self._saved_carry]
            )
        else:
            self._carry = self._start()

    def iterate(self, limit: int) -> Report:
        """Trains for a moment; see ``Trainer.iterate``."""
        return self.compilation.run(lambda: self._iterate(limit), self._restart)

    def _restart(self) -> None:
        """Traces again, after XLA failed and before anything was learned."""
        self._trace()
        if not self.environment.compiled:
            self._carry = self._start()  # The steps of the failed call are lost.

    def _iterate(self, limit: int) -> Report:
        if self._several is not None:
            self._carry, count, metrics, episodes, histograms = self._several(
                self._carry, tf.constant(limit, tf.int64)
            )
            scalars = metrics.numpy()[:count].mean(axis=0)
        else:
            self._carry, metrics, episodes, histograms = self._iteration(self._carry)
            scalars, episodes = metrics.numpy(), episodes[tf.newaxis]
        return Report(
            tags(self._names, scalars),
            episodes.numpy(),
            {k: v.numpy() for k, v in histograms.items()},
        )

    def warnings(self) -> list[str]:
        """Returns what the rollout says about the returns; see ``Trainer.warnings``."""
        return self.rollout.warnings(self.learner.returns)

    def trackables(self) -> dict[str, Any]:
        """Returns the learner, and where compiled environments stand."""
        carry = {f"leaf{i}": variable for i, variable in enumerate(self._saved_carry)}
        return {"learner": self.learner} | ({"carry": carry} if carry else {})

    def _fresh_seed(self) -> tf.Tensor:
        updates = tf.cast(self.learner.updates, tf.int32)
        return tf.random.experimental.stateless_fold_in(self._seed, updates)

    def _start(self) -> Carry:
        seed = self._fresh_seed()
        return tf.function(start, autograph=False)(self.environment, seed)

    def _iterate_once(self, carry: Carry) -> tuple[Carry, tf.Tensor, tf.Tensor, Any]:
        seed = self._fresh_seed()
        if self._taped:
            carry, action, episodes, scalars, advantage = self._learn_while_acting(carry, seed)
        else:
            played = self.rollout.play(self.environment, self._act, carry, seed)
            carry, action, episodes, scalars, advantage = self._learn(played, seed)
        histograms = {"train/advantages": advantage}
        for i, leaf in enumerate(tf.nest.flatten(action)):
            histograms[f"train/actions_{i}" if i else "train/actions"] = leaf
        return carry, scalars, episodes, histograms

    def _learn_while_acting(self, carry: Carry, seed: tf.Tensor) -> tuple[Any, ...]:
        """A rollout and its update, with the gradient taped through the rollout itself."""
        with tf.GradientTape() as tape:
            acting = TapedActing(self.learner)
            carry, trajectory, finished = self.rollout.collect(
                self.environment, acting, carry, seed
            )
            evaluation = acting.evaluation(carry.observation)
            loss, metrics = self.learner.loss(trajectory, seed, evaluation)
        metrics |= self.learner.apply(self.learner.differentiate(tape, loss))
        self.learner.finish(trajectory, metrics["returns"])
        return carry, trajectory.action, tf.stack(finished), *self._packed(metrics)

    def _update(self, played: Played, seed: tf.Tensor) -> tuple[Any, ...]:
        """Learns from a rollout of environments that XLA has no part in."""
        carry, trajectory, finished = assembled(played)
        metrics = self.learner.update(trajectory, seed)
        return carry, trajectory.action, tf.stack(finished), *self._packed(metrics)

    def _packed(self, metrics: Metrics) -> tuple[tf.Tensor, tf.Tensor]:
        """The scalar metrics as one tensor, which is cheaper to hand on, and the advantage."""
        self._names[:] = sorted(name for name, x in metrics.items() if not x.shape.rank)
        return tf.stack([metrics[name] for name in self._names]), metrics["advantage"]

    def _iterate_several(self, carry: Carry, limit: tf.Tensor) -> tuple[Any, ...]:
        outputs = self._iteration.structured_outputs
        batch = outputs[3]["train/advantages"].shape.num_elements()
        most = max(1, _STEPS_PER_CALL[self.environment.compiled] // batch)
        empty = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), outputs[3])

        def once(place: tuple[Carry, tf.Tensor, Any], t: tf.Tensor) -> tuple[Any, Any]:
            carry, scalars, episodes, histograms = self._iteration(place[0])
            return (carry, t + 1, histograms), (scalars, episodes)

        (carry, count, histograms), (scalars, episodes) = scan_while(
            once,
            lambda place, t: (t < most) & (self.steps < limit),
            (carry, tf.constant(0), empty),
            most if self.environment.compiled else None,
        )
        return carry, count, scalars, episodes, histograms


def seeded(seed: int) -> list[int]:
    """The root of a run's stateless random numbers, int32 [2]."""
    return [seed, 0x5EED]
