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


def log_ratio(log_prob: tf.Tensor, behaviour_log_prob: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Log importance weight log π(a | s) - log μ(a | s); 0 where the step has no weight.

    Args:
        log_prob: [...] log π(a | s) of the policy that is learned.
        behaviour_log_prob: [...] log μ(a | s) of the policy that acted.
        weight: [...].
    """
    check_alike(log_prob=log_prob, behaviour_log_prob=behaviour_log_prob, weight=weight)
    return tf.where(weight > 0, log_prob - tf.stop_gradient(behaviour_log_prob), 0.0)


def clipped_surrogate_loss(
    ratio: tf.Tensor, advantage: tf.Tensor, weight: tf.Tensor, clip: tf.Tensor | float
) -> tf.Tensor:
    """- Σ w min(r A, clip(r, 1 - ε, 1 + ε) A) (PPO; Schulman et al. 2017, arXiv:1707.06347, eq. 7).

    No gradient comes from a step whose ratio has left the interval in the direction that its
    advantage asks for: above 1 + ε with A > 0, below 1 - ε with A < 0.

    Args:
        ratio: [...] r = π(a | s) / μ(a | s), to be differentiated.
        advantage: [...] A, a constant.
        weight: [...].
        clip: ε, a scalar.

    Returns:
        Scalar.
    """
    check_alike(ratio=ratio, advantage=advantage, weight=weight)
    advantage = tf.stop_gradient(advantage)
    clipped = tf.clip_by_value(ratio, 1.0 - clip, 1.0 + clip)
    return -tf.reduce_sum(weight * tf.minimum(ratio * advantage, clipped * advantage))


def kl_estimate(log_ratio: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Mean of (r - 1) - log r over unmasked steps, which estimates KL(μ ‖ π) from actions of μ.

    The estimator k3 of Schulman (2020, "Approximating KL divergence"): unbiased and never negative.

    Args:
        log_ratio: [...] log r = log π(a | s) - log μ(a | s).
        mask: [...].

    Returns:
        Scalar.
    """
    check_alike(log_ratio=log_ratio, mask=mask)
    return tf.reduce_sum(mean_over_steps(mask) * (tf.math.expm1(log_ratio) - log_ratio))


def effective_sample_size(ratio: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """(Σ r)² / (N Σ r²) over the N unmasked steps, a share in (0, 1] (Kish 1965).

    Args:
        ratio: [...] importance weights r.
        mask: [...].

    Returns:
        Scalar; 1 where all weights are equal.
    """
    check_alike(ratio=ratio, mask=mask)
    weight = mean_over_steps(mask)
    mean, square = tf.reduce_sum(weight * ratio), tf.reduce_sum(weight * tf.square(ratio))
    return tf.math.divide_no_nan(tf.square(mean), square)


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


def clipped_value_loss(
    prediction: tf.Tensor, old: tf.Tensor, target: tf.Tensor, weight: tf.Tensor, clip: float
) -> tf.Tensor:
    """Σ w max((G - V)², (G - V_old - clip(V - V_old, -ε, ε))²), the value loss of OpenAI's PPO.

    A prediction that has moved towards its target by more than ε is pulled no further.

    Args:
        prediction: [...] V(s_t) or Q(s_t, a_t).
        old: [...] the prediction when the targets were made.
        target: [...] G_t.
        weight: [...].
        clip: ε, in units of the return.

    Returns:
        Scalar.
    """
    check_alike(prediction=prediction, old=old, target=target, weight=weight)
    old, target = tf.stop_gradient(old), tf.stop_gradient(target)
    near = old + tf.clip_by_value(prediction - old, -clip, clip)
    error = tf.maximum(tf.square(target - prediction), tf.square(target - near))
    return tf.reduce_sum(weight * error)


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


def normalized(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Shifts and scales to mean 0 and deviation 1 over unmasked steps: [...], [...] to [...]."""
    mean = tf.reduce_sum(mean_over_steps(mask) * x)
    return (x - mean) / (standard_deviation(x, mask) + 1e-8)


def _variance(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    weight = mean_over_steps(mask)
    return tf.reduce_sum(weight * tf.square(x - tf.reduce_sum(weight * x)))
