"""Return estimators as parts: which return G_t the critic is fitted to and the policy follows."""

import abc

import gin
import tensorflow as tf

from pgtf import returns
from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Positive, Probability
from pgtf.errors import ConfigurationError
from pgtf.learning.critics import Critic
from pgtf.learning.surrogates import Surrogate
from pgtf.trajectory import Trajectory


class ReturnEstimator(abc.ABC):
    """Maps a trajectory and a critic's values to returns.

    Attributes:
        bootstraps: whether it needs a critic's values.
        uses_behaviour: whether it needs the log-probs of the policy that acted.
    """

    bootstraps: bool = True
    uses_behaviour: bool = False

    @abc.abstractmethod
    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Estimates G_t.

        Args:
            trajectory: T steps of B environments.
            values: [T+1, B] v_t; zeros without a critic.
            discount: γ.
            log_ratio: [T, B] log π(a_t | s_t) - log μ(a_t | s_t) to the policy that acted; None
                where no part asked for its log-probs.

        Returns:
            The target that critics and baselines are fitted to and the estimate that multiplies
            ∇ log π, each [T, B]. They are one and the same for most estimators.
        """

    def check(self, critic: Critic | None, surrogate: Surrogate) -> None:
        """Refuses the learner's critic or surrogate if it does not fit.

        Raises:
            ConfigurationError: which binding to change.
        """
        del surrogate
        if critic is None and self.bootstraps:
            raise ConfigurationError(
                f"{type(self).__name__} bootstraps from a critic, and there is none: bind"
                " Learner.returns = @MonteCarlo(), or Learner.critic = @VCritic()."
            )

    def usable(self, trajectory: Trajectory) -> tf.Tensor:
        """Marks the steps whose return is known: [T, B] float32, 1 or 0."""
        return tf.ones_like(trajectory.reward)


@gin.register
class LambdaReturn(ReturnEstimator):
    """The λ-return; minus V it is the generalised advantage estimate (GAE).

    Args:
        lambda_: λ in [0, 1]; 1 bootstraps at the end of the rollout only (A2C, A3C).
    """

    @checked
    def __init__(self, lambda_: Probability = 1.0):
        self.lambda_ = lambda_

    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns G_t twice, [T, B]; see ``ReturnEstimator``."""
        del log_ratio
        target = returns.lambda_returns(
            trajectory.reward,
            trajectory.terminated,
            trajectory.truncated,
            values,
            discount,
            self.lambda_,
        )
        return target, target


@gin.register
class NStep(ReturnEstimator):
    """The n-step return r_t + γ r_{t+1} + … + γⁿ v_{t+n}.

    Args:
        n: rewards that are summed before bootstrapping; fewer at the end of a rollout.
    """

    @checked
    def __init__(self, n: Count = 5):
        self.n = n

    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns G_t twice, [T, B]; see ``ReturnEstimator``."""
        del log_ratio
        target = returns.n_step_returns(
            trajectory.reward,
            trajectory.terminated,
            trajectory.truncated,
            values,
            discount,
            self.n,
        )
        return target, target


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

    bootstraps = False

    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns G_t twice, [T, B]; see ``ReturnEstimator``."""
        del values, log_ratio
        target = returns.discounted_returns(
            trajectory.reward, trajectory.terminated, trajectory.truncated, discount
        )
        return target, target

    def usable(self, trajectory: Trajectory) -> tf.Tensor:
        """Marks the steps whose episode ends inside the rollout, [T, B]."""
        return returns.completed(trajectory.terminated, trajectory.truncated)


@gin.register
class WholeReturn(MonteCarlo):
    """The lecture's first estimator: every ∇ log π(a_t | s_t) is multiplied by all of R(τ).

    ``MonteCarlo`` leaves out what was received before step t, which leaves the mean of the gradient
    as it is and lowers its variance.
    """

    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns G_t twice, [T, B]; see ``ReturnEstimator``."""
        del values, log_ratio
        target = returns.whole_returns(
            trajectory.reward, trajectory.terminated, trajectory.truncated, discount
        )
        return target, target


@gin.register
class VTrace(ReturnEstimator):
    """V-trace: λ-returns corrected for data that another policy collected (Espeholt et al. 2018).

    Its target for V is v_t, its estimate for the policy r_t + γ v_{t+1} (λ = 1). The weight ρ_t of
    the policy's gradient is the surrogate's: bind ``Learner.surrogate = @ImportanceWeighted()``.

    Args:
        rho_bar: ρ̄, truncates the weight of each error, and so decides which policy's value is the
            fixed point; None for no truncation.
        c_bar: c̄, truncates the weights of the trace, for a lower variance; None for no truncation.
        lambda_: λ in [0, 1].
    """

    uses_behaviour = True

    @checked
    def __init__(
        self,
        rho_bar: Positive | None = 1.0,
        c_bar: Positive | None = 1.0,
        lambda_: Probability = 1.0,
    ):
        self.rho_bar = rho_bar
        self.c_bar = c_bar
        self.lambda_ = lambda_

    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns v_t and r_t + γ v_{t+1}, each [T, B]; see ``ReturnEstimator``."""
        return returns.vtrace(
            trajectory.reward,
            trajectory.terminated,
            trajectory.truncated,
            values,
            tf.zeros_like(trajectory.reward) if log_ratio is None else log_ratio,
            discount,
            self.lambda_,
            self.rho_bar,
            self.c_bar,
        )

    def check(self, critic: Critic | None, surrogate: Surrogate) -> None:
        """Refuses a critic of Q, and a surrogate that does not weight; see ``ReturnEstimator``."""
        super().check(critic, surrogate)
        if critic is not None and critic.values_actions:
            raise ConfigurationError(
                f"VTrace estimates V(s), which {type(critic).__name__} cannot be fitted to: bind"
                " Learner.critic = @VCritic(), or Learner.returns = @LambdaReturn()."
            )
        if not surrogate.uses_behaviour:
            raise ConfigurationError(
                "VTrace corrects values for data of another policy, and"
                f" {type(surrogate).__name__} leaves the policy's gradient as it is: bind"
                " Learner.surrogate = @ImportanceWeighted()."
            )
