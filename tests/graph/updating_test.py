"""Steps of Keras's optimizers."""

import gc
import weakref
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.graph.updating import apply_gradients

GRADIENT = tf.constant([[1.0, -2.0], [0.5, 4.0]])


def variable() -> keras.Variable:
    return keras.Variable([[1.0, 2.0], [3.0, 4.0]], name="w")


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("kind", "step"),
    [(keras.optimizers.SGD, GRADIENT), (keras.optimizers.Adam, tf.sign(GRADIENT))],
)
def test_a_step_is_the_optimizers_own(
    kind: type[keras.optimizers.Optimizer], step: tf.Tensor, graph: bool
) -> None:
    """w - 0.1 g, and of Adam's first step w - 0.1 sign(g)."""
    moved, optimizer = variable(), kind(0.1)
    optimizer.build([moved])

    def update() -> None:
        apply_gradients(optimizer, [GRADIENT], [moved])

    (tf.function(update, autograph=False) if graph else update)()
    np.testing.assert_allclose(moved.numpy(), variable().numpy() - 0.1 * step.numpy(), rtol=1e-5)


def test_nothing_of_a_graph_stays_behind() -> None:
    """Buffers and environments of earlier runs would fill the memory of a process."""
    moved, optimizer = variable(), keras.optimizers.SGD(0.1)
    optimizer.build([moved])

    def traced(buffer: tf.Variable) -> Any:
        function = tf.function(
            lambda: apply_gradients(optimizer, [GRADIENT * tf.reduce_sum(buffer)], [moved]),
            autograph=False,
        )
        function()
        return function.get_concrete_function().graph

    buffer = tf.Variable(tf.zeros((3,)))
    held = weakref.ref(buffer), weakref.ref(traced(buffer))
    del buffer
    gc.collect()
    assert [reference() for reference in held] == [None, None]
