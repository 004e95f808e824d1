"""Every trajectory that a finite process can have, each with its probability.

Expectations are then sums. A trajectory's mask holds its probability where it is 1 otherwise, so
that the sums and means that a learner takes over trajectories are the expectations themselves.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pgtf.trajectory import Trajectory
from tests.lecture.exact import Array, Process


class _Branch(NamedTuple):
    """One trajectory so far: rows of (s, a, r, terminated, truncated, live, k), and where it is."""

    probability: float
    rows: tuple[tuple[float, ...], ...]
    state: int
    time: int
    ended: bool


def every_trajectory(
    process: Process,
    policy: Array,
    num_steps: int,
    time_limit: int | None = None,
    restarts: bool = False,
) -> Trajectory:
    """Enumerates T rows from a reset.

    Args:
        process: the task.
        policy: [S, A].
        num_steps: T.
        time_limit: steps after which an episode is truncated.
        restarts: whether the row after an episode's end resets it, as in ``Rollouts``; otherwise it
            stands still to the end, as in ``Episodes``.

    Returns:
        A column for each trajectory; the mask is its probability.
    """
    starts = [(s, float(p)) for s, p in enumerate(process.start) if p]
    branches = [_Branch(p, (), s, 0, False) for s, p in starts]
    for _ in range(num_steps):
        grown = []
        for branch in branches:
            if not branch.ended:
                grown += _steps(process, policy, branch, time_limit)
                continue
            row = (branch.state, 0, 0.0, False, False, 0.0, branch.time)
            for s, p in starts if restarts else [(branch.state, 1.0)]:
                probability, rows = branch.probability * p, (*branch.rows, row)
                time = 0 if restarts else branch.time
                grown.append(_Branch(probability, rows, s, time, not restarts))
        branches = grown
    columns = np.array([branch.rows for branch in branches]).transpose(2, 1, 0)
    state, action, reward, terminated, truncated, live, time = columns
    last = np.array([branch.state for branch in branches])
    probabilities = np.array([branch.probability for branch in branches])
    return Trajectory(
        observation=tf.constant(np.vstack([state, last]), tf.int32),
        action=tf.constant(action, tf.int32),
        reward=tf.constant(reward, tf.float32),
        score=tf.constant(reward, tf.float32),
        terminated=tf.constant(terminated > 0),
        truncated=tf.constant(truncated > 0),
        mask=tf.constant(live * probabilities, tf.float32),
        time=tf.constant(time, tf.int32),
    )


def _steps(
    process: Process, policy: Array, branch: _Branch, time_limit: int | None
) -> list[_Branch]:
    """All ways to go on by one transition."""
    grown = []
    s, time = branch.state, branch.time + 1
    for a, following in np.argwhere(process.transition[s] > 0):
        probability = branch.probability * policy[s, a] * process.transition[s, a, following]
        terminated = bool(process.terminal[following])
        truncated = time == time_limit
        reward = process.reward[s, a, following]
        row = (s, a, reward, terminated, truncated, 1.0, branch.time)
        rows = (*branch.rows, row)
        grown.append(_Branch(probability, rows, int(following), time, terminated or truncated))
    return grown
