"""Static checks of shapes, made while a function is traced: they add nothing to its graph."""

from typing import Any

import tensorflow as tf


def check_alike(**tensors: Any) -> None:
    """Refuses tensors that would broadcast in silence where they belong together row by row.

    Sizes that are unknown while tracing fit any size, and a scalar fits any tensor.

    Args:
        tensors: by the names that the message calls them.

    Raises:
        ValueError: two static shapes differ.
    """
    first, whole = "", tf.TensorShape(None)
    for name, tensor in tensors.items():
        shape = tf.TensorShape(tensor.shape)
        if shape.rank == 0:
            continue
        if not whole.is_compatible_with(shape):
            raise ValueError(f"{name} has the shape {shape}, and {first} has {whole}.")
        first, whole = first or name, whole.merge_with(shape)


def check_values(values: Any, **rows: Any) -> None:
    """Refuses values that are not one for each observation of a rollout.

    Args:
        values: [T+1, ...].
        rows: [T, ...] each, by the names that the message calls them.

    Raises:
        ValueError: two static shapes differ, or ``values`` has not one row more than the others.
    """
    check_alike(**rows)
    shape = tf.TensorShape(values.shape)
    for name, tensor in rows.items():
        of_rows = tf.TensorShape(tensor.shape)
        if shape.rank is None or of_rows.rank is None:
            continue
        steps = of_rows[0] if of_rows.rank else None
        expected = tf.TensorShape([None if steps is None else steps + 1, *of_rows[1:]])
        if not shape.is_compatible_with(expected):
            raise ValueError(
                f"values has the shape {shape}, and {name} has {of_rows}: values has one row more,"
                " for the observation after the last step."
            )
