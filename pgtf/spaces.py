"""Gymnasium's spaces as tensors: specifications, features for networks, bounded actions."""

from typing import Any

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from pgtf.errors import ConfigurationError

_SUPPORTED = "Box, Discrete, MultiDiscrete, MultiBinary, and Tuple or Dict of these"


def specification(space: spaces.Space) -> Any:
    """Returns the nest of ``tf.TensorSpec`` of one element of a space.

    64-bit floats become 32-bit ones; integers keep their type.

    Raises:
        ConfigurationError: a kind of space that has no fixed shape.
    """
    match space:
        case spaces.Dict():
            return {key: specification(part) for key, part in sorted(space.items())}
        case spaces.Tuple():
            return tuple(specification(part) for part in space)
        case spaces.Box() if np.issubdtype(space.dtype, np.floating):
            return tf.TensorSpec(space.shape, tf.float32)
        case spaces.Discrete() | spaces.MultiDiscrete() | spaces.MultiBinary():
            return tf.TensorSpec(space.shape, tf.int32)
        case spaces.Box():
            return tf.TensorSpec(space.shape, tf.as_dtype(space.dtype))
        case _:
            raise ConfigurationError(
                f"{type(space).__name__} spaces are not supported (only {_SUPPORTED}): convert them"
                " with a Gymnasium wrapper bound to GymEnvironment.wrappers."
            )


def features(space: spaces.Space, element: Any) -> tf.Tensor:
    """Encodes elements of a space as vectors for a dense layer.

    Numbers are flattened (bytes are scaled to [0, 1] by their bounds), categories become one-hot,
    and the parts of a Tuple or Dict are concatenated in order (sorted by key).

    Args:
        space: the space.
        element: nest of [..., *shape].

    Returns:
        [..., F] float32.
    """
    match space:
        case spaces.Dict():
            parts = [features(part, element[key]) for key, part in sorted(space.items())]
            return tf.concat(parts, axis=-1)
        case spaces.Tuple():
            parts = [features(part, x) for part, x in zip(space, element, strict=True)]
            return tf.concat(parts, axis=-1)
        case spaces.Discrete():
            return tf.one_hot(element - int(space.start), int(space.n))
        case spaces.MultiDiscrete():
            counts = space.nvec.reshape(-1)
            flat = _flatten(element - space.start.astype(np.int32), space.shape)
            return tf.concat([tf.one_hot(flat[..., i], int(n)) for i, n in enumerate(counts)], -1)
        case spaces.Box() if space.dtype == np.uint8:
            numbers = _flatten(tf.cast(element, tf.float32), space.shape)
            return np.ravel(1 / largest_byte(space)) * numbers
        case _:
            return _flatten(tf.cast(element, tf.float32), space.shape or ())


def largest_byte(space: spaces.Box) -> Any:
    """Returns what to divide the bytes of a Box by for numbers from 0 to 1.

    It is their upper bound, 1 where that is 0: a float32 scalar where all bytes have the same
    bound, else an array of the Box's shape.
    """
    high = np.maximum(space.high, 1).astype(np.float32)
    return high.flat[0] if high.size and np.all(high == high.flat[0]) else high


def num_features(space: spaces.Space) -> int:
    """Returns F, the length of the vectors that ``features`` makes."""
    match space:
        case spaces.Dict():
            return sum(num_features(part) for part in space.values())
        case spaces.Tuple():
            return sum(num_features(part) for part in space)
        case spaces.Discrete():
            return int(space.n)
        case spaces.MultiDiscrete():
            return int(space.nvec.sum())
        case _:
            return int(np.prod(space.shape or ()))


def bounded(space: spaces.Space, action: Any) -> Any:
    """Turns a policy's sample into an action that the space contains.

    Adds the ``start`` of discrete spaces, clips numbers to a Box's bounds, and rounds them where
    the Box holds integers. Types are left as they are.

    Args:
        space: the action space of one environment.
        action: nest of [B, ...] as a policy head samples it.

    Returns:
        Nest of [B, ...].
    """
    match space:
        case spaces.Dict():
            return {key: bounded(part, action[key]) for key, part in sorted(space.items())}
        case spaces.Tuple():
            return tuple(bounded(part, x) for part, x in zip(space, action, strict=True))
        case spaces.Discrete() if space.start != 0:
            return action + int(space.start)
        case spaces.MultiDiscrete() if np.any(space.start):
            return action + space.start.astype(np.int32)
        case spaces.Box():
            if np.any(space.bounded_below) or np.any(space.bounded_above):
                action = tf.clip_by_value(action, *_float32_bounds(space))
            return action if np.issubdtype(space.dtype, np.floating) else tf.round(action)
        case _:
            return action


def _float32_bounds(space: spaces.Box) -> tuple[np.ndarray, np.ndarray]:
    """The bounds of a Box as float32, rounded inwards: nothing between them is out of bounds."""
    low, high = space.low.astype(np.float32), space.high.astype(np.float32)
    low = np.where(low < space.low, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > space.high, np.nextafter(high, np.float32(-np.inf)), high)
    return low, high


def _flatten(x: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    leading = len(x.shape) - len(shape)
    if len(shape) == 1:
        return x
    return tf.reshape(x, tf.concat([tf.shape(x)[:leading], [int(np.prod(shape))]], axis=0))
