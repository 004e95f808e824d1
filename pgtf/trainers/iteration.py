"""One iteration of the synchronous trainer: a rollout, and the update it leads to."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.graph.compilation import Compilation
from pgtf.graph.finite import float_variables, undone_unless_finite
from pgtf.graph.packing import Packed, packed
from pgtf.learning.acting import TapedActing
from pgtf.learning.learner import Learner
from pgtf.learning.targets import Targets
from pgtf.losses import Scalars
from pgtf.policies.decision import Decision
from pgtf.rollouts.collector import Collector, stream
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.replay import RecentRollouts, ReplayBuffer, rollout_spec
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour, Carry, Finished, Played, assembled
from pgtf.trajectory import Trajectory

# With fewer copies the small operations of a taped rollout cost more than a second forward pass.
_COPIES_TO_TAPE = 24


class Iteration:
    """Acts in B environments for one rollout and learns from it, as one function of the graph.

    Where all else allows it, the gradient is taped through the rollout itself, and nothing is
    computed twice. Otherwise the rollout is evaluated again, and rollouts of the buffer with it.

    Args:
        learner: built.
        environment: B environments.
        rollout: how much is collected at a time.
        replay: what is learned from beside each fresh rollout; None for nothing.
        compilation: whether XLA compiles acting and learning.
        undoes_updates: whether an update that leaves numbers not finite is undone.
        seed: of the random stream.

    Attributes:
        buffer: of recent rollouts, or None.
        collector: of the fresh ones.
        taped: whether the gradient is taped through the rollout.

    Raises:
        ConfigurationError: the learner or the rollouts do not fit the buffer.
    """

    def __init__(
        self,
        learner: Learner,
        environment: Environment,
        rollout: Rollouts | Episodes,
        replay: RecentRollouts | None,
        compilation: Compilation,
        undoes_updates: bool,
        seed: int,
    ):
        self._learner = learner
        self._environment = environment
        self._rollout = rollout
        self._compilation = compilation
        self._undoes_updates = undoes_updates
        behaviour = Behaviour.of(learner.policy, environment.num_envs, learner.uses_behaviour)
        self.collector = Collector(
            environment, rollout, self._decide, behaviour.initial, stream(seed)
        )
        self.taped = (
            environment.compiled
            and environment.num_envs >= _COPIES_TO_TAPE
            and rollout.unrolls
            and learner.optimization.one_gradient
            and not learner.uses_behaviour
            and TapedActing.supports(learner.objective)
        )
        self.buffer = None
        if replay is not None:
            replay.check(learner, rollout, environment)
            self.buffer = ReplayBuffer(replay, rollout_spec(environment, rollout, behaviour))

    def start(self, count: tf.Tensor) -> Carry:
        """Begins new episodes in every environment, with the seed of the ``count``-th rollout."""
        return tf.function(self.collector.start, autograph=False)(count)

    def traced(self, carry: Carry) -> Any:
        """Returns the iteration as a concrete function, with XLA where it is still wanted.

        Args:
            carry: where environments may stand, for the types and shapes.

        Returns:
            A function of where the environments stand. It returns where they stand now, the
            scalars, the episodes that ended [3], and TensorBoard tag to histogram's values.
        """
        function = self._compilation.function
        with_log_prob = self._learner.uses_behaviour
        self._act = function(
            functools.partial(self._learner.policy.act, with_log_prob=with_log_prob)
        )
        self._learn = function(self._update, self._rollout.static(self._environment))
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), carry)
        return tf.function(self._once, autograph=False).get_concrete_function(specs)

    def _decide(self, values: None, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        del values  # The variables as they are.
        return self._act(observation, memory, seed)

    def _once(self, carry: Carry) -> tuple[Carry, Packed, tf.Tensor, Any]:
        seed = self.collector.seed(self._learner.updates)
        if self.taped:
            carry, action, episodes, scalars, advantage = self._learn_while_acting(carry, seed)
        else:
            played = self.collector.play(None, carry, seed)
            carry, action, episodes, scalars, advantage = self._learn(played, seed)
        histograms = {"train/advantages": advantage}
        for i, leaf in enumerate(tf.nest.flatten(action)):
            histograms[f"train/actions_{i}" if i else "train/actions"] = leaf
        return carry, scalars, episodes, histograms

    def _learn_while_acting(self, carry: Carry, seed: tf.Tensor) -> tuple[Any, ...]:
        """A rollout and its update, with the gradient taped through the rollout itself."""
        learner = self._learner
        with tf.GradientTape() as tape:
            acting = TapedActing(learner.objective)
            initial = learner.policy.initial_memory(self._environment.num_envs)
            carry, trajectory, finished = self._rollout.collect(
                self._environment, Behaviour(acting, initial), carry, seed
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
            if self.buffer is None:
                return self._learner.update(trajectory, seed)
            taken, filled, age = self.buffer.taken(seed)
            replayed = self.buffer.replay.beside(taken, filled, trajectory)
            scalars, targets = self._learner.update(trajectory, seed, replayed)
            self.buffer.add(trajectory)
            return scalars | {"replay_age": age}, targets

        # Counters do not follow from the rollout and wait for it all the same: it may fail.
        with self._compilation.after(trajectory.reward):
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
            self._environment.adapt(trajectory)
            return result

        if self._undoes_updates:
            learned = float_variables(
                {"learner": self._learner, "environment": list(self._environment.variables)}
            )
            (scalars, targets), kept = undone_unless_finite([*learned.values()], moved)
            scalars |= {"skipped": 1.0 - tf.cast(kept, tf.float32)}
        else:
            scalars, targets = moved()
        self._learner.steps.assign_add(tf.cast(tf.reduce_sum(trajectory.mask), tf.int64))
        return carry, trajectory.action, tf.stack(finished), packed(scalars), targets.advantage
