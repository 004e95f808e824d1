"""Gymnasium's spaces as tensors. Gymnasium's own ``flatten`` and ``contains`` are the oracles."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim, flatten

from pgtf.errors import ConfigurationError
from pgtf.spaces import bounded, features, num_features, specification

BOOL: Any = np.bool_  # works, but Gymnasium's types leave it out

# Those that Gymnasium's ``flatten`` encodes as a concatenation of numbers and one-hots, like ours.
SPACES: dict[str, spaces.Space[Any]] = {
    "box_scalar": spaces.Box(-1.0, 1.0, (), np.float32),
    "box_1d": spaces.Box(-1.0, 1.0, (3,), np.float32),
    "box_3d": spaces.Box(-1.0, 1.0, (2, 3, 2), np.float32),
    "box_float64": spaces.Box(-np.inf, np.inf, (2, 2), np.float64),
    "box_float16": spaces.Box(-1.0, 1.0, (2,), np.float16),
    "box_int64": spaces.Box(-5, 5, (2, 2), np.int64),
    "box_int8": spaces.Box(-5, 5, (3,), np.int8),
    "box_bool": spaces.Box(0, 1, (2, 2), BOOL),
    "discrete": spaces.Discrete(4),
    "discrete_one": spaces.Discrete(1),
    "discrete_start": spaces.Discrete(3, start=-2),
    "multi_discrete": spaces.MultiDiscrete([2, 5, 3]),
    "multi_discrete_2d": spaces.MultiDiscrete(np.array([[2, 3], [4, 1]])),
    "multi_discrete_start": spaces.MultiDiscrete(
        np.array([[2, 3], [4, 2]]), start=np.array([[1, -1], [0, 7]])
    ),
    "multi_binary": spaces.MultiBinary(4),
    "multi_binary_2d": spaces.MultiBinary([2, 3]),
    "tuple": spaces.Tuple((spaces.Discrete(3, start=1), spaces.Box(-1.0, 1.0, (2, 2)))),
    "dict": spaces.Dict({"b": spaces.Discrete(3), "a": spaces.Box(-1.0, 1.0, (2,), np.float64)}),
    "nested": spaces.Dict(
        {
            "z": spaces.Tuple((spaces.Discrete(2), spaces.Dict({"y": spaces.MultiBinary(2)}))),
            "c": spaces.MultiDiscrete([2, 2], start=[3, 4]),
        }
    ),
}
UINT8 = spaces.Box(0, 255, (2, 3, 1), np.uint8)

UNSUPPORTED = {
    "text": spaces.Text(5),
    "sequence": spaces.Sequence(spaces.Discrete(2)),
    "graph": spaces.Graph(spaces.Discrete(2), None),
    "one_of": spaces.OneOf([spaces.Discrete(2), spaces.Discrete(3)]),
}

every_space = pytest.mark.parametrize(
    "space", [*SPACES.values(), UINT8], ids=[*SPACES, "box_uint8"]
)


def sample(space: spaces.Space[Any], count: int) -> list[Any]:
    space.seed(0)
    return [space.sample() for _ in range(count)]


def plain(element: Any) -> Any:
    """A nest of NumPy arrays for TensorFlow: plain dicts, sorted."""
    if isinstance(element, dict):
        return {key: plain(element[key]) for key in sorted(element)}
    if isinstance(element, tuple):
        return tuple(plain(x) for x in element)
    return np.asarray(element)


def stacked(space: spaces.Space[Any], elements: list[Any], leading: tuple[int, ...]) -> Any:
    """The elements as tensors of ``specification``'s types with these leading dimensions."""
    return tf.nest.map_structure(
        lambda spec, *xs: tf.constant(
            np.array(xs).reshape((*leading, *spec.shape)), dtype=spec.dtype
        ),
        specification(space),
        *[plain(x) for x in elements],
    )


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("leading", [(6,), (2, 3), (1, 6), (3, 1, 2)], ids=str)
def test_features_are_gymnasiums_flattening(
    space: spaces.Space[Any], leading: tuple[int, ...]
) -> None:
    elements = sample(space, 6)
    expected = np.array([flatten(space, x) for x in elements], np.float32)
    actual = features(space, stacked(space, elements, leading))
    assert actual.dtype == tf.float32
    np.testing.assert_allclose(actual, expected.reshape(*leading, -1), rtol=1e-6)


def test_features_of_one_element_need_no_batch() -> None:
    for space in SPACES.values():
        (element,) = sample(space, 1)
        actual = features(space, stacked(space, [element], ()))
        np.testing.assert_allclose(actual, np.asarray(flatten(space, element)), rtol=1e-6)


def test_bytes_become_numbers_from_0_to_1() -> None:
    picture = np.array([0, 51, 102, 153, 204, 255], np.uint8).reshape(1, 2, 3, 1)
    actual = features(UINT8, tf.constant(picture))
    np.testing.assert_allclose(actual, [[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]], rtol=1e-6)


def test_bytes_are_scaled_by_the_bounds_of_their_space() -> None:
    flags = spaces.Box(0, 1, (3,), np.uint8)
    np.testing.assert_array_equal(features(flags, tf.constant([[0, 1, 1]], tf.uint8)), [[0, 1, 1]])
    mixed = spaces.Box(np.zeros(3, np.uint8), np.array([0, 4, 255], np.uint8), dtype=np.uint8)
    actual = features(mixed, tf.constant([[0, 1, 51]], tf.uint8))
    np.testing.assert_allclose(actual, [[0.0, 0.25, 0.2]], rtol=1e-6)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_number_of_features_is_gymnasiums(space: spaces.Space[Any]) -> None:
    assert num_features(space) == flatdim(space)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_features_compile_and_know_their_length_for_any_batch(space: spaces.Space[Any]) -> None:
    element = stacked(space, sample(space, 6), (6,))
    specs = tf.nest.map_structure(
        lambda s: tf.TensorSpec([None, *s.shape], s.dtype), specification(space)
    )
    encode = tf.function(lambda x: features(space, x), autograph=False, jit_compile=True)
    assert encode.get_concrete_function(specs).output_shapes[-1] == num_features(space)
    np.testing.assert_allclose(encode(element), features(space, element), rtol=1e-6)


@every_space
def test_specification_has_the_shapes_of_samples(space: spaces.Space[Any]) -> None:
    (element,) = sample(space, 1)
    specs = specification(space)
    tf.nest.assert_same_structure(specs, plain(element))
    for spec, leaf in zip(tf.nest.flatten(specs), tf.nest.flatten(plain(element)), strict=True):
        assert spec.shape == leaf.shape


@pytest.mark.parametrize(
    ("space", "dtype"),
    [
        (spaces.Box(-1.0, 1.0, (2,), np.float64), tf.float32),
        (spaces.Box(-1.0, 1.0, (2,), np.float16), tf.float32),
        (spaces.Box(0, 255, (2,), np.uint8), tf.uint8),
        (spaces.Box(-9, 9, (2,), np.int64), tf.int64),
        (spaces.Box(0, 1, (2,), BOOL), tf.bool),
        (spaces.Discrete(2), tf.int32),
        (spaces.MultiDiscrete([2, 2]), tf.int32),
        (spaces.MultiBinary(2), tf.int32),
    ],
    ids=str,
)
def test_specification_types(space: spaces.Space[Any], dtype: tf.DType) -> None:
    assert specification(space).dtype == dtype


def test_parts_of_a_dict_come_sorted_by_key() -> None:
    space = spaces.Dict(
        [("b", spaces.Discrete(2)), ("a", spaces.Discrete(3))]  # Gymnasium keeps this order
    )
    assert list(specification(space)) == ["a", "b"]
    encoded = features(space, {"b": tf.constant([1]), "a": tf.constant([0])})
    np.testing.assert_array_equal(encoded, [[1, 0, 0, 0, 1]])


@pytest.mark.parametrize("space", UNSUPPORTED.values(), ids=UNSUPPORTED)
@pytest.mark.parametrize("nested", [False, True])
def test_spaces_without_a_fixed_shape_are_refused(space: spaces.Space[Any], nested: bool) -> None:
    whole = spaces.Dict({"a": spaces.Tuple((space,))}) if nested else space
    with pytest.raises(ConfigurationError, match=rf"^{type(space).__name__} .*wrappers"):
        specification(whole)


# What policy heads emit: discrete choices from 0 on, any float for numbers.
@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-0.1, 0.1, (2, 3), np.float64),  # 0.1 in float32 is more than in float64
        spaces.Box(-np.float64(1) / 3, np.float64(2) / 3, (5,), np.float64),
        spaces.Box(-1.0, 1.0, (4,), np.float16),
        spaces.Box(np.array([-1, -np.inf], np.float32), np.array([np.inf, 2], np.float32)),
        spaces.Box(-np.inf, np.inf, (3,), np.float32),
        spaces.Box(-1, 1, (3,), np.int8),
        spaces.Box(0, 255, (3,), np.uint8),
        spaces.Box(0, 1, (3,), BOOL),
        spaces.Box(-1.0, 1.0, (), np.float32),
    ],
    ids=str,
)
def test_a_bounded_number_is_in_the_box_and_the_nearest_to_the_sample(space: spaces.Box) -> None:
    samples = np.random.default_rng(0).normal(0.0, 3.0, (500, *space.shape)).astype(np.float32)
    actions = bounded(space, tf.constant(samples)).numpy()
    for action in actions:
        assert space.contains(np.asarray(action, space.dtype))
    nearest = np.clip(samples, space.low.astype(np.float64), space.high.astype(np.float64))
    if not np.issubdtype(space.dtype, np.floating):
        nearest = np.rint(nearest)
    np.testing.assert_allclose(actions, nearest, rtol=1e-6)


@pytest.mark.parametrize(
    ("space", "sampled", "expected"),
    [
        (spaces.Discrete(3), [0, 2], [0, 2]),
        (spaces.Discrete(3, start=5), [0, 2], [5, 7]),
        (spaces.Discrete(3, start=-1), [0, 2], [-1, 1]),
        (spaces.MultiDiscrete([2, 3], start=[4, -3]), [[0, 0], [1, 2]], [[4, -3], [5, -1]]),
        (spaces.MultiDiscrete(np.array([[2], [3]])), [[[0], [2]]], [[[0], [2]]]),
        (spaces.MultiBinary(2), [[0, 1]], [[0, 1]]),
    ],
    ids=str,
)
def test_choices_are_counted_from_start(
    space: spaces.Space[Any], sampled: Any, expected: Any
) -> None:
    action = bounded(space, tf.constant(sampled, tf.int32))
    assert action.dtype == tf.int32
    np.testing.assert_array_equal(action, expected)


def test_parts_of_an_action_are_bounded_each_by_its_own_space() -> None:
    space = spaces.Dict(
        {
            "b": spaces.Tuple((spaces.Discrete(2, start=1), spaces.Box(-1.0, 1.0, (1,)))),
            "a": spaces.Box(0.0, 2.0, (1,)),
        }
    )
    sampled = {"a": tf.constant([[3.0]]), "b": (tf.constant([1]), tf.constant([[-3.0]]))}
    action = bounded(space, sampled)
    np.testing.assert_array_equal(action["a"], [[2.0]])
    np.testing.assert_array_equal(action["b"][0], [2])
    np.testing.assert_array_equal(action["b"][1], [[-1.0]])
