"""Rollouts of a fixed number of steps, across the ends of episodes."""

import gin
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.environment import Environment
from pgtf.graph.scan import UNROLLED_BY_XLA
from pgtf.learning.estimators import ReturnEstimator
from pgtf.rollouts.unroll import (
    Behaviour,
    Carry,
    Finished,
    Played,
    assembled,
    played_steps,
    require_rows,
)
from pgtf.trajectory import Trajectory


@gin.register
class Rollouts:
    """Collects T steps of every environment, across the ends of episodes (A2C, A3C).

    Args:
        num_steps: T, the paper's t_max.
    """

    @checked
    def __init__(self, num_steps: Count = 5):
        self.num_steps = num_steps

    @property
    def fixed_steps(self) -> int:
        """T, the rows of every rollout."""
        return self.num_steps

    @property
    def unrolls(self) -> bool:
        """Whether compiled steps are unrolled in the graph, so that a tape may run through them."""
        return self.num_steps <= UNROLLED_BY_XLA

    def static(self, environment: Environment) -> bool:
        """Whether every trajectory has the same shape, so that XLA compiles its update once."""
        del environment
        return True

    def warnings(self, returns: ReturnEstimator) -> list[str]:
        """Returns a sentence when most collected steps would be left out of the loss."""
        if returns.bootstraps:
            return []
        return [
            f"{type(returns).__name__} leaves out steps whose episode does not end within"
            f" {self.num_steps} steps (Rollouts.num_steps): bind the trainer's rollout ="
            " @Episodes() to collect whole episodes."
        ]

    def collect(
        self, environment: Environment, behaviour: Behaviour, carry: Carry, seed: tf.Tensor
    ) -> tuple[Carry, Trajectory, Finished]:
        """Returns the next carry, a trajectory [T, B] and the episodes that ended."""
        return assembled(self.play(environment, behaviour, carry, seed))

    def play(
        self, environment: Environment, behaviour: Behaviour, carry: Carry, seed: tf.Tensor
    ) -> Played:
        """Like ``collect``, but returns the raw rollout."""
        require_rows(self.num_steps, environment, f"Rollouts.num_steps = {self.num_steps}")
        return played_steps(environment, behaviour, carry, self.num_steps, seed)
