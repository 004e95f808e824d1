"""Optimizations: how many gradient steps are taken on a trajectory, and on which parts of it."""

import abc
from collections.abc import Sequence
from typing import Any, Protocol

import gin
import keras
import tensorflow as tf

from pgtf.learning.objective import Objective
from pgtf.learning.targets import Targets
from pgtf.losses import Scalars
from pgtf.trajectory import Trajectory


class Descendable(Protocol):
    """The part of a ``Learner`` that an optimization works with.

    Attributes:
        objective: the loss.
    """

    objective: Objective

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """What the steps move."""

    def measured(self, trajectory: Trajectory, targets: Targets) -> Scalars:
        """Returns what is measured on a trajectory before the steps, by name."""

    def gradients(
        self, trajectory: Trajectory, seed: tf.Tensor
    ) -> tuple[list[tf.Tensor], Scalars, Targets]:
        """Differentiates the loss of a whole trajectory."""

    def differentiate(self, tape: tf.GradientTape, loss: tf.Tensor) -> list[tf.Tensor]:
        """Returns the gradients of a taped loss."""

    def apply(self, gradients: Sequence[tf.Tensor]) -> Scalars:
        """Takes one step of the optimizer; returns ``gradient_norm`` and ``learning_rate``."""


class Passes(Protocol):
    """The steps of an optimization one by one, for trainers that take them in many learners.

    Attributes:
        most_steps: on one trajectory.
    """

    @property
    def most_steps(self) -> int:
        """How many steps there are."""

    def begin(
        self, objective: Objective, trajectory: Trajectory, seed: tf.Tensor
    ) -> tuple[Any, Any, Targets, Scalars]:
        """Prepares the steps on a trajectory.

        Args:
            objective: of one learner.
            trajectory: T steps of B environments.
            seed: int32 [2].

        Returns:
            What stays the same during them and what the first one goes by, two nests of tensors;
            the targets at first; and scalars to log by name.
        """

    def gradients(
        self, learner: Descendable, objective: Objective, plan: Any, place: Any, t: tf.Tensor
    ) -> tuple[Any, list[tf.Tensor], Scalars]:
        """Differentiates the loss of step t.

        Args:
            learner: whose variables are moved.
            objective: of the learner, with its schedules at the steps of the moment.
            plan: what ``begin`` returned.
            place: what ``begin`` or the last step returned.
            t: scalar int32, counts from 0.

        Returns:
            What the next step goes by, the gradients, and scalars to log by name.
        """


class Optimization(abc.ABC):
    """Moves a learner's parameters by what it learns from one trajectory.

    Attributes:
        one_gradient: whether it takes a single step along the gradient of the whole trajectory's
            loss. Such a step may be taped through the rollout, and taken by A3C's workers.
        uses_behaviour: whether it needs the log-probs of the policy that acted.
    """

    one_gradient: bool = False
    uses_behaviour: bool = False

    @property
    def passes(self) -> Passes | None:
        """The steps one by one, which ``train.num_seeds`` takes; None where they cannot be."""
        return None

    def check(self, objective: Objective) -> None:
        """Refuses an objective that it does not fit.

        Raises:
            ConfigurationError: which binding to change.
        """
        del objective

    @abc.abstractmethod
    def run(
        self, learner: Descendable, trajectory: Trajectory, seed: tf.Tensor
    ) -> tuple[Scalars, Targets]:
        """Takes the steps.

        Args:
            learner: built.
            trajectory: T steps of B environments.
            seed: int32 [2].

        Returns:
            Scalars to log by name, and the targets that the first step was taken with.
        """


@gin.register
class OneUpdate(Optimization):
    """One step of the optimizer along the gradient of the whole trajectory (A2C, REINFORCE)."""

    one_gradient = True

    def run(
        self, learner: Descendable, trajectory: Trajectory, seed: tf.Tensor
    ) -> tuple[Scalars, Targets]:
        """Takes the step; see ``Optimization.run``."""
        gradients, scalars, targets = learner.gradients(trajectory, seed)
        return scalars | learner.apply(gradients), targets
