"""Evolutionary methods: how the fitness of a generation moves the search distribution."""

import abc
from collections.abc import Callable

import gin
import keras
import tensorflow as tf

from pgtf import losses
from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative, PositiveProbability
from pgtf.evolution.search import GaussianSearch
from pgtf.evolution.shaping import centred_ranks
from pgtf.graph.updating import apply_gradients
from pgtf.learning.schedules import Horizon, OverEnvironmentSteps

Metrics = dict[str, tf.Tensor]


class SearchMethod(tf.Module, abc.ABC):
    """Moves a search distribution towards its fitter members."""

    def build(self, search: GaussianSearch, steps: tf.Variable, horizon: Horizon) -> None:
        """Makes every variable.

        Args:
            search: the distribution to move, built.
            steps: the variable that counts environment steps, which schedules go by.
            horizon: of the run, which schedules may go by instead.
        """
        self._search = search
        self._steps = steps
        self._horizon = horizon

    @abc.abstractmethod
    def update(self, members: tf.Tensor, fitness: tf.Tensor) -> Metrics:
        """Moves the distribution once.

        Args:
            members: θ [N, D], sampled from it.
            fitness: F(θ) [N]; more is better.

        Returns:
            Scalars by name.
        """


@gin.register
class EvolutionStrategy(SearchMethod):
    """Follows the search gradient ∇_μ U = E[∇_μ log P_μ(θ) F(θ)].

    The score-function estimator of the policy gradient, with parameters in place of actions
    (Wierstra et al. 2014, "Natural Evolution Strategies", section 2; Salimans et al. 2017,
    arXiv:1703.03864). A learned σ is one of the parameters μ.

    Args:
        shaping: maps the fitness [N] to the members' weights; None for the raw fitness.
        optimizer: any Keras optimizer; Adam(0.01) when unbound. A schedule for its learning rate
            counts environment steps. Its ``weight_decay`` pulls the mean towards 0, never σ.
    """

    @checked
    def __init__(
        self,
        shaping: Callable[[tf.Tensor], tf.Tensor] | None = centred_ranks,
        optimizer: keras.optimizers.Optimizer | None = None,
    ):
        super().__init__()
        self.shaping = shaping
        self.optimizer = optimizer or keras.optimizers.Adam(0.01)

    def build(self, search: GaussianSearch, steps: tf.Variable, horizon: Horizon) -> None:
        """Makes the optimizer's variables; see ``SearchMethod.build``."""
        super().build(search, steps, horizon)
        if self.optimizer.weight_decay and search.scale == "learned":
            self.optimizer.exclude_from_weight_decay(var_list=[search.log_scale])
        self.optimizer.build(search.trainable_variables)
        OverEnvironmentSteps.install(self.optimizer, steps, horizon)

    def gradients(self, members: tf.Tensor, fitness: tf.Tensor) -> list[tf.Tensor]:
        """Estimates −∇U from the members, for an optimizer to descend.

        Args:
            members: θ [N, D].
            fitness: [N], shaped already.

        Returns:
            One gradient for each of the search distribution's ``trainable_variables``.
        """
        with tf.GradientTape() as tape:
            log_prob = self._search.distribution().log_prob(members)
            loss = losses.score_function_loss(log_prob, fitness, 1.0 / members.shape[0])
        return tape.gradient(loss, [v.value for v in self._search.trainable_variables])

    def update(self, members: tf.Tensor, fitness: tf.Tensor) -> Metrics:
        """Takes one step of the optimizer; see ``SearchMethod.update``."""
        shaped = fitness if self.shaping is None else self.shaping(fitness)
        gradients = self.gradients(members, shaped)
        learning_rate = tf.convert_to_tensor(self.optimizer.learning_rate)
        apply_gradients(self.optimizer, gradients, self._search.trainable_variables)
        return {"gradient_norm": tf.linalg.global_norm(gradients), "learning_rate": learning_rate}


@gin.register
class CrossEntropyMethod(SearchMethod):
    """Fits the search distribution to its best members in each generation.

    The fit is the most likely Gaussian, μ the mean of the elite and σ² their mean squared distance
    from it (Rubinstein 1999; for policies: Szita and Lőrincz 2006, "Learning Tetris Using the Noisy
    Cross-Entropy Method"). A fixed σ stays as it is.

    Args:
        elite_fraction: share of the members that the distribution is fitted to.
        step: how far the distribution moves to the fit, from 0 (not at all) to 1 (all the way).
        extra_scale: standard deviation added to σ (as variances add), which keeps the search from
            narrowing too soon; a number, or a Keras schedule over environment steps.
    """

    @checked
    def __init__(
        self,
        elite_fraction: PositiveProbability = 0.2,
        step: PositiveProbability = 1.0,
        extra_scale: NonNegative | keras.optimizers.schedules.LearningRateSchedule = 0.0,
    ):
        super().__init__()
        self.elite_fraction = elite_fraction
        self.step = step
        self.extra_scale = extra_scale

    def build(self, search: GaussianSearch, steps: tf.Variable, horizon: Horizon) -> None:
        """Takes the distribution and the counters; see ``SearchMethod.build``."""
        super().build(search, steps, horizon)
        horizon.follow(self.extra_scale)

    def fit(self, members: tf.Tensor, fitness: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Fits a Gaussian to the elite.

        Args:
            members: θ [N, D].
            fitness: [N].

        Returns:
            Its mean [D] and its variance, [D] or [] as the search distribution's.
        """
        # With a single member there would be no variance left.
        count = max(2, round(self.elite_fraction * members.shape[0]))
        elite = tf.gather(members, tf.math.top_k(fitness, count).indices)
        mean = tf.reduce_mean(elite, axis=0)
        variance = tf.reduce_mean(tf.square(elite - mean), axis=0)
        if self._search.covariance == "isotropic":
            variance = tf.reduce_mean(variance)
        return mean, variance

    def update(self, members: tf.Tensor, fitness: tf.Tensor) -> Metrics:
        """Moves the distribution towards the fit; see ``SearchMethod.update``."""
        search = self._search
        mean, variance = self.fit(members, fitness)
        step = self.step * self._horizon.step_scale
        move = step * (mean - search.mean.value)
        search.mean.assign_add(move)
        metrics = {"step_norm": tf.norm(move)}
        if search.scale == "learned":
            extra = self._extra_scale()
            target = tf.sqrt(variance + tf.square(extra))
            sigma = search.sigma + step * (target - search.sigma)
            search.log_scale.assign(tf.math.log(tf.maximum(sigma, 1e-8)))
            metrics["extra_sigma"] = extra
        return metrics

    def _extra_scale(self) -> tf.Tensor:
        if callable(self.extra_scale):
            return self._horizon.value(self.extra_scale, self._steps)
        return tf.convert_to_tensor(self.extra_scale, tf.float32)
