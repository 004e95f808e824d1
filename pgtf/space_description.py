"""Gymnasium's spaces as JSON, so that a run folder says what its policy takes and gives."""

from typing import Any

import numpy as np
from gymnasium import spaces

from pgtf.errors import ConfigurationError


def described(space: spaces.Space[Any]) -> dict[str, Any]:
    """Returns a space as JSON can hold it.

    Raises:
        ConfigurationError: pgtf does not support this kind of space.
    """
    match space:
        case spaces.Dict():
            parts = {key: described(part) for key, part in space.items()}
            return {"kind": "Dict", "parts": parts}
        case spaces.Tuple():
            return {"kind": "Tuple", "parts": [described(part) for part in space]}
        case spaces.Box():
            return {
                "kind": "Box",
                "low": _numbers(space.low),
                "high": _numbers(space.high),
                "shape": list(space.shape),
                "dtype": str(space.dtype),
            }
        case spaces.Discrete():
            return {"kind": "Discrete", "n": int(space.n), "start": int(space.start)}
        case spaces.MultiDiscrete():
            return {
                "kind": "MultiDiscrete",
                "nvec": space.nvec.tolist(),
                "start": space.start.tolist(),
                "dtype": str(space.dtype),
            }
        case spaces.MultiBinary():
            return {"kind": "MultiBinary", "n": space.n}
        case _:
            raise ConfigurationError(f"{type(space).__name__} spaces are not supported.")


def space_of(description: dict[str, Any]) -> spaces.Space[Any]:
    """Returns the space that ``described`` turned into ``description``."""
    arguments = {key: value for key, value in description.items() if key != "kind"}
    match description["kind"]:
        case "Dict":
            # In pairs, as Gymnasium sorts the keys of a dictionary.
            return spaces.Dict([(key, space_of(x)) for key, x in arguments["parts"].items()])
        case "Tuple":
            return spaces.Tuple([space_of(x) for x in arguments["parts"]])
        case "Box":
            shape, dtype = tuple(arguments["shape"]), np.dtype(arguments["dtype"])
            low, high = (np.array(arguments[name], dtype) for name in ("low", "high"))
            return spaces.Box(
                np.broadcast_to(low, shape), np.broadcast_to(high, shape), shape, dtype.type
            )
        case "Discrete":
            return spaces.Discrete(**arguments)
        case "MultiDiscrete":
            dtype = np.dtype(arguments["dtype"])
            nvec, start = (np.array(arguments[name], dtype) for name in ("nvec", "start"))
            return spaces.MultiDiscrete(nvec, dtype.type, start=start)
        case kind:
            assert kind == "MultiBinary", kind
            return spaces.MultiBinary(arguments["n"])


def _numbers(bounds: np.ndarray) -> Any:
    """A Box's bounds; one number where all are alike, as those of pictures are."""
    if bounds.size and np.all(bounds == bounds.flat[0]):
        return bounds.flat[0].item()
    return bounds.tolist()
