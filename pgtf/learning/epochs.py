"""Epochs: several passes over a trajectory in shuffled minibatches (PPO)."""

from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf import losses
from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Positive
from pgtf.errors import ConfigurationError
from pgtf.graph.scan import scan_while
from pgtf.learning import minibatches
from pgtf.learning.objective import Objective
from pgtf.learning.optimization import Descendable, Optimization
from pgtf.learning.targets import Batch, Targets
from pgtf.losses import Scalars
from pgtf.trajectory import Trajectory


class Plan(NamedTuple):
    """What stays the same during the passes over a trajectory.

    Attributes:
        trajectory: T steps of B environments.
        seed: int32 [2], of the update.
        whole: all steps as one batch, without targets and values.
        order: the indices of each minibatch, [num_epochs * num_minibatches, n]; () where there is
            one minibatch.
    """

    trajectory: Trajectory
    seed: tf.Tensor
    whole: Batch
    order: Any


class Place(NamedTuple):
    """What the next step of the passes goes by.

    Attributes:
        targets: of all steps.
        values: the predictions that go with them; see ``Batch``.
    """

    targets: Targets
    values: Any


@gin.register
class Epochs(Optimization):
    """Several passes over each trajectory, in shuffled minibatches (PPO; arXiv:1707.06347).

    A minibatch consists of steps, or of whole environments where a network remembers. Each step is
    in one minibatch of an epoch; rows that are no transition weigh nothing there either, and a mean
    over steps is the mean over those of the minibatch. Scalars are means over the steps taken.

    Args:
        num_epochs: passes over a trajectory.
        num_minibatches: of an epoch; 1 takes the trajectory as it is.
        recompute_targets: whether returns and advantages are computed again before each epoch, with
            policy and critic as they are by then (arXiv:2006.05990, section 3.5).
        normalize_advantages: whether the advantages of each minibatch are shifted and scaled to
            mean 0 and deviation 1.
        max_kl: ends the update before a step on a minibatch whose estimated KL(μ ‖ π) is larger;
            None for no end. The first step is always taken.
    """

    uses_behaviour = True

    @checked
    def __init__(
        self,
        num_epochs: Count = 4,
        num_minibatches: Count = 4,
        recompute_targets: bool = False,
        normalize_advantages: bool = True,
        max_kl: Positive | None = None,
    ):
        self.num_epochs = num_epochs
        self.num_minibatches = num_minibatches
        self.recompute_targets = recompute_targets
        self.normalize_advantages = normalize_advantages
        self.max_kl = max_kl

    @property
    def most_steps(self) -> int:
        """Steps of the optimizer on one trajectory, if none ends the update."""
        return self.num_epochs * self.num_minibatches

    def check(self, objective: Objective) -> None:
        """Refuses a surrogate for on-policy data, which that of later steps is not."""
        if self.most_steps > 1 and not objective.surrogate.uses_behaviour:
            raise ConfigurationError(
                "Epochs goes on with data that the policy has moved away from, and"
                f" {type(objective.surrogate).__name__} does not weight it: bind Learner.surrogate"
                " = @ClippedSurrogate() or @ImportanceWeighted()."
            )

    @property
    def passes(self) -> "Epochs | None":
        """These; None under ``max_kl``, for a learner may then end before others."""
        return self if self.max_kl is None else None

    def run(
        self, learner: Descendable, trajectory: Trajectory, seed: tf.Tensor
    ) -> tuple[Scalars, Targets]:
        """Takes the steps; see ``Optimization.run``."""
        objective = learner.objective
        plan, first, targets, before = self.begin(objective, trajectory, seed)
        before |= learner.measured(trajectory, targets)

        def step(state: tuple[Any, ...], t: tf.Tensor) -> tuple[tuple[Any, ...], Scalars]:
            place, gradients, scalars = self.gradients(learner, objective, plan, state[1], t)
            going, applied = self._apply(learner, gradients, scalars, t)
            return (going, place), scalars | applied | {"taken": tf.cast(going, tf.float32)}

        _, rows = scan_while(
            step,
            lambda state, t: state[0] & (t < self.most_steps),
            (tf.constant(True), first),
            self.most_steps,
        )
        taken = rows.pop("taken")
        mean = losses.mean_over_steps(taken)
        scalars = {name: tf.reduce_sum(mean * row) for name, row in rows.items()}
        return scalars | before, targets

    def begin(
        self, objective: Objective, trajectory: Trajectory, seed: tf.Tensor
    ) -> tuple[Plan, Place, Targets, Scalars]:
        """Evaluates the trajectory and shuffles it; see ``Passes.begin``."""
        whole = _evaluated(objective, trajectory, seed)
        spread = losses.standard_deviation(whole.targets.advantage, whole.targets.mask)
        order = self._order(whole, tf.random.experimental.stateless_fold_in(seed, 2))
        plan = Plan(trajectory, seed, whole._replace(targets=(), values=()), order)
        place = Place(whole.targets, whole.values)
        return plan, place, whole.targets, {"advantage_std": spread}

    def gradients(
        self, learner: Descendable, objective: Objective, plan: Plan, place: Place, t: tf.Tensor
    ) -> tuple[Place, list[tf.Tensor], Scalars]:
        """Differentiates the loss of a minibatch; see ``Passes.gradients``."""
        if self.recompute_targets:
            place = tf.cond(
                (t > 0) & tf.equal(t % self.num_minibatches, 0),
                lambda: _again(objective, plan, t),
                lambda: place,
            )
        whole = plan.whole._replace(targets=place.targets, values=place.values)
        batch = self._cut(whole, plan.order, t)
        with tf.GradientTape() as tape:
            tape.watch([variable.value for variable in learner.trainable_variables])
            forward = objective.forward(batch)
            loss, scalars = objective.loss(batch, forward)
        if self.max_kl is not None:
            log_ratio = losses.log_ratio(forward.log_prob, batch.log_prob, batch.targets.weight)
            scalars["approx_kl"] = losses.kl_estimate(log_ratio, batch.targets.mask)
        return place, learner.differentiate(tape, loss), scalars

    def _apply(
        self, learner: Descendable, gradients: list[tf.Tensor], scalars: Scalars, t: tf.Tensor
    ) -> tuple[tf.Tensor, Scalars]:
        """Takes a step, unless the policy has gone too far; returns whether it was taken."""
        if self.max_kl is None:
            return tf.constant(True), learner.apply(gradients)
        going = tf.equal(t, 0) | (scalars["approx_kl"] <= self.max_kl)
        nothing = {"gradient_norm": tf.zeros(()), "learning_rate": tf.zeros(())}
        return going, tf.cond(going, lambda: learner.apply(gradients), lambda: nothing)

    def _order(self, whole: Batch, seed: tf.Tensor) -> Any:
        """The indices of each minibatch, or () where there is one."""
        if self.num_minibatches == 1:
            return ()
        parts, size = self.num_minibatches, whole.first.shape
        count = size[1] if _remembers(whole) else size.num_elements()
        if count is not None and count < parts:
            of = "environments" if _remembers(whole) else "steps"
            raise ConfigurationError(
                f"Epochs.num_minibatches = {parts} is more than the {count} {of} of a rollout: bind"
                f" it to {count} at most."
            )
        count = tf.size(whole.first) if count is None else count
        return minibatches.shuffled(count, self.num_epochs, parts, seed)

    def _cut(self, whole: Batch, order: Any, t: tf.Tensor) -> Batch:
        """The minibatch of a step."""
        batch = whole
        if self.num_minibatches > 1:
            cut = minibatches.environments if _remembers(whole) else minibatches.steps
            batch = cut(whole, order[t])
        if self.normalize_advantages:
            targets = batch.targets
            normal = losses.normalized(targets.advantage, targets.mask)
            batch = batch._replace(targets=targets._replace(advantage=normal))
        return batch


def _evaluated(objective: Objective, trajectory: Trajectory, seed: tf.Tensor) -> Batch:
    """A trajectory with targets and the predictions that go with them, all of them constants."""
    batch, forward = objective.whole_batch(trajectory, seed)
    values = objective.predictions(batch, forward)
    return batch._replace(values=tf.nest.map_structure(tf.stop_gradient, values))


def _again(objective: Objective, plan: Plan, t: tf.Tensor) -> Place:
    """Targets and values as they are by step t."""
    seed = tf.random.experimental.stateless_fold_in(plan.seed, t + 2)
    batch = _evaluated(objective, plan.trajectory, seed)
    return Place(batch.targets, batch.values)


def _remembers(batch: Batch) -> bool:
    return bool(tf.nest.flatten(batch.memory))
