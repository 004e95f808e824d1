"""Parameters as arguments: the same parts evaluated with other values of their variables.

A3C's θ′, a population in evolution and many seeds at once all need a policy whose parameters are
not those in its variables. Every learnable number of pgtf is a Keras weight, so one mechanism
serves them all: ``substituted`` replaces the variables by tensors while a function is evaluated or
traced. It works inside ``tf.function``, XLA included, and under ``tf.vectorized_map`` over a stack
of values.
"""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf


def snapshot(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    """Returns the current values of variables; later assignments do not change them.

    In a graph, operations that must run after the read need a control dependency on the result.

    Args:
        variables: Keras variables.

    Returns:
        One tensor for each, of its shape and type.
    """
    # TensorFlow copies a variable's buffer before it writes to one that a tensor still holds.
    return [tf.identity(variable.value) for variable in variables]


@contextlib.contextmanager
def substituted(variables: Sequence[keras.Variable], values: Sequence[tf.Tensor]) -> Iterator[None]:
    """Gives variables other values inside this context, in this thread only.

    Nothing is assigned, and writes to a variable inside are dropped at the end. Differentiate with
    respect to the values, which a tape has to ``watch`` (``Learner.gradients`` does).

    Args:
        variables: Keras variables.
        values: one tensor for each, of its shape.

    Raises:
        ValueError: the values do not fit the variables.
    """
    with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
        yield


def flattened(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """Joins tensors of any shapes to one vector [D], in their order."""
    return tf.concat([tf.reshape(value, [-1]) for value in values], axis=0)


def unflattened(flat: tf.Tensor, variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    """Splits vectors into tensors of the variables' shapes; the inverse of ``flattened``.

    Args:
        flat: [..., D], one vector or a stack of them.
        variables: Keras variables with D numbers in all.

    Returns:
        One tensor for each variable, [..., *shape].
    """
    sizes = [int(np.prod(variable.shape)) for variable in variables]
    pieces = tf.split(flat, sizes, axis=-1)
    return [
        tf.reshape(piece, [*flat.shape[:-1], *variable.shape])
        for piece, variable in zip(pieces, variables, strict=True)
    ]
