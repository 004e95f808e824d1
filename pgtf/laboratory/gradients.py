"""The policy gradient of each single trajectory, in one vectorised pass."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from pgtf.graph.compilation import Compilation
from pgtf.learning.gradient_rows import column_gradients
from pgtf.learning.surrogates import Surrogate
from pgtf.policies.policy import Policy
from pgtf.trajectory import Trajectory

_STEPS_AT_A_TIME = 65_536  # Fits into memory with room to spare, for networks of any size.


def trajectory_gradients(
    policy: Policy, compilation: Compilation
) -> Callable[[Trajectory, tf.Tensor], np.ndarray]:
    """Returns ``column_gradients`` for many trajectories, computed in chunks.

    Args:
        policy: π_θ.
        compilation: whether XLA compiles the pass.

    Returns:
        Maps a trajectory of N columns and a signal [T, N] to [N, P] float32.
    """
    compute = compilation.function(functools.partial(column_gradients, policy))

    def gradients(trajectory: Trajectory, signal: tf.Tensor) -> np.ndarray:
        steps, count = signal.shape
        size = min(count, max(1, _STEPS_AT_A_TIME // steps))
        parts = []
        for first in range(0, count, size):
            # All chunks have one shape, so one program serves them: the last one overlaps.
            begin = min(first, count - size)
            part = (columns(trajectory, begin, begin + size), signal[:, begin : begin + size])
            computed = compilation.run(functools.partial(compute, *part))
            parts.append(computed.numpy()[first - begin :])
        return np.concatenate(parts)

    return gradients


def score_factor(
    surrogate: Surrogate,
    log_prob: tf.Tensor,
    behaviour_log_prob: tf.Tensor,
    advantage: tf.Tensor,
    weight: tf.Tensor,
) -> tf.Tensor:
    """The factor of ∇ log π(a_t | s_t) in a surrogate's gradient, such as w min(c, π/μ) A.

    Args:
        surrogate: with its schedules read.
        log_prob: [T, N] log π(a | s).
        behaviour_log_prob: [T, N] log μ(a | s).
        advantage: [T, N] A; anything on steps that do not count.
        weight: [T, N] w; 0 on those.

    Returns:
        [T, N].
    """
    with tf.GradientTape() as tape:
        tape.watch(log_prob)
        loss, _ = surrogate(log_prob, behaviour_log_prob, advantage, weight)
    return tf.where(weight > 0, -tape.gradient(loss, log_prob), 0.0)


def columns(trajectory: Trajectory, first: int, last: int) -> Trajectory:
    """Returns environments ``first`` to ``last`` - 1 of a trajectory."""
    cut = tf.nest.map_structure(lambda x: x[:, first:last], trajectory._replace(memory=()))
    memory = tf.nest.map_structure(lambda x: x[first:last], trajectory.memory)
    return cut._replace(memory=memory)
