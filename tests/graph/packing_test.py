"""Packed scalars keep their names through graph functions, loops and maps."""

import numpy as np
import pytest
import tensorflow as tf

from pgtf.graph.packing import Packed, packed, unpacked
from pgtf.graph.scan import scan_while


@pytest.mark.parametrize("jit_compile", [False, True])
def test_names_survive_loops_and_functions(jit_compile: bool) -> None:
    def body(x: tf.Tensor, t: tf.Tensor) -> tuple[tf.Tensor, Packed]:
        return x + 1.0, packed({"twice": 2.0 * x, "same": x})

    @tf.function(autograph=False, jit_compile=jit_compile)
    def run() -> Packed:
        return scan_while(body, lambda x, t: t < 3, tf.constant(1.0), 3)[1]

    names, values = unpacked(run())
    assert names == ("same", "twice")
    np.testing.assert_array_equal(values, [[1, 2], [2, 4], [3, 6]])


def test_names_survive_a_vectorised_map() -> None:
    together = tf.vectorized_map(lambda x: packed({"b": x, "a": -x}), tf.constant([1.0, 2.0]))
    names, values = unpacked(together)
    assert names == ("a", "b")
    np.testing.assert_array_equal(values, [[-1, 1], [-2, 2]])
