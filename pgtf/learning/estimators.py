"""Return estimators as parts: which return G_t the critic is fitted to and the policy follows."""

import abc

import gin
import tensorflow as tf

from pgtf import returns
from pgtf.errors import ConfigurationError
from pgtf.trajectory import Trajectory


class ReturnEstimator(abc.ABC):
    """Maps a trajectory and a critic's values to returns."""

    @abc.abstractmethod
    def __call__(self, trajectory: Trajectory, values: tf.Tensor, discount: float) -> tf.Tensor:
        """Returns G_t.

        Args:
            trajectory: T steps of B environments.
            values: [T+1, B] v_t; zeros without a critic.
            discount: γ.

        Returns:
            [T, B].
        """


@gin.register
class LambdaReturn(ReturnEstimator):
    """The λ-return; minus V it is the generalised advantage estimate (GAE).

    Args:
        lambda_: λ in [0, 1]; 1 bootstraps at the end of the rollout only (A2C, A3C).
    """

    def __init__(self, lambda_: float = 1.0):
        if not 0.0 <= lambda_ <= 1.0:
            raise ConfigurationError(f"LambdaReturn.lambda_ must be in [0, 1], not {lambda_}.")
        self.lambda_ = lambda_

    def __call__(self, trajectory: Trajectory, values: tf.Tensor, discount: float) -> tf.Tensor:
        """Returns G_t, [T, B]."""
        return returns.lambda_returns(
            trajectory.reward,
            trajectory.terminated,
            trajectory.truncated,
            values,
            discount,
            self.lambda_,
        )


@gin.register
class NStep(ReturnEstimator):
    """The n-step return r_t + γ r_{t+1} + … + γⁿ v_{t+n}.

    Args:
        n: rewards that are summed before bootstrapping; fewer at the end of a rollout.
    """

    def __init__(self, n: int = 5):
        if n < 1:
            raise ConfigurationError(f"NStep.n must be at least 1, not {n}.")
        self.n = n

    def __call__(self, trajectory: Trajectory, values: tf.Tensor, discount: float) -> tf.Tensor:
        """Returns G_t, [T, B]."""
        return returns.n_step_returns(
            trajectory.reward,
            trajectory.terminated,
            trajectory.truncated,
            values,
            discount,
            self.n,
        )


@gin.register
class TD0(LambdaReturn):
    """The one-step target r_t + γ v_{t+1}."""

    def __init__(self) -> None:
        super().__init__(lambda_=0.0)


@gin.register
class MonteCarlo(ReturnEstimator):
    """The sum of discounted rewards to the end of the episode; no value is bootstrapped.

    A truncated episode counts as it stands: the time limit is then part of the task. Steps whose
    episode does not end inside the rollout are left out of every loss.
    """

    def __call__(self, trajectory: Trajectory, values: tf.Tensor, discount: float) -> tf.Tensor:
        """Returns G_t, [T, B]."""
        del values
        return returns.discounted_returns(
            trajectory.reward, trajectory.terminated, trajectory.truncated, discount
        )


@gin.register
class WholeReturn(MonteCarlo):
    """The lecture's first estimator: every ∇ log π(a_t | s_t) is multiplied by all of R(τ).

    ``MonteCarlo`` leaves out what was received before step t, which leaves the mean of the gradient
    as it is and lowers its variance.
    """

    def __call__(self, trajectory: Trajectory, values: tf.Tensor, discount: float) -> tf.Tensor:
        """Returns the rewards before step t and the discounted ones from it on, [T, B]."""
        del values
        return returns.whole_returns(
            trajectory.reward, trajectory.terminated, trajectory.truncated, discount
        )
