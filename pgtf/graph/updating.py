"""Steps of Keras's optimizers on one machine."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[Any],
) -> None:
    """Takes one step of an optimizer, in whose graph nothing outlives the run.

    Keras first adds the gradients of all replicas up, for which TensorFlow registers a function
    whenever it is traced, and never forgets it: the graph, its variables and the environments that
    it calls would stay in memory after each run of a process. There is one replica here, whose sum
    is the gradient itself.

    Args:
        optimizer: of any kind.
        gradients: one for each of ``variables``, of its shape.
        variables: what is moved.
    """
    optimizer._all_reduce_sum_gradients = _unchanged
    optimizer.apply(gradients, variables)


def _unchanged(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The gradients of one replica, with their variables."""
    return list(pairs)
