"""The border between environments' own code and the graph: what crosses it is checked here.

NumPy would cast a 0.2 into a declared ``uint8``, a None into a NaN and a text into a number, and
learning would go on with that. So nothing is cast that does not survive the cast, and the first
value that is refused ends the call with an ``EnvironmentFailure``. Whole batches are looked at, in
a few microseconds; copies are looked at one by one only once a batch is refused.
"""

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from gymnasium import spaces

from pgtf.environments.elements import flat_element, flat_spaces
from pgtf.environments.leaf import Leaf, finite, shown

_STEP = "(observation, reward, terminated, truncated, info)"
_STEPS_IN_FULL = 100
_NUMBERS = frozenset(np.dtype(kind) for kind in "?bhilqBHILQefdg")
_TRUTH = np.dtype(bool)
_PLAIN_NUMBERS = frozenset({float, int, bool, np.float64, np.float32, np.int64, np.bool_})
_PLAIN_TRUTHS = frozenset({bool, np.bool_})
_MOST = float(np.finfo(np.float32).max)
_LEAST = -_MOST
_CALLS = {  # Part of a message of Python, and what it means.
    "(expected 5, got 4)": f"its step returns four values, as gym's before 0.26; return {_STEP}",
    "unpack (expected 2": "its reset has to return (observation, info)",
    "unexpected keyword argument 'seed'": (
        "its reset takes no seed, as gym's before 0.26; write reset(self, *, seed=None,"
        " options=None)"
    ),
}
_IN_THREADS = (
    "environments are stepped in threads of TensorFlow: bind GymEnvironment.vectorization ="
    " 'async' for one that has to be stepped where it was made"
)


class EnvironmentFailure(RuntimeError):
    """An environment raised or returned what cannot be used; the message says which, and when."""


class Border:
    """Turns what B copies of an environment return into arrays, or refuses it.

    Args:
        space: of one copy's observations.
        copies: B.
        time: a function from a copy to its step within the episode, 0 for the reset; for messages.
        first: number of the first copy, for messages.
    """

    def __init__(
        self, space: spaces.Space, copies: int, time: Callable[[int], int], first: int = 0
    ):
        self.first = first
        self._space = space
        self._batch = (copies,)
        self._signals = (4, copies)
        self._time = time
        self._leaves = [Leaf(name, part, copies) for name, part in flat_spaces(space)]
        self._nested = isinstance(space, spaces.Dict | spaces.Tuple)
        self._in_full = _STEPS_IN_FULL

    def observations(self, elements: Sequence[Any]) -> list[np.ndarray]:
        """Returns the leaves of B observations, each [B, ...], which are the caller's to keep.

        Raises:
            EnvironmentFailure: an observation is not in the space: of another structure, shape or
                type, not finite, or of a category that is not there. Numbers beyond the bounds of a
                Box are told once and let through.
        """
        if not self._nested:
            return self.columns([elements], elements)
        try:
            columns = [*zip(*[flat_element(self._space, x) for x in elements], strict=True)]
        except ValueError:
            self._refuse(elements)
        return self.columns(columns, elements)

    def columns(self, columns: Sequence[Any], elements: Sequence[Any] = ()) -> list[np.ndarray]:
        """Like ``observations``, from leaves that are batches already.

        Args:
            columns: for each leaf the values of B copies.
            elements: the observations that they come from, if they do.
        """
        found = []
        for leaf, column in zip(self._leaves, columns, strict=True):
            array = leaf.stacked(column)
            if array is None:
                self._refuse(elements, columns)
            found.append(array)
        if self._in_full:
            self._in_full -= 1
            self._tell_bounds(found)
        return found

    def transition(self, i: int, result: Any) -> tuple[Any, Any, Any, Any]:
        """Returns what a copy's ``step`` returned: observation, reward, terminated, truncated.

        Arrays of one number are taken for the number.

        Raises:
            EnvironmentFailure: there are not five values, the reward is not a finite number, or an
                end is neither true nor false.
        """
        if type(result) is not tuple or len(result) != 5:
            result = self._five(i, result)
        observation, reward, terminated, truncated, _ = result
        if type(reward) not in _PLAIN_NUMBERS:
            reward = self._number(i, reward)
        if not _LEAST <= reward <= _MOST:
            raise self._no_reward(i, reward)
        if type(terminated) not in _PLAIN_TRUTHS:
            terminated = self._truth(i, terminated, "terminated")
        if type(truncated) not in _PLAIN_TRUTHS:
            truncated = self._truth(i, truncated, "truncated")
        return observation, reward, terminated, truncated

    def score(self, i: int, value: Any) -> Any:
        """Returns a copy's own reward; see ``transition``."""
        value = self._number(i, value)
        if not _LEAST <= value <= _MOST:
            raise self._no_reward(i, value)
        return value

    def transitions(self, reward: Any, terminated: Any, truncated: Any) -> np.ndarray:
        """Returns what B copies returned at once, [4, B] float32: these three, and a mask of 1.

        Raises:
            EnvironmentFailure: as ``transition``.
        """
        signals = np.empty(self._signals, np.float32)
        if type(reward) is not np.ndarray or reward.shape != self._batch:
            reward = [self._number(i, x) for i, x in enumerate(reward)]
        elif reward.dtype not in _NUMBERS:
            raise self._no_reward(0, reward[0])
        signals[0] = reward
        signals[1] = self._truths(terminated, "terminated")
        signals[2] = self._truths(truncated, "truncated")
        signals[3] = 1.0
        if not finite(signals[0]):
            i = int(np.flatnonzero(~np.isfinite(signals[0]))[0])
            raise self._no_reward(i, reward[i])
        return signals

    def start(self, i: int, result: Any) -> Any:
        """Returns the observation of a reset.

        Raises:
            EnvironmentFailure: the reset returned anything but an observation and a dictionary.
        """
        if isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[1], Mapping):
            return result[0]
        what = f"{shown(result)} from reset"
        raise self.refusal(i, what, "(observation, info) with a dictionary of infos")

    def refusal(self, i: int, got: str, expected: str) -> EnvironmentFailure:
        """Returns the failure of a copy that returned what cannot be used."""
        return self.failure(i, f"returned {got}; expected is {expected}")

    def raised(self, i: int | None, error: BaseException) -> EnvironmentFailure:
        """Returns the failure of a copy whose code raised; a failure is returned as it is.

        Args:
            i: the copy, or None where that is unknown.
            error: what was raised.
        """
        if isinstance(error, EnvironmentFailure):
            return error
        if isinstance(error, KeyboardInterrupt) and _ctrl_c_raises():
            raise error
        if i is None:
            return EnvironmentFailure(f"it {_told(error)}")
        return self.failure(i, _told(error))

    def failure(self, i: int, what: str) -> EnvironmentFailure:
        """Returns the failure of a copy: what it did, and when."""
        time = self._time(i)
        when = f"It was at step {time} of its episode" if time else "It was resetting"
        return EnvironmentFailure(f"environment {self.first + i} {what}. {when}")

    def _five(self, i: int, result: Any) -> Any:
        """The five values of a step, in any kind of sequence."""
        if isinstance(result, tuple | list) and len(result) == 5:
            return result
        if isinstance(result, tuple | list) and len(result) == 4:
            raise self.refusal(i, "four values from step, as gym's before 0.26", f"five, {_STEP}")
        raise self.refusal(i, f"{shown(result)} from step", f"five values, {_STEP}")

    def _number(self, i: int, value: Any) -> float:
        array = _array(value)
        if array.dtype not in _NUMBERS or array.size != 1:
            raise self._no_reward(i, value)
        return float(array.item())

    def _no_reward(self, i: int, value: Any) -> EnvironmentFailure:
        return self.refusal(i, f"the reward {shown(value)}", "a finite number")

    def _truths(self, ends: Any, name: str) -> Any:
        """B ends of episodes, each true or false."""
        if type(ends) is np.ndarray and ends.dtype is _TRUTH and ends.shape == self._batch:
            return ends
        return [self._truth(i, x, name) for i, x in enumerate(ends)]

    def _truth(self, i: int, value: Any, name: str) -> bool:
        array = _array(value)
        if array.dtype not in _NUMBERS or array.size != 1 or array.item() not in (0, 1):
            raise self.refusal(i, f"{shown(value)} as {name}", "True or False")
        return bool(array.item())

    def _refuse(self, elements: Sequence[Any], columns: Sequence[Any] = ()) -> NoReturn:
        """Finds the first copy whose observation cannot be used, and says why."""
        for i in range(*self._batch):
            try:
                parts = flat_element(self._space, elements[i]) if len(elements) else None
            except ValueError as error:
                got = f"the observation {shown(elements[i])}"
                raise self.refusal(i, got, str(error)) from error
            for k, leaf in enumerate(self._leaves):
                reason = leaf.refused(columns[k][i] if parts is None else parts[k])
                if reason is not None:
                    raise self.refusal(i, *reason)
        raise self.refusal(0, "observations that do not fit into one array", f"{self._space}")

    def _tell_bounds(self, arrays: list[np.ndarray]) -> None:
        for leaf, array in zip(self._leaves, arrays, strict=True):
            beyond = leaf.beyond(array)
            if beyond is not None:
                self._in_full = 0
                print(f"pgtf: warning: {beyond}", file=sys.stderr)


def _array(values: Any) -> np.ndarray:
    """Values as NumPy sees them; an object where it sees no one array."""
    try:
        return np.asarray(values)
    except ValueError:
        return np.asarray(None)


def _ctrl_c_raises() -> bool:
    """Whether a Ctrl-C would be raised here as a ``KeyboardInterrupt``, whatever runs."""
    here = threading.current_thread() is threading.main_thread()
    return here and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def tell_unclosed(name: str, error: BaseException) -> None:
    """Prints that an environment raised when it was closed."""
    message = f"{type(error).__name__}: {error}".split("\n")[0].rstrip(".: ")
    print(f"pgtf: warning: {name} raised {message} when it was closed.", file=sys.stderr)


def _told(error: BaseException) -> str:
    """What an environment raised, where in its code, and what that means if it is known."""
    message = f"{type(error).__name__}: {error}".split("\n")[0].rstrip(".: ")
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename} line {frames[-1].lineno})" if frames else ""
    means = next((f": {text}" for part, text in _CALLS.items() if part in message), "")
    if "thread" in message:
        means = f": {_IN_THREADS}"
    return f"raised {message}{place}{means}"
