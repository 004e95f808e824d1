"""The policy gradient of each trajectory apart, in one vectorised pass."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pgtf.graph.compilation import Compilation
from pgtf.learning.gradient_rows import column_gradients
from pgtf.policies.policy import Policy
from pgtf.trajectory import Trajectory

_STEPS_AT_A_TIME = 65_536  # What fits into memory with room to spare, for networks of any size.


def trajectory_gradients(
    policy: Policy, compilation: Compilation
) -> Callable[[Trajectory, tf.Tensor], np.ndarray]:
    """Returns ``column_gradients`` for many trajectories, which are taken some at a time.

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
            # All parts have one shape, so that one program serves them: the last one looks back.
            begin = min(first, count - size)
            part = columns(begin, begin + size, trajectory, signal)
            computed = compilation.run(functools.partial(compute, *part))
            parts.append(computed.numpy()[first - begin :])
        return np.concatenate(parts)

    return gradients


def columns(first: int, last: int, *nests: Any) -> tuple[Any, ...]:
    """Returns columns ``first`` to ``last`` - 1 of nests of [T, B, ...]."""
    return tuple(tf.nest.map_structure(lambda x: x[:, first:last], nests))
