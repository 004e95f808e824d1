"""The objective: policy, critic, baseline, returns and entropy bonus make one loss."""

from typing import NamedTuple

import tensorflow as tf

from pgtf import losses
from pgtf.learning.baselines import Baseline
from pgtf.learning.critics import Critic, Estimates
from pgtf.learning.diagnostics import GradientVariance
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.estimators import MonteCarlo, ReturnEstimator
from pgtf.learning.fitting import JointLoss
from pgtf.policies.policy import Policy
from pgtf.returns import completed
from pgtf.trajectory import Trajectory

Metrics = dict[str, tf.Tensor]

REDUCTIONS = ("mean_over_steps", "sum_over_time")


class Evaluation(NamedTuple):
    """What policy and critic say about a trajectory; all of it can be differentiated.

    Attributes:
        log_prob: [T, B] log π(a_t | s_t).
        entropy: [T, B] H(π(· | s_t)).
        estimates: the critic's, or None without one.
    """

    log_prob: tf.Tensor
    entropy: tf.Tensor
    estimates: Estimates | None


class Objective(tf.Module):
    """The loss of a ``Learner``: what is estimated, without what follows the estimate.

    Attributes:
        policy: π.
        critic: estimates the return; None for none.
        baseline: is subtracted from it; None for none.
        returns: which return is followed and fitted to.
        entropy_bonus: β; None for none.
        discount: γ.
        reduction: one of ``REDUCTIONS``.
        reward_scale: factor of the rewards that are learned from.
        reward_bound: rewards are clipped to ± this, after scaling; None for no clipping.
        gradient_variance: measures tr Cov(ĝ) as learning goes on; None for no measurement.
        steps: counts environment steps; schedules go by it.
        updates: counts updates.
    """

    policy: Policy
    critic: Critic | None
    baseline: Baseline | None
    returns: ReturnEstimator
    entropy_bonus: EntropyBonus | None
    discount: float
    reduction: str
    reward_scale: float
    reward_bound: float | None
    gradient_variance: GradientVariance | None
    steps: tf.Variable
    updates: tf.Variable

    @property
    def regressors(self) -> list[Critic]:
        """What is fitted to the returns: the critic, and a value baseline with its own network."""
        own = [self.critic, self.baseline.regressor if self.baseline is not None else None]
        return [regressor for regressor in own if regressor is not None]

    def evaluate(self, trajectory: Trajectory, seed: tf.Tensor) -> Evaluation:
        """Lets policy and critic judge a trajectory; ``seed`` is int32 [2]."""
        observation = tf.nest.map_structure(lambda x: x[:-1], trajectory.observation)
        distribution = self.policy.distribution(observation)
        log_prob = distribution.log_prob(trajectory.action)
        estimates = None
        if self.critic is not None:
            estimates = self.critic.evaluate(trajectory, self.policy, seed)
        return Evaluation(log_prob, distribution.entropy(), estimates)

    def step_weights(self, trajectory: Trajectory) -> tuple[tf.Tensor, tf.Tensor]:
        """How the policy loss sums over steps.

        Args:
            trajectory: T steps of B environments.

        Returns:
            [T, B] the weight of each step, 0 where it is not learned from, and [B] each
            environment's share of what the sum is divided by (steps, or trajectories).
        """
        mask = self.learned(trajectory)
        if self.reduction == "sum_over_time":
            weight = losses.sum_over_time(mask, trajectory.time)
            counted = losses.first_steps(mask, trajectory.time)
        else:
            weight, counted = losses.mean_over_steps(mask), mask
        share = tf.math.divide_no_nan(tf.reduce_sum(counted, axis=0), tf.reduce_sum(counted))
        return weight, share

    def loss(
        self, trajectory: Trajectory, seed: tf.Tensor, evaluation: Evaluation | None = None
    ) -> tuple[tf.Tensor, Metrics]:
        """The loss whose gradient is followed.

        Args:
            trajectory: T steps of B environments.
            seed: int32 [2], for parts that sample actions; the rollout's own will do.
            evaluation: what ``evaluate`` returned for it, if that was done already.

        Returns:
            Scalar, and metrics: scalars, and ``advantage`` and ``returns`` [T, B].
        """
        # With the rollout's seed a baseline would sample the very actions that were taken.
        seed = tf.random.experimental.stateless_fold_in(seed, 1)
        evaluation = evaluation or self.evaluate(trajectory, seed)
        returns = self._returns(trajectory, evaluation.estimates)
        mask = self.learned(trajectory)
        weight, share = self.step_weights(trajectory)
        estimate = returns
        if self.critic is not None and evaluation.estimates is not None:
            estimate = self.critic.estimate(returns, evaluation.estimates.prediction)
        baseline = tf.zeros_like(returns)
        if self.baseline is not None:
            baseline = self.baseline.values(trajectory, evaluation.estimates, self.policy, seed)
        advantage = tf.stop_gradient(estimate - baseline)

        policy_loss = losses.score_function_loss(evaluation.log_prob, advantage, weight)
        loss = policy_loss
        metrics = {
            "policy_loss": policy_loss,
            "entropy": tf.reduce_sum(losses.mean_over_steps(mask) * evaluation.entropy),
            "advantage_std": losses.standard_deviation(advantage, mask),
            "advantage": advantage,
            "returns": returns,
        }
        if self.gradient_variance is not None:
            metrics |= self.gradient_variance.measure(
                self.policy, trajectory, (weight, share), advantage, estimate, self.updates
            )
        if self.entropy_bonus is not None:
            coefficient = self.entropy_bonus.coefficient(self.steps)
            loss -= coefficient * losses.entropy_bonus(evaluation.entropy, weight)
            metrics["entropy_coefficient"] = coefficient
        for part in self.regressors:
            if part is self.critic and evaluation.estimates is not None:
                prediction = evaluation.estimates.prediction
            else:
                prediction = part.predict(trajectory)
            value_loss = losses.value_loss(prediction, returns, losses.mean_over_steps(mask))
            if isinstance(part.fit, JointLoss):
                loss += part.fit.weight * value_loss
            metrics["value_loss"] = metrics.get("value_loss", 0.0) + value_loss
            metrics["explained_variance"] = losses.explained_variance(prediction, returns, mask)
        return loss, metrics

    def _returns(self, trajectory: Trajectory, estimates: Estimates | None) -> tf.Tensor:
        """G_t of the scaled, clipped rewards, [T, B]."""
        reward = self.reward_scale * trajectory.reward
        if self.reward_bound is not None:
            reward = tf.clip_by_value(reward, -self.reward_bound, self.reward_bound)
        if estimates is None:
            values = tf.zeros_like(tf.concat([reward, reward[-1:]], axis=0))
        else:
            values = tf.stop_gradient(estimates.values)
        return self.returns(trajectory._replace(reward=reward), values, self.discount)

    def learned(self, trajectory: Trajectory) -> tf.Tensor:
        """Marks the steps that are learned from: a trajectory to [T, B]."""
        if isinstance(self.returns, MonteCarlo):
            return trajectory.mask * completed(trajectory.terminated, trajectory.truncated)
        return trajectory.mask
