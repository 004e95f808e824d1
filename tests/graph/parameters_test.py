"""Parts evaluated at values that are not in their variables."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf.graph import parameters
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy

OBSERVATION = np.array([[0.3, -1.2, 0.5], [1.0, 0.1, -0.4]], np.float32)


def policy(action_space: spaces.Space | None = None) -> Policy:
    made = Policy(MLP((4,)))
    made.build(spaces.Box(-1.0, 1.0, (3,)), action_space or spaces.Discrete(3))
    return made


def logits(made: Policy, observation: tf.Tensor) -> tf.Tensor:
    return made.distribution(observation).logits_parameter()


def set_all(made: Policy, values: list[np.ndarray]) -> None:
    for variable, value in zip(made.variables, values, strict=True):
        variable.assign(value)


def moved(made: Policy, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [v.numpy() + random.normal(size=v.shape).astype(np.float32) for v in made.variables]


def test_a_snapshot_does_not_follow_its_variables() -> None:
    made = policy()
    before = [variable.numpy() for variable in made.variables]
    values = parameters.snapshot(made.variables)
    for variable in made.variables:
        variable.value.assign_add(tf.ones_like(variable.value))
    for old, value, variable in zip(before, values, made.variables, strict=True):
        np.testing.assert_array_equal(value, old)
        assert not np.array_equal(variable.numpy(), old)


def test_a_snapshot_in_a_graph_holds_what_was_there_before_the_graph_writes() -> None:
    made = policy()
    before = [variable.numpy() for variable in made.variables]

    @tf.function(autograph=False)
    def write() -> list[tf.Tensor]:
        values = parameters.snapshot(made.variables)
        for variable in made.variables:
            variable.value.assign_add(tf.ones_like(variable.value))
        return values

    for old, value in zip(before, write(), strict=True):
        np.testing.assert_array_equal(value, old)


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_values_take_the_place_of_variables(mode: str) -> None:
    made = policy()
    values = moved(made, 1)

    def evaluate(values: list[tf.Tensor], observation: tf.Tensor) -> tf.Tensor:
        with parameters.substituted(made.variables, values):
            return logits(made, observation)

    if mode != "eager":
        evaluate = tf.function(evaluate, autograph=False, jit_compile=mode == "xla")
    kept = [variable.numpy() for variable in made.variables]
    substituted = evaluate([tf.constant(v) for v in values], tf.constant(OBSERVATION))
    for variable, value in zip(made.variables, kept, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert not np.allclose(substituted, logits(made, OBSERVATION), atol=1e-2)
    set_all(made, values)
    np.testing.assert_allclose(substituted, logits(made, OBSERVATION), rtol=1e-5)


def test_a_graph_traced_with_values_reads_no_variable() -> None:
    made = policy()

    @tf.function(autograph=False)
    def evaluate(values: list[tf.Tensor]) -> tf.Tensor:
        with parameters.substituted(made.variables, values):
            return logits(made, OBSERVATION)

    values = [tf.constant(variable.numpy()) for variable in made.variables]
    concrete = evaluate.get_concrete_function(values)
    assert [x for x in concrete.captured_inputs if x.dtype == tf.resource] == []


def test_values_can_be_a_stack() -> None:
    made = policy()
    members = [moved(made, seed) for seed in range(3)]
    stacks = [tf.constant(np.stack(same)) for same in zip(*members, strict=True)]

    def evaluate(values: list[tf.Tensor]) -> tf.Tensor:
        with parameters.substituted(made.variables, values):
            return logits(made, OBSERVATION)

    together = tf.vectorized_map(evaluate, stacks)
    assert together.shape == (3, 2, 3)
    for row, member in zip(together, members, strict=True):
        set_all(made, member)
        np.testing.assert_allclose(row, logits(made, OBSERVATION), rtol=1e-5)


def test_gradients_are_taken_by_the_values() -> None:
    made = policy(spaces.Box(-1.0, 1.0, (2,)))  # with a weight that is no layer's, log σ
    values = [tf.constant(value) for value in moved(made, 2)]
    action = tf.constant([[0.1, 0.2], [-0.3, 0.5]])
    with (
        tf.GradientTape() as tape,
        parameters.substituted(made.variables, values),
    ):
        tape.watch(values)
        loss = tf.reduce_sum(made.distribution(OBSERVATION).log_prob(action))
    by_values = tape.gradient(loss, values)
    set_all(made, [value.numpy() for value in values])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(made.distribution(OBSERVATION).log_prob(action))
    by_variables = tape.gradient(loss, [variable.value for variable in made.variables])
    for one, other in zip(by_values, by_variables, strict=True):
        assert np.any(other)
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_the_variables_are_back_after_an_error() -> None:
    made = policy()
    before = logits(made, OBSERVATION).numpy()
    with (
        pytest.raises(ZeroDivisionError),
        parameters.substituted(made.variables, moved(made, 3)),
    ):
        raise ZeroDivisionError
    np.testing.assert_array_equal(logits(made, OBSERVATION), before)


def test_values_that_do_not_fit_are_refused() -> None:
    made = policy()
    values = parameters.snapshot(made.variables)
    with (
        pytest.raises(ValueError, match=r"shorter|longer"),
        parameters.substituted(made.variables, values[1:]),
    ):
        pass
    with (
        pytest.raises(ValueError, match="shape"),
        parameters.substituted(made.variables, values[::-1]),
    ):
        pass


def test_writing_inside_leaves_the_variables_alone() -> None:
    variable = keras.Variable(1.0)
    with parameters.substituted([variable], [tf.constant(2.0)]):
        variable.assign(variable.value + 5.0)
        assert float(variable.value) == 7.0
    assert float(variable.value) == 1.0


def test_a_flat_vector_is_cut_into_the_shapes_it_was_made_of() -> None:
    made = policy()
    values = moved(made, 1)
    flat = parameters.flattened(values)
    assert flat.shape == (sum(value.size for value in values),)
    for cut, value in zip(parameters.unflattened(flat, made.variables), values, strict=True):
        np.testing.assert_array_equal(cut, value)
    stack = tf.stack([flat, 2 * flat])
    for cut, value in zip(parameters.unflattened(stack, made.variables), values, strict=True):
        np.testing.assert_array_equal(cut, np.stack([value, 2 * value]))
