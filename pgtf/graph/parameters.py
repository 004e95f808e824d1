"""Parameters as arguments: the same parts evaluated with other values of their variables.

A3C's θ′, a population in evolution and many seeds at once all need a policy whose parameters are
not those in its variables. Every learnable number of pgtf is a Keras weight, so one mechanism
serves them all: values are handed in as tensors, and ``substituted`` puts them in place of the
variables while a function is evaluated or traced. It works inside ``tf.function``, XLA included,
and under ``tf.vectorized_map`` over a stack of values.
"""

import contextlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf


def snapshot(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    """Returns the values of variables as they are now; later assignments do not change them.

    In a graph, what must come after the reading needs a control dependency on the result.

    Args:
        variables: Keras variables.

    Returns:
        One tensor for each, of its shape and type.
    """
    # TensorFlow copies a variable's buffer before it writes to one that a tensor still holds.
    return [tf.identity(variable.value) for variable in variables]


@contextlib.contextmanager
def substituted(variables: Sequence[keras.Variable], values: Sequence[tf.Tensor]) -> Iterator[None]:
    """Inside this context the variables have other values, for this thread alone.

    Nothing is assigned: what is written to a variable inside is dropped at the end. Gradients
    are taken by the values, which a tape has to ``watch`` (``Learner.gradients`` does).

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
    """Cuts vectors into values of the variables' shapes; ``flattened`` the other way round.

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
