"""One array of an observation: what may be cast into it, and what is refused."""

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from pgtf.spaces import specification

_LONGEST = 60  # Characters of a value in a message.
_TOLERANCE = 1e-3  # Of a bound's size: rounding leaves the bounds of many environments.


class Leaf:
    """The values of one Box, Discrete, MultiDiscrete or MultiBinary space.

    Args:
        name: of the leaf within the observation, such as ``['speed']``.
        space: its own.
        copies: B.
    """

    def __init__(self, name: str, space: spaces.Space, copies: int):
        spec = specification(space)
        self.name = name
        self.space = space
        self.shape = tuple(spec.shape)
        self.dtype: np.dtype = np.dtype(spec.dtype.as_numpy_dtype)
        self._batch = (copies, *self.shape)
        self._float = self.dtype.kind == "f"
        self._low, self._high = _categories(space)
        # What keeps its value in the cast, whatever it is; NumPy counts float64 to float32 as such.
        self._safe: set[np.dtype] = {
            np.dtype(kind)
            for kind in "?bhilqBHILQefdg"
            if np.can_cast(kind, self.dtype, "safe") or self._float
        }

    def stacked(self, column: Any) -> np.ndarray | None:
        """Returns the values of B copies as one new array [B, ...], or None if one is refused."""
        try:
            given = np.array(column)
        except ValueError:  # Their shapes differ.
            return None
        if given.shape != self._batch:
            return None
        same = self._low is None and given.dtype is self.dtype
        array = given if same else self._cast(given)
        if array is None or not self._float or finite(array):
            return array
        return None

    def refused(self, value: Any) -> tuple[str, str] | None:
        """Returns what a copy gave and what was expected of it, or None where that is the same."""
        got = f"the observation{self.name} {shown(value)}"
        try:
            given = np.array(value)
        except ValueError:
            given = np.array(None)
        if given.dtype.kind not in "fiub":
            return got, f"{self}"
        if given.shape != self.shape:
            return f"an observation{self.name} of shape {given.shape}", f"{self}"
        if not np.isfinite(given).all():
            return f"{got}, which is not finite", f"{self}"
        array = self._cast(given)
        if array is not None and np.isfinite(array).all():
            return None
        return f"{got} of type {given.dtype}", f"{self}"

    def beyond(self, array: np.ndarray) -> str | None:
        """Returns a sentence where values leave the bounds of a Box."""
        if not isinstance(self.space, spaces.Box) or not array.size:
            return None
        low, high = self.space.low, self.space.high
        out = (array < low - _slack(low)) | (array > high + _slack(high))
        if not out.any():
            return None
        value = array[out].flat[0]
        return (
            f"observations{self.name} leave the bounds of their space: {value} is not in"
            f" {shown(self.space)}. They are learned from as they are."
        )

    def _cast(self, given: np.ndarray) -> np.ndarray | None:
        """The values in the leaf's type, or None where that would change or lose one."""
        if given.dtype in self._safe:
            array = given.astype(self.dtype, copy=False)
        elif given.dtype.kind in "fiub":
            with np.errstate(invalid="ignore"):
                array = given.astype(self.dtype)
            if not (array == given).all():
                return None
        else:
            return None
        if self._low is not None and not ((array >= self._low) & (array <= self._high)).all():
            return None
        return array

    def __str__(self) -> str:
        """The space in a few words."""
        if isinstance(self.space, spaces.Box):
            return f"a Box of shape {self.shape} and type {self.space.dtype}"
        return shown(self.space)


def finite(array: np.ndarray) -> bool:
    """Whether every number of an array is finite."""
    # One number is quicker to look at than each; it overflows where these are large.
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def shown(value: Any) -> str:
    """A value for a message, shortened."""
    if isinstance(value, np.ndarray) and value.size > 4:
        return f"an array of shape {value.shape} and type {value.dtype}"
    text = " ".join(f"{value!r}".split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _categories(space: spaces.Space) -> tuple[Any, Any]:
    """The smallest and largest value of categories; (None, None) of numbers."""
    match space:
        case spaces.Discrete():
            return int(space.start), int(space.start + space.n - 1)
        case spaces.MultiDiscrete():
            return space.start, space.start + space.nvec - 1
        case spaces.MultiBinary():
            return 0, 1
        case _:
            return None, None


def _slack(bound: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(bound), _TOLERANCE * np.maximum(np.abs(bound), 1.0), 0.0)
