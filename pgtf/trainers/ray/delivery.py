"""What an actor delivers, as arrays, and how deliveries become one batch."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pgtf.trajectory import Trajectory


class Delivery(NamedTuple):
    """One rollout of an actor.

    Attributes:
        steps: environment steps.
        seconds: wall time, from the arrival of the parameters.
        episodes: [3] float32, see ``Report``.
        counted: what the loss is a mean over: the steps, or trajectories, that are learned from.
        gradient: [D] float32, of the loss by all that the optimizer moves; empty where the learner
            differentiates.
        scalars: [n] float32, of the loss.
        histograms: arrays for TensorBoard.
        data: the leaves of ``Layout.data``; none where nobody needs them.
    """

    steps: int
    seconds: float
    episodes: np.ndarray
    counted: float
    gradient: np.ndarray
    scalars: np.ndarray
    histograms: list[np.ndarray]
    data: list[np.ndarray]


class Failure(NamedTuple):
    """An environment that raised in a rollout, of which nothing is left.

    Attributes:
        message: what failed, and why.
        rebuilt: whether the actor has made it again.
    """

    message: str
    rebuilt: bool


class Layout(NamedTuple):
    """What the arrays of a delivery are.

    Attributes:
        names: of the scalars.
        tags: of the histograms.
        data: nest of ``tf.TensorSpec``: a ``Trajectory``, and returns, estimate, advantage and mask
            [T, B] where gradients come with it.
    """

    names: tuple[str, ...]
    tags: tuple[str, ...]
    data: Any


def weighted(arrays: Sequence[np.ndarray], counted: Sequence[float]) -> np.ndarray:
    """Returns Σ_j n_j x_j / Σ n_j, added up in the order of the actors.

    It turns the means that N actors took over n_j steps each into the mean over all of them.

    Args:
        arrays: x_j, of one shape.
        counted: n_j.
    """
    total = max(float(np.sum(counted)), 1.0)
    result = np.zeros_like(arrays[0])
    for array, count in zip(arrays, counted, strict=True):
        result += np.float32(count / total) * array
    return result


def beside(trajectories: Sequence[Trajectory]) -> Trajectory:
    """Returns all environments as one batch: T rows of B each, as NumPy arrays, to [T, ΣB].

    Shorter rollouts get masked rows at their end, in which environments stand still.
    """
    rows = max(each.reward.shape[0] for each in trajectories)

    def longer(x: np.ndarray, count: int) -> np.ndarray:
        return np.concatenate([x, np.zeros((count, *x.shape[1:]), x.dtype)])

    def still(x: np.ndarray, count: int) -> np.ndarray:
        return np.concatenate([x, np.repeat(x[-1:], count, axis=0)])

    padded = []
    for each in trajectories:
        missing = rows - each.reward.shape[0]
        if missing:
            observation = tf.nest.map_structure(lambda x, n=missing: still(x, n), each.observation)
            blank = each._replace(observation=(), memory=())
            blank = tf.nest.map_structure(lambda x, n=missing: longer(x, n), blank)
            each = blank._replace(observation=observation, memory=each.memory)
        padded.append(each)
    memory = tf.nest.map_structure(
        lambda *parts: np.concatenate(parts, axis=0), *[each.memory for each in padded]
    )
    joined: Trajectory = tf.nest.map_structure(
        lambda *parts: np.concatenate(parts, axis=1), *[each._replace(memory=()) for each in padded]
    )
    return joined._replace(memory=memory)


def side_by_side(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Returns arrays [T, B] beside each other, shorter ones with zeros at their end: [T, ΣB]."""
    rows = max(len(x) for x in arrays)
    return np.concatenate([np.pad(x, [(0, rows - len(x)), (0, 0)]) for x in arrays], axis=1)
