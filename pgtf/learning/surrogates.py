"""Surrogates: losses whose gradient estimates minus the policy gradient."""

import abc
import copy
from typing import Any

import gin
import tensorflow as tf
from keras.optimizers.schedules import LearningRateSchedule

from pgtf import losses
from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Positive
from pgtf.learning.schedules import Horizon, Scheduled
from pgtf.losses import Scalars


class Surrogate(abc.ABC):
    """Maps log-probs and advantages to the policy's part of the loss.

    Attributes:
        uses_behaviour: whether it needs the log-probs of the policy that acted.
    """

    uses_behaviour: bool = False

    @abc.abstractmethod
    def __call__(
        self,
        log_prob: tf.Tensor,
        behaviour_log_prob: tf.Tensor | None,
        advantage: tf.Tensor,
        weight: tf.Tensor,
    ) -> tuple[tf.Tensor, Scalars]:
        """Returns the loss, a scalar, and scalars to log by name.

        Args:
            log_prob: [...] log π(a | s), to be differentiated.
            behaviour_log_prob: [...] log μ(a | s), or None where no part asked for it.
            advantage: [...] A, a constant.
            weight: [...] of each step.
        """

    def build(self, horizon: Horizon) -> None:
        """Takes the horizon of the run, which schedules may go by."""
        del horizon

    def at(self, steps: tf.Tensor) -> "Surrogate":
        """Returns the surrogate with its schedules read after this many environment steps."""
        del steps
        return self


@gin.register
class ScoreFunction(Surrogate):
    """- Σ w log π(a | s) A, the score-function estimator (Williams 1992), for on-policy data."""

    def __call__(
        self,
        log_prob: tf.Tensor,
        behaviour_log_prob: tf.Tensor | None,
        advantage: tf.Tensor,
        weight: tf.Tensor,
    ) -> tuple[tf.Tensor, Scalars]:
        """Returns the loss, and no scalars; see ``Surrogate``."""
        del behaviour_log_prob
        return losses.score_function_loss(log_prob, advantage, weight), {}


@gin.register
class ImportanceWeighted(Surrogate):
    """The score function weighted by min(c, π(a | s) / μ(a | s)), for data of another policy μ.

    The gradient is Σ w min(c, π/μ) ∇ log π(a | s) A. The weight is a constant: truncation caps what
    a step contributes, where differentiating min(c, π/μ) A would drop the step. Without truncation
    it is the gradient of Σ w (π/μ) A, the off-policy policy gradient of Degris et al. (2012,
    arXiv:1205.4839): unbiased in the action wherever μ > 0, with states weighted as μ visits them.

    Args:
        max_ratio: c; None for no truncation. V-trace's ρ̄ is 1.
    """

    uses_behaviour = True

    @checked
    def __init__(self, max_ratio: Positive | None = 1.0):
        self.max_ratio = max_ratio

    def __call__(
        self,
        log_prob: tf.Tensor,
        behaviour_log_prob: tf.Tensor | None,
        advantage: tf.Tensor,
        weight: tf.Tensor,
    ) -> tuple[tf.Tensor, Scalars]:
        """Returns the loss and scalars; ``clip_fraction`` counts truncated weights."""
        assert behaviour_log_prob is not None
        log_ratio = tf.stop_gradient(losses.log_ratio(log_prob, behaviour_log_prob, weight))
        ratio = tf.exp(log_ratio)
        kept = ratio if self.max_ratio is None else tf.minimum(self.max_ratio, ratio)
        loss = losses.score_function_loss(log_prob, kept * advantage, weight)
        return loss, _ratio_scalars(log_ratio, ratio, kept < ratio, weight)


@gin.register
class ClippedSurrogate(Surrogate):
    """PPO's - Σ w min(r A, clip(r, 1 - ε, 1 + ε) A), r = π(a | s) / μ(a | s) (arXiv:1707.06347).

    Args:
        clip: ε, a number or a Keras schedule over environment steps.
    """

    uses_behaviour = True

    @checked
    def __init__(self, clip: Positive | LearningRateSchedule = 0.2):
        self._schedule = Scheduled(clip)
        self._clip: Any = clip

    def build(self, horizon: Horizon) -> None:
        """Takes the horizon of the run, which the schedule of ε may go by."""
        self._schedule.build(horizon)

    def at(self, steps: tf.Tensor) -> "ClippedSurrogate":
        """Returns the surrogate with ε as it is after this many environment steps."""
        now = copy.copy(self)
        now._clip = self._schedule.at(steps)
        return now

    def __call__(
        self,
        log_prob: tf.Tensor,
        behaviour_log_prob: tf.Tensor | None,
        advantage: tf.Tensor,
        weight: tf.Tensor,
    ) -> tuple[tf.Tensor, Scalars]:
        """Returns the loss and scalars; ``clip_fraction`` counts ratios outside 1 ± ε."""
        assert behaviour_log_prob is not None
        log_ratio = losses.log_ratio(log_prob, behaviour_log_prob, weight)
        ratio = tf.exp(log_ratio)
        loss = losses.clipped_surrogate_loss(ratio, advantage, weight, self._clip)
        return loss, _ratio_scalars(log_ratio, ratio, tf.abs(ratio - 1.0) > self._clip, weight)


def _ratio_scalars(
    log_ratio: tf.Tensor, ratio: tf.Tensor, clipped: tf.Tensor, weight: tf.Tensor
) -> Scalars:
    """What is logged of importance weights: means over the steps that are learned from."""
    mean = losses.mean_over_steps(weight)
    return {
        "approx_kl": losses.kl_estimate(log_ratio, weight),
        "clip_fraction": tf.reduce_sum(mean * tf.cast(clipped, tf.float32)),
        "importance_weight_mean": tf.reduce_sum(mean * ratio),
        "effective_sample_size": losses.effective_sample_size(ratio, weight),
    }
