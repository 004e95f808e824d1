"""Variables that are not finite are found, and an update that makes them so is undone."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.graph.finite import FiniteCheck, float_variables, undone_unless_finite


def test_every_float_variable_of_a_checkpoint_is_looked_at() -> None:
    one, other = (keras.layers.Dense(2, name="twin") for _ in range(2))
    one.build((None, 3))
    other.build((None, 3))
    optimizer = keras.optimizers.Adam()
    optimizer.build(one.trainable_variables)
    deep = tf.Module()
    deep.inner = {"x": [tf.Variable(0.0), tf.Variable(0)]}
    variables = float_variables({"one": one, "other": other, "adam": optimizer, "deep": deep})

    # Kernels and biases, Adam's two moments of the first two, its learning rate, and x.
    assert len(variables) == 4 + 4 + 1 + 1
    check = FiniteCheck(variables)
    assert check.broken() == []
    for name, variable in variables.items():
        value = variable.numpy()
        variable.assign(np.full_like(value, np.nan))
        assert check.broken() == [name]
        variable.assign(value)


def test_nothing_to_look_at_is_finite() -> None:
    assert FiniteCheck(float_variables({"steps": tf.Variable(3)})).broken() == []


@pytest.mark.parametrize("compiled", [False, True])
def test_an_update_that_is_not_finite_changes_nothing(compiled: bool) -> None:
    scalar, vector = tf.Variable(1.0), tf.Variable([2.0, 3.0])
    count = tf.Variable(0)

    @tf.function(jit_compile=compiled, autograph=False)
    def divide(by: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def update() -> tf.Tensor:
            scalar.assign_add(1.0)
            vector.assign(vector / by)
            count.assign_add(1)
            return scalar + 0.0

        return undone_unless_finite([scalar, vector], update)

    result, kept = divide(tf.constant([2.0, 0.0]))
    assert (float(result), bool(kept)) == (2.0, False)
    assert (float(scalar), vector.numpy().tolist(), int(count)) == (1.0, [2.0, 3.0], 1)
    result, kept = divide(tf.constant([2.0, 1.0]))
    assert (float(result), bool(kept)) == (2.0, True)
    assert (float(scalar), vector.numpy().tolist(), int(count)) == (2.0, [1.0, 3.0], 2)


def test_of_several_members_only_those_that_are_not_finite_are_undone() -> None:
    matrix, vector = tf.Variable([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), tf.Variable([1.0, 2.0, 3.0])

    def update() -> None:
        matrix.assign([[9.0, 9.0], [9.0, np.nan], [9.0, 9.0]])
        vector.assign([9.0, 9.0, np.inf])

    _, kept = undone_unless_finite([matrix, vector], update, members=True)

    assert kept.numpy().tolist() == [True, False, False]
    assert matrix.numpy().tolist() == [[9.0, 9.0], [2.0, 2.0], [3.0, 3.0]]
    assert vector.numpy().tolist() == [9.0, 2.0, 3.0]
