"""Optimizations: how many gradient steps are taken on a trajectory, and on which parts of it."""

import abc
from collections.abc import Sequence
from typing import Protocol

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


class Optimization(abc.ABC):
    """Moves a learner's parameters by what it learns from one trajectory.

    Attributes:
        one_gradient: whether it takes a single step along the gradient of the whole trajectory's
            loss. Such a step may be taped through the rollout, and taken by A3C's workers.
        uses_behaviour: whether it needs the log-probs of the policy that acted.
    """

    one_gradient: bool = False
    uses_behaviour: bool = False

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
