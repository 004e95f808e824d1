"""The learner: differentiates the objective and takes the optimizer's steps."""

import copy
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf import losses
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Baseline
from pgtf.learning.critics import Critic
from pgtf.learning.diagnostics import GradientVariance
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.estimators import LambdaReturn, MonteCarlo, ReturnEstimator
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.objective import REDUCTIONS, Metrics, Objective
from pgtf.learning.schedules import Horizon, OverEnvironmentSteps
from pgtf.policies.policy import Policy
from pgtf.trajectory import Trajectory


@gin.register
class Learner(Objective):
    """Estimates the policy gradient and follows it.

    The estimate is Σ ∇ log π(a_t | s_t) (G_t - b_t), where the critic gives G_t (its absence: the
    sampled return; ``VCritic``: the bootstrapped return; ``QCritic``: Q(s_t, a_t)) and the
    baseline gives b_t. An algorithm is a choice of these parts.

    Args:
        policy: π.
        critic: estimates the return; None for none.
        baseline: is subtracted from it; None for none.
        returns: which return is followed and fitted to.
        entropy_bonus: β; None for none.
        optimizer: any Keras optimizer; RMSprop as in A3C when unbound. A schedule for its learning
            rate counts environment steps.
        discount: γ.
        max_gradient_norm: the global norm that gradients are clipped to; None for no clipping.
        reduction: 'mean_over_steps', or the lecture's 'sum_over_time' and mean over trajectories.
        reward_scale: factor of the rewards that are learned from (not of those reported).
        reward_bound: rewards are clipped to ± this, after scaling; None for no clipping.
        gradient_variance: measures tr Cov(ĝ) as learning goes on; None for no measurement.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        critic: Critic | None = None,
        baseline: Baseline | None = None,
        returns: ReturnEstimator | None = None,
        entropy_bonus: EntropyBonus | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        discount: float = 0.99,
        max_gradient_norm: float | None = 0.5,
        reduction: str = "mean_over_steps",
        reward_scale: float = 1.0,
        reward_bound: float | None = None,
        gradient_variance: GradientVariance | None = None,
    ):
        super().__init__()
        if not 0.0 <= discount <= 1.0:
            raise ConfigurationError(f"Learner.discount must be in [0, 1], not {discount}.")
        if max_gradient_norm is not None and max_gradient_norm <= 0:
            raise ConfigurationError(
                f"Learner.max_gradient_norm must be positive or None, not {max_gradient_norm}."
            )
        if reward_bound is not None and reward_bound <= 0:
            raise ConfigurationError(
                f"Learner.reward_bound must be positive or None, not {reward_bound}."
            )
        if reduction not in REDUCTIONS:
            raise ConfigurationError(
                f"Learner.reduction must be one of {', '.join(REDUCTIONS)}, not {reduction!r}."
            )
        self.policy = policy or Policy()
        self.critic = critic
        self.baseline = baseline
        self.returns = returns or (LambdaReturn() if critic else MonteCarlo())
        self.entropy_bonus = entropy_bonus
        self.optimizer = optimizer or keras.optimizers.RMSprop(7e-4, rho=0.99, epsilon=1e-5)
        self.discount = discount
        self.max_gradient_norm = max_gradient_norm
        self.reduction = reduction
        self.reward_scale = reward_scale
        self.reward_bound = reward_bound
        self.gradient_variance = gradient_variance
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="steps")
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        self.horizon = Horizon()

    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable, the optimizers' too.

        Args:
            observation_space: the space of one environment's observations.
            action_space: the space of one environment's actions.

        Raises:
            ConfigurationError: the parts do not fit the spaces or each other.
        """
        self.policy.build(observation_space, action_space)
        if not self.policy.head.has_score:
            raise ConfigurationError(
                f"{type(self.policy.head).__name__} has no score function, so a Learner cannot"
                " follow its policy gradient: bind another Policy.head, or train it with"
                " train.trainer = @EvolutionTrainer()."
            )
        if self.critic is None and not isinstance(self.returns, MonteCarlo):
            raise ConfigurationError(
                f"{type(self.returns).__name__} bootstraps from a critic, and there is none: bind"
                " Learner.returns = @MonteCarlo(), or Learner.critic = @VCritic()."
            )
        if self.critic is not None:
            self.critic.build(observation_space, action_space)
        if self.baseline is not None:
            self.baseline.build(observation_space, action_space, self.critic)
        for regressor, fit in self.separate:
            fit.build(regressor.trainable_variables)
            OverEnvironmentSteps.install(fit.optimizer, self.steps, self.horizon)
        self.optimizer.build(self.trainable_variables)
        OverEnvironmentSteps.install(self.optimizer, self.steps, self.horizon)
        if self.entropy_bonus is not None:
            self.entropy_bonus.build(self.horizon)
        # tf.train.Checkpoint does not look into the lists and dicts of Keras layers: here it does.
        parts = [part for part in (self.policy, self.critic, self.baseline) if part is not None]
        self._weights = _unique(variable for part in parts for variable in part.variables)

    @property
    def separate(self) -> list[tuple[Critic, Regression]]:
        """The regressors that have an optimizer of their own, and their fits."""
        return [(p, p.fit) for p in self.regressors if isinstance(p.fit, Regression)]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """What the one optimizer moves: the policy and all that is fitted jointly with it."""
        joint = [part for part in self.regressors if isinstance(part.fit, JointLoss)]
        parts: list[keras.Layer] = [self.policy, *joint]
        return _unique(v for part in parts for v in part.trainable_variables)

    @property
    def weights(self) -> list[keras.Variable]:
        """Every variable of policy, critic and baseline, each once; known after ``build``."""
        return list(self._weights)

    @property
    def statistics(self) -> list[keras.Variable]:
        """The weights that no optimizer moves: running means and the like."""
        parts = [part for part in (self.policy, self.critic, self.baseline) if part is not None]
        return _unique(v for part in parts for v in part.non_trainable_variables)

    def at(self, steps: tf.Tensor) -> "Learner":
        """Returns a view of this learner, sharing every weight, at another count of steps.

        Args:
            steps: scalar int64, what schedules go by.
        """
        return self.variant(steps=steps)

    def variant(self, **parts: Any) -> "Learner":
        """Returns a view of this learner, sharing every weight, in which some parts are others.

        Args:
            parts: by name, such as ``policy``, ``entropy_bonus`` or ``optimizer``; built.
        """
        view = copy.copy(self)
        # Not by setattr: tf.Module would enter the parts among the checkpoint's, which are shared.
        view.__dict__.update(parts)
        return view

    def gradients(self, trajectory: Trajectory, seed: tf.Tensor) -> tuple[list[tf.Tensor], Metrics]:
        """Differentiates the loss by ``trainable_variables``.

        Args:
            trajectory: T steps of B environments.
            seed: int32 [2].

        Returns:
            Gradients, and the loss's metrics.
        """
        with tf.GradientTape() as tape:
            # Values that stand in for variables (pgtf.parameters) are not watched by themselves.
            tape.watch([variable.value for variable in self.trainable_variables])
            loss, metrics = self.loss(trajectory, seed)
        return self.differentiate(tape, loss), metrics

    def differentiate(self, tape: tf.GradientTape, loss: tf.Tensor) -> list[tf.Tensor]:
        """Returns the gradients of a taped loss, one for each of ``trainable_variables``."""
        values = [variable.value for variable in self.trainable_variables]
        return tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def apply(self, gradients: Sequence[tf.Tensor]) -> Metrics:
        """Clips gradients and takes one step of the optimizer.

        Args:
            gradients: one for each of ``trainable_variables``.

        Returns:
            The norm before clipping and the learning rate.
        """
        gradients, norm = self.clipped(gradients)
        learning_rate = tf.convert_to_tensor(self.optimizer.learning_rate)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.updates.assign_add(1)
        return {"gradient_norm": norm, "learning_rate": learning_rate}

    def clipped(self, gradients: Sequence[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Returns gradients clipped to ``max_gradient_norm``, and their norm before."""
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
        if self.max_gradient_norm is None:
            return list(gradients), norm
        factor = self.max_gradient_norm / tf.maximum(norm, self.max_gradient_norm)
        return [factor * gradient for gradient in gradients], norm

    def update(self, trajectory: Trajectory, seed: tf.Tensor) -> Metrics:
        """One iteration of learning.

        Args:
            trajectory: T steps of B environments.
            seed: int32 [2].

        Returns:
            Metrics: scalars, and ``advantage`` and ``returns`` [T, B].
        """
        gradients, metrics = self.gradients(trajectory, seed)
        metrics |= self.apply(gradients)
        self.finish(trajectory, metrics["returns"])
        return metrics

    def finish(self, trajectory: Trajectory, returns: tf.Tensor) -> None:
        """Moves all that follows an update: separate fits, running statistics, the step counter.

        Args:
            trajectory: the one that was learned from.
            returns: [T, B] G_t, as they were before the update.
        """
        self.settle(trajectory, returns)
        self.steps.assign_add(tf.cast(tf.reduce_sum(trajectory.mask), tf.int64))

    def settle(self, trajectory: Trajectory, returns: tf.Tensor) -> None:
        """Does what ``finish`` does, without counting steps."""
        mask = self.learned(trajectory)
        for part, fit in self.separate:
            fit.run(
                functools.partial(part.predict, trajectory),
                returns,
                losses.mean_over_steps(mask),
                part.trainable_variables,
            )
        if self.baseline is not None:
            self.baseline.update(trajectory, returns, mask)
        observation = tf.nest.map_structure(lambda x: x[:-1], trajectory.observation)
        self.policy.network.adapt(observation, trajectory.mask)
        for part in self.regressors:
            if part.network is not self.policy.network:
                part.adapt(trajectory, trajectory.mask)


def _unique(variables: Iterable[keras.Variable]) -> list[keras.Variable]:
    """Parts may share a network: each variable once, in order."""
    return list({id(variable): variable for variable in variables}.values())
