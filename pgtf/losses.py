r"""Losses: pure functions of what policy, critic and baseline say about a trajectory.

``weight`` [T, B] says how the sums over steps and trajectories are taken; it is 0 on masked rows.
Two choices are given: the mean over steps, which keeps learning rates comparable when the batch
grows, and the lecture's (1/N) Σ_i Σ_t, the sum over time and mean over trajectories.

Static shapes that differ raise a ValueError while tracing; a scalar fits any tensor.
"""

import tensorflow as tf

from pgtf.shapes import check_alike

Scalars = dict[str, tf.Tensor]


def mean_over_steps(mask: tf.Tensor) -> tf.Tensor:
    """Weights of a mean over the unmasked steps: [T, B] to [T, B]."""
    return mask / tf.maximum(tf.reduce_sum(mask), 1.0)


def sum_over_time(mask: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
    """Weights of a sum over time and a mean over the N trajectories, 1/N Σ_i Σ_t.

    A trajectory is an episode, or the part of one that lies inside the rollout.

    Args:
        mask: [T, B].
        time: [T, B] int32, step within the episode.

    Returns:
        [T, B] weights.
    """
    return mask / tf.maximum(tf.reduce_sum(first_steps(mask, time)), 1.0)


def first_steps(mask: tf.Tensor, time: tf.Tensor) -> tf.Tensor:
    """Marks where each trajectory begins: [T, B], [T, B] int32 step within the episode, to [T, B].

    A trajectory begins with its episode, or with the rollout.
    """
    check_alike(mask=mask, time=time)
    return tf.concat([mask[:1], mask[1:] * tf.cast(tf.equal(time[1:], 0), tf.float32)], axis=0)


def score_function_loss(log_prob: tf.Tensor, advantage: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    r"""Loss whose gradient is minus the policy gradient, - Σ w ∇ log π(a_t | s_t) A_t.

    The score-function estimator of ∇ E[f(x)] (Williams 1992, REINFORCE). The advantage is a
    constant: no gradient reaches a critic or a baseline through it.

    Args:
        log_prob: [T, B] log π(a_t | s_t) of the actions as sampled.
        advantage: [T, B] A_t.
        weight: [T, B].

    Returns:
        Scalar.
    """
    check_alike(log_prob=log_prob, advantage=advantage, weight=weight)
    return -tf.reduce_sum(weight * log_prob * tf.stop_gradient(advantage))


def value_loss(prediction: tf.Tensor, target: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Squared error Σ w (G_t - V(s_t))²; the target is held fixed.

    Args:
        prediction: [T, B] V(s_t) or Q(s_t, a_t).
        target: [T, B] G_t.
        weight: [T, B].

    Returns:
        Scalar.
    """
    check_alike(prediction=prediction, target=target, weight=weight)
    return tf.reduce_sum(weight * tf.square(tf.stop_gradient(target) - prediction))


def entropy_bonus(entropy: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Mean entropy Σ w H(π(· | s_t)) (Mnih et al. 2016, section 4); subtract β times this.

    Args:
        entropy: [T, B].
        weight: [T, B].

    Returns:
        Scalar.
    """
    check_alike(entropy=entropy, weight=weight)
    return tf.reduce_sum(weight * entropy)


def explained_variance(prediction: tf.Tensor, target: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """1 - Var(G - V) / Var(G) over unmasked steps; 1 is perfect, 0 no better than a constant.

    Args:
        prediction: [T, B].
        target: [T, B].
        mask: [T, B].

    Returns:
        Scalar; 0 where the target does not vary.
    """
    check_alike(prediction=prediction, target=target, mask=mask)
    return tf.math.divide_no_nan(
        _variance(target, mask) - _variance(target - prediction, mask), _variance(target, mask)
    )


def standard_deviation(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Standard deviation over unmasked steps: [T, B], [T, B] to a scalar."""
    check_alike(x=x, mask=mask)
    return tf.sqrt(_variance(x, mask))


def _variance(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    weight = mean_over_steps(mask)
    return tf.reduce_sum(weight * tf.square(x - tf.reduce_sum(weight * x)))
