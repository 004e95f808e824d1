"""Surrogates: losses whose gradient estimates minus the policy gradient."""

import abc

import gin
import tensorflow as tf

from pgtf import losses
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
