"""A surrogate in a module of one's own: PPO's clipped one.

import tests.extensions.my_surrogate
Learner.surrogate = @Clipped()
"""

import gin
import tensorflow as tf

import pgtf


@gin.register
class Clipped(pgtf.Surrogate):
    """- Σ w min(ρ A, clip(ρ, 1 - ε, 1 + ε) A), ρ = π/μ (Schulman et al. 2017, eq. 7).

    Args:
        clip: ε.
    """

    uses_behaviour = True

    def __init__(self, clip: float = 0.2):
        self.clip = clip

    def __call__(
        self,
        log_prob: tf.Tensor,
        behaviour_log_prob: tf.Tensor | None,
        advantage: tf.Tensor,
        weight: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the loss, how much is clipped, and how far the policies are apart."""
        counted = tf.cast(weight > 0, tf.float32)
        log_ratio = counted * (log_prob - behaviour_log_prob)
        ratio = tf.exp(log_ratio)
        clipped = tf.clip_by_value(ratio, 1.0 - self.clip, 1.0 + self.clip)
        loss = -tf.reduce_sum(weight * tf.minimum(ratio * advantage, clipped * advantage))
        beyond = tf.cast(tf.abs(ratio - 1.0) > self.clip, tf.float32)
        return loss, {
            "clip_fraction": tf.reduce_sum(beyond) / tf.maximum(tf.reduce_sum(counted), 1.0),
            "log_ratio_max": tf.reduce_max(tf.abs(log_ratio)),
        }
