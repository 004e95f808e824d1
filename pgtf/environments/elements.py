"""Elements of Gymnasium's spaces as TensorFlow nests and back, and the seeds of copies."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces


def environment_seeds(seed: np.ndarray, count: int) -> list[int]:
    """Returns a seed for each environment.

    Args:
        seed: int32 [2], a stateless seed; or [N, 2], one for each of N equal blocks of them; or
            [3], a stateless seed and how many environments elsewhere come before these.
        count: number of environments, a multiple of N.
    """
    blocks = np.atleast_2d(seed).astype(np.int64) & 0xFFFFFFFF
    earlier = int(blocks[0, 2]) if blocks.shape[1] > 2 else 0
    last = earlier + count // len(blocks)
    return [
        int(word)
        for block in blocks
        for word in np.random.SeedSequence(block[:2].tolist()).generate_state(last)[earlier:]
    ]


def flat_element(space: spaces.Space, element: Any) -> list[Any]:
    """Returns the leaves of an element, in the order of ``specification``: keys sorted.

    Raises:
        ValueError: the element has other parts than the space; says which.
    """
    match space:
        case spaces.Dict():
            if not isinstance(element, Mapping) or set(element) != set(space.keys()):
                keys = ", ".join(map(repr, space.keys()))
                raise ValueError(f"a Dict with the keys {keys}")
            return [
                leaf
                for key, part in sorted(space.items())
                for leaf in flat_element(part, element[key])
            ]
        case spaces.Tuple():
            if not isinstance(element, tuple | list) or len(element) != len(space):
                raise ValueError(f"a Tuple of {len(space)} parts")
            return [
                leaf
                for part, x in zip(space, element, strict=True)
                for leaf in flat_element(part, x)
            ]
        case _:
            return [element]


def flat_spaces(space: spaces.Space, name: str = "") -> list[tuple[str, spaces.Space]]:
    """Returns the name and the space of each leaf, in the order of ``flat_element``."""
    match space:
        case spaces.Dict():
            parts = [(f"{name}[{key!r}]", part) for key, part in sorted(space.items())]
        case spaces.Tuple():
            parts = [(f"{name}[{i}]", part) for i, part in enumerate(space)]
        case _:
            return [(name, space)]
    return [leaf for path, part in parts for leaf in flat_spaces(part, path)]


def gymnasium_element(space: spaces.Space, action: Any) -> Any:
    """One environment's action, or a batch of actions, as the Python object Gymnasium expects."""
    match space:
        case spaces.Dict():
            return {key: gymnasium_element(part, action[key]) for key, part in space.items()}
        case spaces.Tuple():
            return tuple(gymnasium_element(p, x) for p, x in zip(space, action, strict=True))
        case spaces.Discrete() if np.ndim(action) == 0:
            return int(action)
        case _:
            return np.asarray(action, space.dtype)
