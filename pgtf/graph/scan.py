"""In-graph loops with stacked outputs, like ``jax.lax.scan``."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

UNROLLED = 32  # Longer scans become loops: unrolled, they would be traced too slowly.
# The same for steps of policy and environment that XLA compiles: at 32 unrolled ones it takes a
# minute for what, as a loop, compiles in seconds and runs faster.
UNROLLED_BY_XLA = 8

_vectorized = contextvars.ContextVar("_vectorized", default=False)


@contextlib.contextmanager
def vectorized() -> Iterator[None]:
    """Traces scans in this context so that ``tf.vectorized_map`` and XLA take them together."""
    token = _vectorized.set(True)
    try:
        yield
    finally:
        _vectorized.reset(token)


def scan(
    body: Callable[[Any, Any], tuple[Any, Any]], carry: Any, length: int | tf.Tensor
) -> tuple[Any, Any]:
    """Calls ``carry, row = body(carry, t)`` for t = 0 … length - 1 and stacks the rows.

    Short scans of a known length are unrolled in the graph, long ones are loops.

    Args:
        body: returns the next carry and a row, both nests of tensors.
        carry: the first carry.
        length: number of calls, at least 1.

    Returns:
        The last carry and the nest of stacked rows.
    """
    carry, rows = scan_rows(body, carry, length)
    return carry, stacked(rows)


def scan_rows(
    body: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    length: int | tf.Tensor,
    by_xla: bool = False,
) -> tuple[Any, Any]:
    """Like ``scan``, but returns the rows of an unrolled scan as a list, for ``stacked``.

    Args:
        body: see ``scan``.
        carry: see ``scan``.
        length: see ``scan``.
        by_xla: whether XLA compiles the body, and it is a large one.
    """
    if isinstance(length, int) and length <= (UNROLLED_BY_XLA if by_xla else UNROLLED):
        rows = []
        for t in range(length):
            carry, row = body(carry, t)
            rows.append(row)
        return carry, rows
    return scan_while(body, lambda carry, t: t < length, carry, length)


def stacked(rows: Any) -> Any:
    """Stacks the rows of ``scan_rows``."""
    if isinstance(rows, list):
        return tf.nest.map_structure(lambda *xs: tf.stack(xs), *rows)
    return rows


def scan_while(
    body: Callable[[Any, Any], tuple[Any, Any]],
    more: Callable[[Any, tf.Tensor], tf.Tensor],
    carry: Any,
    length: int | tf.Tensor | None = None,
) -> tuple[Any, Any]:
    """Like ``scan``, but runs while ``more(carry, t)`` holds.

    Args:
        body: see ``scan``.
        more: returns a scalar bool from the carry and t.
        carry: the first carry.
        length: the most turns there can be, if known; XLA needs it, as it stacks into arrays of a
            fixed size, and rows that were not reached stay zero.

    Returns:
        The last carry and the nest of stacked rows.
    """
    # The arrays that collect the rows must exist before the loop, so the body is traced once on its
    # own to learn the types and shapes of a row.
    carry = tf.nest.map_structure(tf.convert_to_tensor, carry)
    specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), carry)
    once = tf.function(body, autograph=False).get_concrete_function(
        specs, tf.TensorSpec((), tf.int32)
    )
    rows = _Tensors if _vectorized.get() and isinstance(length, int) else _TensorArrays
    arrays = tf.nest.map_structure(
        lambda spec: rows.empty(length, spec), once.structured_outputs[1]
    )

    def loop(t: tf.Tensor, carry: Any, arrays: Any) -> tuple[tf.Tensor, Any, Any]:
        carry, row = once(carry, t)
        written = [
            rows.written(array, t, x)
            for array, x in zip(tf.nest.flatten(arrays), tf.nest.flatten(row), strict=True)
        ]
        return t + 1, carry, tf.nest.pack_sequence_as(arrays, written)

    _, carry, arrays = tf.while_loop(
        lambda t, carry, arrays: more(carry, t),
        loop,
        (tf.constant(0), carry, arrays),
        maximum_iterations=length if isinstance(length, int) else None,
    )
    return carry, tf.nest.map_structure(rows.stacked, arrays)


class _TensorArrays:
    """Rows in TensorArrays, which may grow."""

    @staticmethod
    def empty(length: Any, spec: tf.TensorSpec) -> tf.TensorArray:
        """For ``length`` rows, or for any number of them."""
        size = 0 if length is None else length
        return tf.TensorArray(spec.dtype, size, length is None, element_shape=spec.shape)

    @staticmethod
    def written(array: tf.TensorArray, t: tf.Tensor, row: tf.Tensor) -> tf.TensorArray:
        """With a row at t."""
        return array.write(t, row)

    @staticmethod
    def stacked(array: tf.TensorArray) -> tf.Tensor:
        """The rows."""
        return array.stack()


class _Tensors:
    """Rows in a tensor of a known size: XLA compiles no loop over vectorised TensorArrays."""

    @staticmethod
    def empty(length: Any, spec: tf.TensorSpec) -> tf.Tensor:
        """For ``length`` rows."""
        return tf.zeros((length, *spec.shape), spec.dtype)

    @staticmethod
    def written(array: tf.Tensor, t: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        """With a row at t."""
        return tf.tensor_scatter_nd_update(array, t[tf.newaxis, tf.newaxis], row[tf.newaxis])

    @staticmethod
    def stacked(array: tf.Tensor) -> tf.Tensor:
        """The rows."""
        return array
