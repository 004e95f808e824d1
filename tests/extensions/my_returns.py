"""A return estimator in a module of one's own: V-trace.

import tests.extensions.my_returns
Learner.returns = @TruncatedTrace()
"""

import gin
import tensorflow as tf

import pgtf


@gin.register
class TruncatedTrace(pgtf.ReturnEstimator):
    """V-trace (Espeholt et al. 2018, arXiv:1802.01561, eq. 1) with truncated weights π/μ.

    On-policy it is the return that is bootstrapped at the end of the rollout.

    Args:
        clip: ρ̄ and c̄, the largest weight of a step.
    """

    bootstraps = True
    uses_behaviour = True

    def __init__(self, clip: float = 1.0):
        self.clip = clip

    def __call__(
        self,
        trajectory: pgtf.Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns v_s, which V is fitted to, and r + γ v_{s+1} in place of Q, each [T, B]."""
        weight = tf.minimum(tf.exp(log_ratio), self.clip)
        discounts = discount * (1.0 - tf.cast(trajectory.terminated, tf.float32))
        goes_on = 1.0 - tf.cast(trajectory.truncated, tf.float32)
        # The row of a reset counts for nothing: it is cut off by the end before it.
        surprise = weight * (trajectory.reward + discounts * values[1:] - values[:-1])

        def backup(later: tf.Tensor, row: tuple[tf.Tensor, ...]) -> tf.Tensor:
            delta, decay = row
            return delta + decay * later

        rows = surprise, discounts * goes_on * weight
        correction = tf.scan(backup, rows, tf.zeros_like(values[-1]), reverse=True)
        target = values[:-1] + correction
        # What follows a truncated step is another episode: there the value stands in.
        later = tf.concat([target[1:], values[-1:]], axis=0)
        later = tf.where(trajectory.truncated, values[1:], later)
        return target, trajectory.reward + discounts * later
