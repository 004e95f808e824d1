"""The learner that A3C's workers share: evaluated at θ′, updated at θ."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pgtf.graph import parameters
from pgtf.graph.compilation import Compilation
from pgtf.graph.finite import float_variables, undone_unless_finite
from pgtf.graph.packing import Packed, packed
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.learner import Learner
from pgtf.learning.targets import Targets
from pgtf.losses import Scalars
from pgtf.policies.decision import Actor, Decision
from pgtf.rollouts.exploration import Exploration, ExploringPolicy
from pgtf.trajectory import Trajectory

# Maps gradients, a trajectory and its targets to the gradients' norm and the learning rate.
Update = Callable[[list[tf.Tensor], Trajectory, Targets], Packed]


class Traits(NamedTuple):
    """The scalars in which workers differ.

    Attributes:
        level: of the exploration.
        entropy_coefficient: β.
    """

    level: tf.Tensor
    entropy_coefficient: tf.Tensor


class Experience(NamedTuple):
    """Gradients and metrics of a rollout, at the parameters θ′ that collected it.

    Attributes:
        gradients: by θ′, one for each of the learner's ``trainable_variables``.
        scalars: of the loss.
        targets: of the rollout.
    """

    gradients: list[tf.Tensor]
    scalars: Packed
    targets: Targets


class SharedLearner:
    """A built learner behind functions that every worker's graph calls.

    They are traced and compiled once for any number of workers: everything that differs between
    workers is an argument. Acting and differentiating read no variable, only the values passed in
    (only ``GradientVariance`` reads the count of updates). XLA locks the variables that a program
    writes until it ends. The update writes, so it is not compiled, and workers do not wait for each
    other there.

    Args:
        learner: built.
        exploration: of the workers; None for the policy as it is.
        own_entropy: whether workers have an entropy coefficient of their own.
        lock: whether one update at a time is applied.
        compilation: whether XLA compiles acting, and what compiled environments do.
        static: whether all trajectories have one shape, so that XLA can compile their loss too.
        undoes: whether updates that leave a number which is not finite are undone; they wait for
            each other then, as the old values must be those of before this update alone.
    """

    def __init__(
        self,
        learner: Learner,
        exploration: Exploration | None,
        own_entropy: bool,
        lock: bool,
        compilation: Compilation,
        static: bool,
        undoes: bool,
    ):
        self.learner = learner
        self.weights = learner.weights
        self.stop = tf.Variable(False, trainable=False, name="stop")
        self.compilation = compilation
        self._exploration = exploration
        self._entropy = own_entropy or learner.objective.entropy_bonus is not None
        self._undoes = undoes
        self._lock = tf.CriticalSection(name="update") if lock or undoes else None
        self.act = compilation.function(self._act)
        self.experience = compilation.function(self._experience, static)

    def entropy_coefficient(self, own: EntropyBonus | None) -> tf.Tensor:
        """Returns β now: a worker's own, or the learner's; 0 where there is none."""
        bonus = own or self.learner.objective.entropy_bonus
        return tf.constant(0.0) if bonus is None else bonus.coefficient(self.learner.steps)

    def updates_with(self, optimizer: keras.optimizers.Optimizer) -> Update:
        """Returns the function that applies gradients and completes the update.

        Args:
            optimizer: built; its statistics are moved.
        """
        learner = self.learner
        _count_atomically(optimizer)
        floats = [*float_variables({"learner": learner, "optimizer": optimizer}).values()]

        def update(gradients: list[tf.Tensor], trajectory: Trajectory, targets: Targets) -> Packed:
            def moved() -> Scalars:
                scalars = learner.apply(gradients, optimizer)
                learner.fit(trajectory, targets)
                learner.observe(trajectory, targets)
                return scalars

            # Counters do not depend on gradients, and would count a rollout that fails midway.
            with tf.control_dependencies(gradients):
                if self._undoes:
                    scalars, kept = undone_unless_finite(floats, moved)
                    scalars |= {"skipped": 1.0 - tf.cast(kept, tf.float32)}
                else:
                    scalars = moved()
                learner.steps.assign_add(tf.cast(tf.reduce_sum(trajectory.mask), tf.int64))
            return packed(scalars)

        traced = tf.function(update, autograph=False)
        lock = self._lock
        if lock is None:
            return traced
        return lambda *inputs: lock.execute(lambda: traced(*inputs))

    def _policy(self, traits: Traits) -> Actor:
        policy = self.learner.policy
        if self._exploration is None:
            return policy
        return ExploringPolicy(policy, self._exploration, traits.level)

    def _act(
        self,
        values: list[tf.Tensor],
        traits: Traits,
        observation: Any,
        memory: Any,
        seed: tf.Tensor,
    ) -> Decision:
        """Samples an action of the policy with parameters θ′; see ``Policy.act``."""
        with parameters.substituted(self.weights, values):
            policy = self._policy(traits)
            return policy.act(observation, memory, seed, self.learner.uses_behaviour)

    def _experience(
        self, values: list[tf.Tensor], traits: Traits, trajectory: Trajectory, seed: tf.Tensor
    ) -> Experience:
        """Differentiates the loss of a rollout by θ′; see ``Learner.gradients``."""
        objective = dataclasses.replace(self.learner.objective, policy=self._policy(traits))
        if self._entropy:
            bonus = EntropyBonus(traits.entropy_coefficient)
            objective = dataclasses.replace(objective, entropy_bonus=bonus)
        with parameters.substituted(self.weights, values):
            gradients, scalars, targets = self.learner.gradients(trajectory, seed, objective)
        return Experience(gradients, packed(scalars), targets)


def _count_atomically(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer count its iterations in one operation, so that no worker's is lost.

    Keras reads the counter and then writes it. Its updates of the weights are already atomic.
    """
    iterations = optimizer.iterations
    iterations.assign_add = iterations.value.assign_add
