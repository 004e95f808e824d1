"""The objective: policy, critic, baseline, returns, surrogate and entropy bonus make one loss."""

import dataclasses
from typing import Literal, NamedTuple

import tensorflow as tf

from pgtf import losses
from pgtf.configuration.machine import require_memory
from pgtf.learning.baselines import Baseline
from pgtf.learning.critics import Critic, Estimates
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.estimators import ReturnEstimator
from pgtf.learning.surrogates import Surrogate
from pgtf.learning.targets import Batch, Targets
from pgtf.losses import Scalars
from pgtf.policies.decision import Actor
from pgtf.trajectory import Trajectory, known

Reduction = Literal["mean_over_steps", "sum_over_time"]


class ForwardPass(NamedTuple):
    """Policy and critic evaluated on a trajectory or a batch; all of it can be differentiated.

    Attributes:
        log_prob: [...] log π(a | s).
        entropy: [...] H(π(· | s)).
        estimates: the critic's, or None without one.
    """

    log_prob: tf.Tensor
    entropy: tf.Tensor
    estimates: Estimates | None


class Loss(NamedTuple):
    """The loss of a whole trajectory.

    Attributes:
        value: scalar.
        scalars: to log, by name.
        targets: that it was computed with.
    """

    value: tf.Tensor
    scalars: Scalars
    targets: Targets


@dataclasses.dataclass(frozen=True)
class Objective:
    """What a ``Learner`` estimates and minimises; it holds no state of its own.

    ``dataclasses.replace`` makes the same objective with another part: an exploring policy, or
    schedules read at another count of steps.

    Attributes:
        policy: π.
        critic: estimates the return; None for none.
        baseline: is subtracted from it; None for none.
        returns: which return is followed and fitted to.
        surrogate: turns log-probs and advantages into the policy's loss.
        entropy_bonus: β; None for none.
        discount: γ.
        reduction: a ``Reduction``, of every term of the loss.
        reward_scale: factor of the rewards that are learned from.
        reward_bound: rewards are clipped to ± this, after scaling; None for no clipping.
        steps: scalar int64, environment steps so far; schedules go by it.
    """

    policy: Actor
    critic: Critic | None
    baseline: Baseline | None
    returns: ReturnEstimator
    surrogate: Surrogate
    entropy_bonus: EntropyBonus | None
    discount: float
    reduction: str
    reward_scale: float
    reward_bound: float | None
    steps: tf.Variable | tf.Tensor

    @property
    def regressors(self) -> list[Critic]:
        """What is fitted to the returns: the critic, and a value baseline with its own network."""
        own = [self.critic, self.baseline.regressor if self.baseline is not None else None]
        return [regressor for regressor in own if regressor is not None]

    def evaluate(self, trajectory: Trajectory, seed: tf.Tensor) -> ForwardPass:
        """Evaluates policy and critic on a trajectory; ``seed`` is int32 [2].

        A network that both use is evaluated once.
        """
        if trajectory.reward.shape.is_fully_defined():
            steps, copies = trajectory.reward.shape
            size = 4 * self.policy.network.num_features * steps * copies
            require_memory(size, f"Learning from {steps} steps of {copies} environments")
        features = None
        if self.critic is not None and self.critic.network is self.policy.network:
            features = self.policy.network.unroll(
                trajectory.observation, trajectory.first, trajectory.memory
            )
            distribution = self.policy.distribution_of(features[:-1])
        else:
            distribution = self.policy.unrolled(
                trajectory.acted_on, trajectory.first[:-1], trajectory.memory
            )
        log_prob, entropy = distribution.log_prob(trajectory.action), distribution.entropy()
        estimates = None
        if self.critic is not None:
            estimates = self.critic.evaluate(trajectory, self.policy, seed, features)
        return ForwardPass(log_prob, entropy, estimates)

    def forward(self, batch: Batch) -> ForwardPass:
        """Evaluates policy and critic on a batch; a network that both use is evaluated once."""
        critic, known_features = self.critic, {}
        if critic is not None and critic.network is self.policy.network:
            features = critic.network.unroll(batch.observation, batch.first, batch.memory)
            distribution = self.policy.distribution_of(features)
            known_features = {"features": features}
        else:
            distribution = self.policy.unrolled(batch.observation, batch.first, batch.memory)
        log_prob, entropy = distribution.log_prob(batch.action), distribution.entropy()
        estimates = None
        if critic is not None:
            estimates = Estimates((), critic.predict(batch, **known_features))
        return ForwardPass(log_prob, entropy, estimates)

    def predictions(self, batch: Batch, forward: ForwardPass) -> tuple[tf.Tensor, ...]:
        """Returns what each of the ``regressors`` predicts on a batch, [...] each."""
        return tuple(
            forward.estimates.prediction
            if part is self.critic and forward.estimates is not None
            else part.predict(batch)
            for part in self.regressors
        )

    def targets(self, trajectory: Trajectory, forward: ForwardPass, seed: tf.Tensor) -> Targets:
        """Computes returns, advantages and weights, all of them constants.

        Args:
            trajectory: T steps of B environments.
            forward: what ``evaluate`` returned for it.
            seed: int32 [2], for baselines that sample actions.
        """
        reward = self.reward_scale * trajectory.reward
        if self.reward_bound is not None:
            reward = tf.clip_by_value(reward, -self.reward_bound, self.reward_bound)
        if forward.estimates is None:
            values = tf.zeros_like(tf.concat([reward, reward[-1:]], axis=0))
        else:
            values = tf.stop_gradient(forward.estimates.values)
        log_ratio = None
        if (behaviour := known(trajectory.log_prob)) is not None:
            log_prob = tf.stop_gradient(forward.log_prob)
            log_ratio = losses.log_ratio(log_prob, behaviour, trajectory.mask)
        returns, estimate = self.returns(
            trajectory._replace(reward=reward), values, self.discount, log_ratio
        )
        if self.critic is not None and forward.estimates is not None:
            estimate = self.critic.estimate(estimate, forward.estimates.prediction)
        baseline = tf.zeros_like(returns)
        if self.baseline is not None:
            baseline = self.baseline.values(trajectory, forward.estimates, self.policy, seed)
        mask, (weight, share) = self.learned(trajectory), self.step_weights(trajectory)
        advantage = estimate - baseline
        return Targets(*map(tf.stop_gradient, (returns, estimate, advantage, mask, weight, share)))

    def learned(self, trajectory: Trajectory) -> tf.Tensor:
        """Marks the steps that are learned from: a trajectory to [T, B]."""
        return trajectory.mask * self.returns.usable(trajectory)

    def step_weights(self, trajectory: Trajectory) -> tuple[tf.Tensor, tf.Tensor]:
        """How the loss sums over steps.

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

    def loss(self, batch: Batch, forward: ForwardPass) -> tuple[tf.Tensor, Scalars]:
        """The loss of a batch with targets.

        Args:
            batch: with targets.
            forward: policy and critic evaluated on it.

        Returns:
            Scalar, and scalars to log by name.
        """
        returns, _, advantage, mask, weight, _ = batch.targets
        loss, scalars = self.surrogate.at(self.steps)(
            forward.log_prob, known(batch.log_prob), advantage, weight
        )
        mean = losses.mean_over_steps(mask)
        scalars = scalars | {
            "policy_loss": loss,
            "entropy": tf.reduce_sum(mean * forward.entropy),
            "advantage_std": losses.standard_deviation(advantage, mask),
        }
        if not self.returns.bootstraps:
            scalars["learned_fraction"] = tf.reduce_mean(mask)
        if self.entropy_bonus is not None:
            coefficient = self.entropy_bonus.coefficient(self.steps)
            loss -= coefficient * losses.entropy_bonus(forward.entropy, weight)
            scalars["entropy_coefficient"] = coefficient
        predictions = self.predictions(batch, forward)
        earlier = batch.values or predictions
        for part, prediction, old in zip(self.regressors, predictions, earlier, strict=True):
            if part.fit.joint is True:
                own = part.normalized
                value_loss = part.fit.loss(own(prediction), own(old), own(returns), weight)
                loss += part.fit.weight * value_loss
            else:
                value_loss = losses.value_loss(prediction, returns, mean)
            scalars["value_loss"] = scalars.get("value_loss", 0.0) + value_loss
            scalars["explained_variance"] = losses.explained_variance(prediction, returns, mask)
        return loss, scalars

    def whole_loss(
        self, trajectory: Trajectory, seed: tf.Tensor, forward: ForwardPass | None = None
    ) -> Loss:
        """The loss of a whole trajectory: evaluates, makes targets and adds up.

        Args:
            trajectory: T steps of B environments.
            seed: int32 [2], for parts that sample actions; the rollout's own will do.
            forward: what ``evaluate`` returned for it, if that was done already.
        """
        batch, forward = self.whole_batch(trajectory, seed, forward)
        value, scalars = self.loss(batch, forward)
        return Loss(value, scalars, batch.targets)

    def whole_batch(
        self, trajectory: Trajectory, seed: tf.Tensor, forward: ForwardPass | None = None
    ) -> tuple[Batch, ForwardPass]:
        """Evaluates a trajectory and makes its targets; arguments as for ``whole_loss``.

        Returns:
            All steps with their targets, and the forward pass.
        """
        # With the rollout's seed a baseline would sample the very actions that were taken.
        seed = tf.random.experimental.stateless_fold_in(seed, 1)
        forward = forward or self.evaluate(trajectory, seed)
        targets = self.targets(trajectory, forward, seed)
        return Batch.whole(trajectory, targets), forward
