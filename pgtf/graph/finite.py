"""Whether every number of many variables is finite, found out where the variables are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras
import tensorflow as tf

_T = TypeVar("_T")


def float_variables(trackables: Mapping[str, Any]) -> dict[str, tf.Variable]:
    """Returns every float variable that a checkpoint of these objects holds, by what to call it.

    Args:
        trackables: the objects by name, as ``tf.train.Checkpoint`` takes them.
    """
    root = tf.train.Checkpoint(**trackables)
    view = tf.train.TrackableView(root)
    seen: set[int] = set()
    found: dict[str, tf.Variable] = {}
    queue: list[tuple[str, Any]] = [("", root)]
    for path, node in queue:
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, keras.Variable):
            # Two networks may call their variables alike.
            path, node = (path if node.path in found else node.path), node.value
        if isinstance(node, tf.Variable):
            if node.dtype.is_floating:
                found[path] = node
            continue
        queue += [(f"{path}/{name}".strip("/"), x) for name, x in view.children(node).items()]
    return found


class FiniteCheck:
    """Finds the variables that hold a number which is not finite, by one call.

    Args:
        variables: float variables by name.
    """

    def __init__(self, variables: Mapping[str, tf.Variable]):
        self._names = list(variables)
        values = list(variables.values())
        self._finite = tf.function(lambda: tf.stack([_finite(x) for x in values]), autograph=False)

    def broken(self) -> list[str]:
        """Returns their names."""
        if not self._names:
            return []
        finite = self._finite().numpy()
        return [name for name, good in zip(self._names, finite, strict=True) if not good]


def undone_unless_finite(
    variables: Sequence[tf.Variable], update: Callable[[], _T], members: bool = False
) -> tuple[_T, tf.Tensor]:
    """Runs an update, and gives the variables their old values if one is no longer finite.

    Args:
        variables: of floats, all that the update moves.
        update: is traced or run.
        members: whether variables are stacks [S, ...], of which each row is undone by itself.

    Returns:
        What the update returned, and whether it was kept, a scalar or [S].
    """
    before = [tf.identity(variable) for variable in variables]
    result = update()
    after = [tf.identity(variable) for variable in variables]
    kept = tf.reduce_all(tf.stack([_finite(x, members) for x in after]), axis=0)
    for variable, old, new in zip(variables, before, after, strict=True):
        chosen = tf.reshape(kept, [-1, *[1] * (len(new.shape) - 1)]) if members else kept
        variable.assign(tf.where(chosen, new, old))
    return result, kept


def _finite(value: Any, members: bool = False) -> tf.Tensor:
    axes = list(range(1, len(value.shape))) if members else None
    return tf.reduce_all(tf.math.is_finite(value), axis=axes)
