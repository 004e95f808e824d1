"""Rollouts of a fixed number of steps, wherever the episodes stand."""

import gin
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.learning.estimators import MonteCarlo, ReturnEstimator
from pgtf.rollouts.unroll import Act, Carry, Finished, Played, assembled, played_steps
from pgtf.trajectory import Trajectory


@gin.register
class Rollouts:
    """Collects T steps of every environment, wherever its episode stands (A2C, A3C).

    Args:
        num_steps: T, the paper's t_max.
    """

    def __init__(self, num_steps: int = 5):
        if num_steps < 1:
            raise ConfigurationError(f"Rollouts.num_steps must be at least 1, not {num_steps}.")
        self.num_steps = num_steps

    def static(self, environment: Environment) -> bool:
        """Whether every trajectory has the same shape, so that XLA compiles its update once."""
        del environment
        return True

    def warnings(self, returns: ReturnEstimator) -> list[str]:
        """Returns a sentence when most of what is collected would be left out."""
        if not isinstance(returns, MonteCarlo):
            return []
        return [
            f"MonteCarlo leaves out steps whose episode does not end within {self.num_steps} steps"
            " (Rollouts.num_steps): bind the trainer's rollout = @Episodes() to collect whole"
            " episodes."
        ]

    def collect(
        self, environment: Environment, act: Act, carry: Carry, seed: tf.Tensor
    ) -> tuple[Carry, Trajectory, Finished]:
        """Returns the next carry, a trajectory [T, B] and the episodes that ended."""
        return assembled(self.play(environment, act, carry, seed))

    def play(self, environment: Environment, act: Act, carry: Carry, seed: tf.Tensor) -> Played:
        """Does what ``collect`` does, but for the putting together."""
        return played_steps(environment, act, carry, self.num_steps, seed)
