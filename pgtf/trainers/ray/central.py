"""The learner that actors work for: it applies their gradients, or learns from their rollouts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.graph import parameters
from pgtf.graph.compilation import Compilation
from pgtf.graph.finite import float_variables, undone_unless_finite
from pgtf.graph.packing import packed, unpacked
from pgtf.learning.learner import Learner
from pgtf.learning.targets import Targets
from pgtf.losses import Scalars
from pgtf.rollouts.collector import stream
from pgtf.trainers.ray.delivery import Delivery, Layout, beside, side_by_side, weighted
from pgtf.trajectory import Trajectory


class CentralLearner:
    """A built learner behind functions of arrays.

    Args:
        learner: built.
        environment: whose statistics are moved.
        compilation: whether XLA compiles what is learned from whole rollouts.
        static: whether all rollouts have one shape.
        undoes: whether an update that leaves numbers not finite is undone.
        seed: the run's.

    Attributes:
        layout: of the deliveries; set before the first one.
    """

    layout: Layout

    def __init__(
        self,
        learner: Learner,
        environment: Environment,
        compilation: Compilation,
        static: bool,
        undoes: bool,
        seed: int,
    ):
        self._learner = learner
        self._environment = environment
        self._compilation = compilation
        self._static = static
        self._undoes = undoes
        self._seed = seed
        self.trace()

    def trace(self) -> None:
        """Forgets the graphs, which are traced at the next call: XLA has failed on one."""
        step = self._compilation.function(self._learn, self._static)
        # Rollouts of whole episodes differ in length.
        self._learned = tf.function(step, autograph=False, reduce_retracing=True)
        self._applied = tf.function(self._apply, autograph=False, reduce_retracing=True)

    def values(self) -> list[np.ndarray]:
        """Returns every parameter, and then the counts of environment steps and of updates."""
        learner = self._learner
        variables = [*learner.weights, *self._environment.variables]
        return [np.asarray(x) for x in [*variables, learner.steps, learner.updates]]

    def apply(self, deliveries: Sequence[Delivery]) -> dict[str, float]:
        """Takes one step along the gradients of one or more actors.

        Args:
            deliveries: at the same parameters, in the order of the actors.

        Returns:
            Scalars to log by name; those of the loss are means over what it is a mean over.
        """
        counted = [each.counted for each in deliveries]
        gradient = weighted([each.gradient for each in deliveries], counted)
        steps = np.int64(sum(each.steps for each in deliveries))
        data: Any = ()
        if deliveries[0].data:
            nests = [tf.nest.pack_sequence_as(self.layout.data, each.data) for each in deliveries]
            trajectories, targets = zip(*nests, strict=True)
            data = (beside(trajectories), [side_by_side(x) for x in zip(*targets, strict=True)])
        names, values = unpacked(self._applied(gradient, steps, data))
        # Where nothing was learned from, losses are 0 and what is left is a plain mean.
        known = counted if sum(counted) else [1.0] * len(deliveries)
        of_loss = weighted([each.scalars for each in deliveries], known)
        return dict(zip(self.layout.names, of_loss.tolist(), strict=True)) | dict(
            zip(names, values.numpy().tolist(), strict=True)
        )

    def learn(
        self, delivery: Delivery, actor: int, number: int
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Learns from one actor's rollout.

        Args:
            delivery: with a trajectory.
            actor: whose.
            number: of the rollout in the actor's random stream.

        Returns:
            Scalars to log, and histograms, by name.
        """
        trajectory = tf.nest.pack_sequence_as(self.layout.data, delivery.data)
        root = np.asarray(stream(self._seed, actor), np.int32)

        def learned() -> Any:
            return self._learned(trajectory, root, np.int32(number))

        scalars, advantage = self._compilation.run(learned, self.trace)
        names, values = unpacked(scalars)
        arrays = [advantage.numpy(), *tf.nest.flatten(trajectory.action)]
        return dict(zip(names, values.numpy().tolist(), strict=True)), dict(
            zip(self.layout.tags, arrays, strict=True)
        )

    def _apply(self, gradient: tf.Tensor, steps: tf.Tensor, data: Any) -> Any:
        learner = self._learner
        gradients = parameters.unflattened(gradient, learner.trainable_variables)

        def move() -> tuple[Scalars, tuple[()]]:
            scalars = learner.apply(gradients)
            if data:
                trajectory, (returns, estimate, advantage, mask) = data
                weight, share = learner.objective.step_weights(trajectory)
                targets = Targets(returns, estimate, advantage, mask, weight, share)
                learner.fit(trajectory, targets)
                learner.observe(trajectory, targets)
                self._environment.adapt(trajectory)
            return scalars, ()

        scalars, _ = self._moved(move)
        learner.steps.assign_add(tf.cast(steps, tf.int64))
        return packed(scalars)

    def _learn(self, trajectory: Trajectory, root: tf.Tensor, number: tf.Tensor) -> Any:
        seed = tf.random.experimental.stateless_fold_in(root, number)

        def move() -> tuple[Scalars, tf.Tensor]:
            scalars, targets = self._learner.update(trajectory, seed)
            self._environment.adapt(trajectory)
            return scalars, targets.advantage

        scalars, advantage = self._moved(move)
        self._learner.steps.assign_add(tf.cast(tf.reduce_sum(trajectory.mask), tf.int64))
        return packed(scalars), advantage

    def _moved(self, move: Callable[[], tuple[Scalars, Any]]) -> tuple[Scalars, Any]:
        """Takes an update, and undoes it where that is asked for."""
        if not self._undoes:
            return move()
        learned = float_variables(
            {"learner": self._learner, "environment": list(self._environment.variables)}
        )
        (scalars, rest), kept = undone_unless_finite([*learned.values()], move)
        return scalars | {"skipped": 1.0 - tf.cast(kept, tf.float32)}, rest
