"""Minibatches: shuffled parts of a trajectory's batch."""

from typing import Any

import tensorflow as tf

from pgtf.graph import stateless
from pgtf.learning.targets import Batch


def shuffled(count: int | tf.Tensor, num_epochs: int, parts: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns the indices of each minibatch: every number below ``count`` once an epoch.

    Args:
        count: of what is shuffled.
        num_epochs: each in an order of its own.
        parts: minibatches of an epoch.
        seed: int32 [2].

    Returns:
        [num_epochs * parts, n] int32; -1 fills the last one up where ``parts`` does not divide
        ``count``.
    """
    size = -(-count // parts)
    order = tf.argsort(stateless.uniform([num_epochs, count], seed), axis=-1)
    padding = [[0, 0], [0, parts * size - count]]
    return tf.reshape(tf.pad(order, padding, constant_values=-1), [num_epochs * parts, size])


def steps(batch: Batch, index: tf.Tensor) -> Batch:
    """Cuts a minibatch of steps.

    Args:
        batch: [T, B, ...] each, with targets; without memory.
        index: [n] int32 into the T * B steps, row by row; -1 for none.

    Returns:
        [n, ...] each. Weights are scaled as in ``_weighted``.
    """

    def cut(x: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(x, [-1, *x.shape[2:]])
        return tf.gather(flat, tf.maximum(index, 0))

    part = batch._replace(targets=batch.targets._replace(share=()))
    return _weighted(tf.nest.map_structure(cut, part), index >= 0, batch)


def environments(batch: Batch, index: tf.Tensor) -> Batch:
    """Cuts a minibatch of whole environments, for networks with memory.

    Args:
        batch: [T, B, ...] each, with targets.
        index: [n] int32 into the B environments; -1 for none.

    Returns:
        [T, n, ...] each. Weights are scaled as in ``_weighted``.
    """

    def cut(x: Any, axis: int) -> Any:
        return tf.nest.map_structure(lambda x: tf.gather(x, tf.maximum(index, 0), axis=axis), x)

    rows = batch._replace(memory=(), targets=batch.targets._replace(share=()))
    part = cut(rows, 1)
    part = part._replace(
        memory=cut(batch.memory, 0),
        targets=part.targets._replace(share=cut(batch.targets.share, 0)),
    )
    return _weighted(part, index >= 0, batch)


def _weighted(part: Batch, real: tf.Tensor, batch: Batch) -> Batch:
    """Scales weights to the sum that the whole batch has: a mean stays one over fewer steps."""
    mask, weight = (tf.where(real, x, 0.0) for x in (part.targets.mask, part.targets.weight))
    total = tf.reduce_sum(batch.targets.weight)
    weight *= tf.math.divide_no_nan(total, tf.reduce_sum(weight))
    return part._replace(targets=part.targets._replace(mask=mask, weight=weight))
