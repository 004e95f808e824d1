"""What every head promises, whatever its distribution."""

from collections.abc import Iterator
from typing import Any

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf import policies
from pgtf.errors import ConfigurationError
from pgtf.policies import Head, default_head

HeadAndSpace = tuple[Head, spaces.Space]
NUM_FEATURES = 3
BOX = spaces.Box(-2, 2, (2,))
GRAPH = spaces.Graph(BOX, None)
# A head's gin reference and a space for it.
HEADS = {
    "Softmax": ("@Softmax()", spaces.Discrete(5)),
    "Gaussian": ("@Gaussian()", BOX),
    "Gaussian of the state": ("@state/Gaussian()", spaces.Box(-2, 2, (1,))),
    "TanhGaussian": ("@TanhGaussian()", BOX),
    "Beta": ("@Beta()", BOX),
    "Bernoulli": ("@Bernoulli()", spaces.MultiBinary((2, 3))),
    "MultiSoftmax": ("@MultiSoftmax()", spaces.MultiDiscrete([3, 2, 4])),
    "Joint": ("@Joint()", spaces.Dict(a=spaces.Discrete(3), b=spaces.Tuple([BOX]))),
}


@gin.configurable
def bound_head(head: Head) -> Head:
    """Returns what gin made of a reference."""
    return head


@pytest.fixture(params=list(HEADS))
def head_and_space(request: pytest.FixtureRequest) -> HeadAndSpace:
    reference, space = HEADS[request.param]
    gin.parse_config(f"bound_head.head = {reference}\nstate/Gaussian.scale = 'state_dependent'\n")
    head = bound_head()
    head.build(NUM_FEATURES, space)
    for variable in head.trainable_variables:  # far from the nearly constant first policy
        variable.assign_add(np.random.default_rng(1).normal(0, 0.5, variable.shape))
    return head, space


@pytest.fixture
def half_precision() -> Iterator[None]:
    """Makes new layers compute in bfloat16, unless they know better."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def _features(*leading: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(*leading, NUM_FEATURES)).astype(np.float32)


def _evaluate(head: Head, features: Any, action: Any) -> tuple[Any, Any, Any]:
    distribution = head.distribution(features)
    return distribution.log_prob(action), distribution.entropy(), distribution.mode()


def _assert_close(actual: Any, expected: Any) -> None:
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5), actual, expected
    )


def test_leading_dimensions_are_the_batch(head_and_space: HeadAndSpace) -> None:
    """[T, B, F] gives what each row gives by itself; a batch of one stays a batch."""
    head, _ = head_and_space
    features = _features(3, 4)
    action = head.distribution(features).sample(seed=[1, 2])
    together = _evaluate(head, features, action)
    assert together[0].shape == together[1].shape == (3, 4)
    tf.nest.map_structure(
        lambda a, m: a.shape.assert_is_compatible_with(m.shape), action, together[2]
    )
    row = _evaluate(
        head, features[1, 2][np.newaxis], tf.nest.map_structure(lambda x: x[1:2, 2], action)
    )
    assert row[0].shape == row[1].shape == (1,)
    _assert_close(row, tf.nest.map_structure(lambda x: x[1:2, 2], together))
    shape = tf.nest.flatten(action)[0].shape
    assert tf.nest.flatten(head.distribution(features).sample(7, seed=[1, 2]))[0].shape == (
        7,
        *shape,
    )


def test_a_batch_of_unknown_size_is_accepted(head_and_space: HeadAndSpace) -> None:
    head, _ = head_and_space
    features = _features(4)
    expected = head.distribution(features).sample(seed=[1, 2])
    signature = [tf.TensorSpec([None, NUM_FEATURES])]

    @tf.function(input_signature=signature)
    def draw(features: tf.Tensor) -> tuple[Any, ...]:
        distribution = head.distribution(features)
        action = distribution.sample(seed=tf.constant([1, 2]))
        return action, distribution.log_prob(action), distribution.entropy(), distribution.mode()

    action, *rest = draw(features)
    _assert_close(action, expected)
    _assert_close(tuple(rest), _evaluate(head, features, expected))


def test_sampled_actions_are_finite_under_their_own_density(head_and_space: HeadAndSpace) -> None:
    head, _ = head_and_space
    distribution = head.distribution(_features(500))
    log_prob = distribution.log_prob(distribution.sample(seed=[1, 2]))
    # The mean of log π is −H; 500 rows of standard deviation below 3 lie within 6 standard errors.
    assert np.mean(log_prob + distribution.entropy()) == pytest.approx(0, abs=6 * 3 / 500**0.5)


def test_other_parameters_can_be_evaluated_as_one_xla_program(head_and_space: HeadAndSpace) -> None:
    """A stack of parameters under StatelessScope, vectorized_map and XLA, as in evolution.

    Members 0 and 1 differ in parameters and seed, 2 repeats 1, and 3 has its parameters alone.
    """
    head, _ = head_and_space
    variables = head.trainable_variables
    rng = np.random.default_rng(2)
    pairs = [rng.normal(0, 0.5, (2, *v.shape)).astype(np.float32) for v in variables]
    features = _features(40)

    def member(arguments: tuple[Any, tf.Tensor]) -> tuple[Any, Any]:
        values, seed = arguments
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            action = head.distribution(features).sample(seed=seed)
            return action, _evaluate(head, features, action)

    program = tf.function(lambda *stacks: tf.vectorized_map(member, stacks), jit_compile=True)
    population = [tf.constant(pair[[0, 1, 1, 1]]) for pair in pairs]
    members = program(population, tf.constant([[1, 2], [3, 4], [3, 4], [5, 6]]))
    members = [tf.nest.map_structure(lambda x, i=i: x[i].numpy(), members) for i in range(4)]
    for (action, evaluation), member_values in zip(
        members[:2], zip(*pairs, strict=True), strict=True
    ):
        for variable, value in zip(variables, member_values, strict=True):
            variable.assign(value)
        _assert_close(evaluation, _evaluate(head, features, action))
    _assert_close(members[2], members[1])
    drawn, same, other = (tf.nest.flatten(members[i][0]) for i in (1, 2, 3))
    assert all(np.array_equal(a, b) for a, b in zip(drawn, same, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(drawn, other, strict=True))


@pytest.mark.usefixtures("half_precision")
def test_it_computes_in_float32_beside_a_half_precision_network(
    head_and_space: HeadAndSpace,
) -> None:
    head, _ = head_and_space
    distribution = head.distribution(tf.cast(_features(4), tf.bfloat16))
    assert distribution.log_prob(distribution.sample(seed=[1, 2])).dtype == tf.float32
    assert distribution.entropy().dtype == tf.float32


@pytest.mark.parametrize(
    ("space", "head"),
    [
        (spaces.Discrete(2), policies.Softmax),
        (BOX, policies.Gaussian),
        (spaces.MultiBinary(2), policies.Bernoulli),
        (spaces.MultiDiscrete([2, 3]), policies.MultiSoftmax),
        (spaces.Tuple([BOX]), policies.Joint),
        (spaces.Dict(a=BOX), policies.Joint),
    ],
)
def test_a_head_is_chosen_from_the_space(space: spaces.Space, head: type[Head]) -> None:
    assert type(default_head(space)) is head


def test_a_chosen_head_takes_its_bindings() -> None:
    gin.parse_config("Gaussian.initial_scale = 0.25")
    head = default_head(BOX)
    head.build(NUM_FEATURES, BOX)
    np.testing.assert_allclose(head.distribution(_features(1)).stddev(), 0.25, rtol=1e-6)


def test_a_users_own_head_can_serve_a_kind_of_space_that_had_none() -> None:
    @gin.register
    class Spelling(Head, serves=spaces.Text):
        pass

    assert type(default_head(spaces.Text(3))) is Spelling


def test_a_space_without_a_head_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no policy head for the action space Graph: wrap"):
        default_head(GRAPH)
    with pytest.raises(ConfigurationError, match="no policy head for the action space Graph: wrap"):
        policies.Softmax().build(3, GRAPH)
