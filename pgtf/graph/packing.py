"""Many named scalars handed on as one tensor, which is cheaper than one tensor each."""

from collections.abc import Mapping

import tensorflow as tf

# One tensor [..., n] under the tuple of its n names. As a key the names are part of the structure,
# which graph functions, loops and ``tf.vectorized_map`` return along with the values.
Packed = dict[tuple[str, ...], tf.Tensor]


def packed(scalars: Mapping[str, tf.Tensor]) -> Packed:
    """Stacks scalars, or tensors of one shape, in the order of their names."""
    names = tuple(sorted(scalars))
    return {names: tf.stack([scalars[name] for name in names], axis=-1)}


def unpacked(together: Packed) -> tuple[tuple[str, ...], tf.Tensor]:
    """Returns the names, and the tensor whose last axis they belong to."""
    ((names, values),) = together.items()
    return names, values
