"""The learner: differentiates the objective and takes the optimizer's steps."""

from collections.abc import Sequence

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf import losses
from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Positive, Probability
from pgtf.errors import ConfigurationError
from pgtf.graph.updating import apply_gradients
from pgtf.learning import variables
from pgtf.learning.baselines import Baseline
from pgtf.learning.critics import Critic
from pgtf.learning.diagnostics import GradientVariance
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.estimators import LambdaReturn, MonteCarlo, ReturnEstimator
from pgtf.learning.fitting import Regression
from pgtf.learning.objective import Objective, Reduction
from pgtf.learning.optimization import OneUpdate, Optimization
from pgtf.learning.schedules import Horizon, OverEnvironmentSteps
from pgtf.learning.surrogates import ScoreFunction, Surrogate
from pgtf.learning.targets import Batch, Targets
from pgtf.losses import Scalars
from pgtf.policies.policy import Policy
from pgtf.trajectory import Trajectory


@gin.register
class Learner(tf.Module):
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
        reduction: of every term of the loss: 'mean_over_steps', or the lecture's
            'sum_over_time' and mean over trajectories.
        reward_scale: factor of the rewards that are learned from (not of those reported).
        reward_bound: rewards are clipped to ± this, after scaling; None for no clipping.
        gradient_variance: measures tr Cov(ĝ) as learning goes on; None for no measurement.
        surrogate: turns log-probs and advantages into the policy's loss; ``ScoreFunction`` when
            unbound.
        optimization: the steps taken on each trajectory; ``OneUpdate`` when unbound.

    Attributes:
        objective: the loss, made of these parts.
        steps: counts environment steps; schedules go by it. The trainer moves it.
        updates: counts steps of the optimizer.
        horizon: how much of the run is over.
    """

    @checked
    def __init__(
        self,
        policy: Policy | None = None,
        critic: Critic | None = None,
        baseline: Baseline | None = None,
        returns: ReturnEstimator | None = None,
        entropy_bonus: EntropyBonus | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        discount: Probability = 0.99,
        max_gradient_norm: Positive | None = 0.5,
        reduction: Reduction = "mean_over_steps",
        reward_scale: Positive = 1.0,
        reward_bound: Positive | None = None,
        gradient_variance: GradientVariance | None = None,
        surrogate: Surrogate | None = None,
        optimization: Optimization | None = None,
    ):
        super().__init__()
        self.policy = policy or Policy()
        self.critic = critic
        self.baseline = baseline
        self.optimizer = optimizer or keras.optimizers.RMSprop(7e-4, rho=0.99, epsilon=1e-5)
        self.max_gradient_norm = max_gradient_norm
        self.gradient_variance = gradient_variance
        self.optimization = optimization or OneUpdate()
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="steps")
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        self.horizon = Horizon()
        self.objective = Objective(
            policy=self.policy,
            critic=critic,
            baseline=baseline,
            returns=returns or (LambdaReturn() if critic else MonteCarlo()),
            surrogate=surrogate or ScoreFunction(),
            entropy_bonus=entropy_bonus,
            discount=discount,
            reduction=reduction,
            reward_scale=reward_scale,
            reward_bound=reward_bound,
            steps=self.steps,
        )

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
        self.objective.returns.check(self.critic, self.objective.surrogate)
        self.optimization.check(self.objective)
        if self.critic is not None:
            self.critic.build(observation_space, action_space)
        if self.baseline is not None:
            self.baseline.build(observation_space, action_space, self.critic)
        for part in self.objective.regressors:
            if part.network.remembers and part.network is not self.policy.network:
                raise ConfigurationError(
                    f"{type(part.network).__name__} remembers, and only the policy's network is"
                    f" stepped while acting: bind {type(part).__name__}.network to the policy's, as"
                    " @scope/gin.singleton(), or to one without memory."
                )
        for regressor, fit in self.separate:
            fit.build(regressor.trainable_variables)
            OverEnvironmentSteps.install(fit.optimizer, self.steps, self.horizon)
        self.optimizer.build(self.trainable_variables)
        OverEnvironmentSteps.install(self.optimizer, self.steps, self.horizon)
        self.objective.surrogate.build(self.horizon)
        if self.objective.entropy_bonus is not None:
            self.objective.entropy_bonus.build(self.horizon)
        # tf.train.Checkpoint does not look into the lists and dicts of Keras layers: here it does.
        self._weights = variables.unique(v for part in self._layers for v in part.variables)

    @property
    def separate(self) -> list[tuple[Critic, Regression]]:
        """The regressors that have an optimizer of their own, and their fits."""
        return [(p, p.fit) for p in self.objective.regressors if p.fit.joint is False]

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """What the one optimizer moves: the policy and all that is fitted jointly with it."""
        return variables.learnable(self.policy, self.objective.regressors)

    @property
    def weights(self) -> list[keras.Variable]:
        """Every variable of policy, critic and baseline, each once; known after ``build``."""
        return list(self._weights)

    @property
    def statistics(self) -> list[keras.Variable]:
        """The weights that no optimizer moves: running means and the like."""
        return variables.running(self._layers)

    @property
    def _layers(self) -> list[keras.Layer]:
        parts = (self.policy, self.critic, self.baseline)
        return [part for part in parts if part is not None]

    @property
    def uses_behaviour(self) -> bool:
        """Whether a part needs the log-probs of the policy that acted."""
        parts = (self.objective.surrogate, self.objective.returns, self.optimization)
        return any(part.uses_behaviour for part in parts)

    def gradients(
        self, trajectory: Trajectory, seed: tf.Tensor, objective: Objective | None = None
    ) -> tuple[list[tf.Tensor], Scalars, Targets]:
        """Differentiates the loss of a whole trajectory by ``trainable_variables``.

        Args:
            trajectory: T steps of B environments.
            seed: int32 [2].
            objective: in place of the learner's own.

        Returns:
            Gradients, scalars to log by name, and the targets.
        """
        objective = objective or self.objective
        with tf.GradientTape() as tape:
            # Values in place of variables (pgtf.graph.parameters) are not watched by themselves.
            tape.watch([variable.value for variable in self.trainable_variables])
            loss = objective.whole_loss(trajectory, seed)
        scalars = loss.scalars | self.measured(trajectory, loss.targets, objective)
        return self.differentiate(tape, loss.value), scalars, loss.targets

    def measured(
        self, trajectory: Trajectory, targets: Targets, objective: Objective | None = None
    ) -> Scalars:
        """Returns what ``gradient_variance`` measures on a trajectory, by name."""
        if self.gradient_variance is None:
            return {}
        policy = (objective or self.objective).policy
        return self.gradient_variance.measure(policy, trajectory, targets, self.updates)

    def differentiate(self, tape: tf.GradientTape, loss: tf.Tensor) -> list[tf.Tensor]:
        """Returns the gradients of a taped loss, one for each of ``trainable_variables``."""
        values = [variable.value for variable in self.trainable_variables]
        return tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def apply(
        self,
        gradients: Sequence[tf.Tensor],
        optimizer: keras.optimizers.Optimizer | None = None,
    ) -> Scalars:
        """Clips gradients and takes one step of the optimizer.

        Args:
            gradients: one for each of ``trainable_variables``.
            optimizer: in place of the learner's own.

        Returns:
            The norm before clipping and the learning rate.
        """
        optimizer = optimizer or self.optimizer
        gradients, norm = self.clipped(gradients)
        learning_rate = tf.convert_to_tensor(optimizer.learning_rate)
        apply_gradients(optimizer, gradients, self.trainable_variables)
        self.updates.assign_add(1)
        return {"gradient_norm": norm, "learning_rate": learning_rate}

    def clipped(self, gradients: Sequence[tf.Tensor]) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Returns gradients clipped to ``max_gradient_norm``, and their norm before."""
        norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
        if self.max_gradient_norm is None:
            return list(gradients), norm
        factor = self.max_gradient_norm / tf.maximum(norm, self.max_gradient_norm)
        return [factor * gradient for gradient in gradients], norm

    def update(
        self, fresh: Trajectory, seed: tf.Tensor, replayed: Trajectory | None = None
    ) -> tuple[Scalars, Targets]:
        """Learns from a trajectory: the optimization's steps, then separate fits and statistics.

        Args:
            fresh: T steps of B environments, which the policy has just taken.
            seed: int32 [2].
            replayed: T steps of other environments, taken earlier, which are learned from as well
                and observed no second time.

        Returns:
            Scalars to log by name, and the targets of the fresh steps.
        """
        trajectory = fresh if replayed is None else fresh.beside(replayed)
        scalars, targets = self.optimization.run(self, trajectory, seed)
        self.fit(trajectory, targets)
        if replayed is not None:
            targets = targets.first(fresh.reward.shape[1])
        self.observe(fresh, targets)
        return scalars, targets

    def fit(self, trajectory: Trajectory, targets: Targets) -> None:
        """Takes the steps of critics and baselines that have an optimizer of their own."""
        batch = Batch.whole(trajectory)
        for part, fit in self.separate:

            def prediction(part: Critic = part) -> tf.Tensor:
                return part.normalized(part.predict(batch))

            fit.run(
                prediction,
                part.normalized(targets.returns),
                losses.mean_over_steps(targets.mask),
                part.trainable_variables,
            )

    def observe(self, fresh: Trajectory, targets: Targets) -> None:
        """Moves running statistics: those of baselines, of returns, and of the networks' inputs.

        Args:
            fresh: the newest trajectory.
            targets: of it, as they were before the update.
        """
        variables.observe(self.objective, fresh, targets.returns, targets.mask)
