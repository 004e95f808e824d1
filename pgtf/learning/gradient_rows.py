"""The contribution of each environment of a batch to the policy gradient."""

from typing import Any

import tensorflow as tf

from pgtf.policies.decision import Actor
from pgtf.trajectory import Trajectory


def column_gradients(policy: Actor, trajectory: Trajectory, signal: tf.Tensor) -> tf.Tensor:
    """Each environment's contribution to ĝ, Σ_t w_{t,b} A_{t,b} ∇_θ log π(a_{t,b} | s_{t,b}).

    Args:
        policy: π_θ.
        trajectory: T steps of B environments.
        signal: [T, B] w A, a constant; 0 on steps that do not count.

    Returns:
        [B, P], P trainable numbers of the policy, in the order of its ``trainable_variables``. The
        sum over B is ĝ, minus the gradient of ``losses.score_function_loss``.
    """
    variables = policy.trainable_variables

    def one(column: tuple[Any, ...]) -> tf.Tensor:
        # One environment is a batch of one, for networks with memory.
        observation, action, weight, first = tf.nest.map_structure(
            lambda x: x[:, tf.newaxis], column[:4]
        )
        memory = tf.nest.map_structure(lambda x: x[tf.newaxis], column[4])
        values = [variable.value for variable in variables]
        with tf.GradientTape() as tape:
            tape.watch(values)
            log_prob = policy.unrolled(observation, first, memory).log_prob(action)
            objective = tf.reduce_sum(weight * log_prob)
        gradients = tape.gradient(
            objective, values, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return tf.concat([tf.reshape(gradient, (-1,)) for gradient in gradients], axis=0)

    rows = (
        trajectory.acted_on,
        trajectory.action,
        tf.stop_gradient(signal),
        trajectory.first[:-1],
    )
    transposed = tf.nest.map_structure(_batch_major, rows)
    return tf.vectorized_map(one, (*transposed, trajectory.memory))


def influences(contributions: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Rows whose mean is ĝ and whose covariance, divided by B, is that of ĝ.

    ĝ is a ratio Σ_b g_b / Σ_b n_b: of sums of ∇ log π A by numbers of trajectories, or of steps. If
    every column has the same n, these rows are B times the contributions. Where n varies, so does
    the divisor, and the variance is that of the linearised ratio (the delta method),
    ĝ + (g_b - n_b ĝ) / n̄.

    Args:
        contributions: [B, P] g_b / Σ n, which sum to ĝ.
        share: [B] n_b / Σ n, which sum to 1.

    Returns:
        [B, P].
    """
    count = share.shape[0]
    total = tf.reduce_sum(contributions, axis=0)
    return count * contributions - (count * share - 1.0)[:, tf.newaxis] * total


def _batch_major(x: tf.Tensor) -> tf.Tensor:
    return tf.transpose(x, [1, 0, *range(2, len(x.shape))])
