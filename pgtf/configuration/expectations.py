"""Whether a value is one that an annotation allows, and the words for what would be."""

import collections.abc
import inspect
import math
import numbers
import types
import typing
from typing import Any

import gin
import numpy as np

from pgtf.configuration import gin_values
from pgtf.configuration.ranges import NotEmpty, Range, as_computed

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    bool: "True or False",
    type(None): "None",
}
_CALLED: tuple[Any, ...] = (collections.abc.Callable, type)
_LONGEST = 100  # Characters of a value in a message.
_INT64 = 2**63


class Reference:
    """As an annotation: a part of any kind."""


def refusal(value: Any, expected: Any, in_gin: bool) -> str | None:
    """Returns None for a value that fits, else the rest of the sentence: "must be …, not ….".

    Args:
        value: a Python object, or what gin made of a binding's text.
        expected: an annotation.
        in_gin: whether to name parts as gin does, ``@Part()``.
    """
    if fits(value, expected):
        return None
    if fits(value, expected, ranged=False):
        what, note = _range_in_words(value, expected, in_gin), _note(value)
    else:
        what, note = in_words(expected, in_gin, ranged=False), ""
    return f"must be {what}, not {value_in_words(value)}{note}.{_hint(value, expected)}"


def fits(value: Any, expected: Any, ranged: bool = True) -> bool:
    """Whether an annotation allows a value; macros in it are followed.

    Args:
        value: a Python object, or what gin made of a binding's text.
        expected: an annotation.
        ranged: whether a number must be in its range, too.
    """
    value = gin_values.followed(value)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, each, ranged) for each in arguments)
    if origin is typing.Literal:
        return any(type(value) is type(each) and value == each for each in arguments)
    if origin is typing.Annotated:
        kind, *details = arguments
        return fits(value, kind, ranged) and all(_obeys(value, kind, x, ranged) for x in details)
    kind = origin or expected
    if not inspect.isclass(kind) or kind in {Any, object}:
        return True
    if gin_values.is_reference(value):
        return _reference_fits(value, kind)
    if issubclass(kind, np.generic):
        kind = _python_kind(kind)
    if kind in (int, float):
        return _number_fits(value, kind, ranged)
    if kind in (bool, np.bool_):
        return isinstance(value, bool | np.bool_)
    if kind in _CALLED:
        return callable(value) if kind is not type else inspect.isclass(value)
    if issubclass(kind, str):
        return isinstance(value, str)
    if issubclass(kind, collections.abc.Collection) and arguments:
        return isinstance(value, collections.abc.Collection) and _items_fit(
            value, kind, arguments, ranged
        )
    return _is_one(value, kind)


def _obeys(value: Any, kind: Any, detail: Any, ranged: bool) -> bool:
    """Whether a value of the right type also obeys what an annotation adds."""
    if isinstance(detail, NotEmpty):
        return gin_values.is_reference(value) or len(value) > 0
    if isinstance(detail, Range) and ranged and _is_number(value):
        return _number(value, kind) in detail
    return True


def _items_fit(value: Any, kind: type, arguments: tuple[Any, ...], ranged: bool) -> bool:
    if issubclass(kind, collections.abc.Mapping):
        return isinstance(value, collections.abc.Mapping) and all(
            fits(key, arguments[0], ranged) and fits(item, arguments[1], ranged)
            for key, item in value.items()
        )
    if isinstance(value, str | bytes) or not isinstance(value, collections.abc.Sequence):
        return False
    if issubclass(kind, tuple) and arguments[-1] is not ...:
        return len(value) == len(arguments) and all(
            fits(each, item, ranged) for each, item in zip(value, arguments, strict=True)
        )
    return all(fits(each, arguments[0], ranged) for each in value)


def _is_one(value: Any, kind: type) -> bool:
    if isinstance(value, list | tuple) and kind in (list, tuple, collections.abc.Sequence):
        return True
    try:
        return isinstance(value, kind)
    except TypeError:  # A protocol, which says nothing at run time.
        return True


def _python_kind(kind: type[np.generic]) -> type:
    """The Python type whose values stand for a type of NumPy's."""
    if issubclass(kind, np.integer):
        return int
    return float if issubclass(kind, np.floating | np.number) else kind


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _number(value: Any, kind: Any) -> float:
    """A number as it is computed with."""
    return int(value) if kind is int else as_computed(_rounded(value))


def _rounded(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # A whole number of more than 308 digits.
        return math.inf


def _number_fits(value: Any, kind: type, ranged: bool) -> bool:
    if not _is_number(value):
        # A tensor or a variable may stand for a number.
        return kind is float and getattr(value, "shape", None) == () and hasattr(value, "dtype")
    if kind is int:
        whole = isinstance(value, numbers.Integral)
        return whole and (not ranged or -_INT64 <= int(value) < _INT64)
    return not ranged or math.isfinite(as_computed(_rounded(value)))


def _reference_fits(reference: Any, kind: type) -> bool:
    if kind is Reference:
        return True
    made = gin_values.made_by(reference.configurable.wrapped)
    unsaid = made is inspect.Signature.empty or not inspect.isclass(made)
    if kind in _CALLED:
        return not reference.evaluate or unsaid or _has_call(made)
    return reference.evaluate and (unsaid or issubclass(made, kind))


def _has_call(kind: type) -> bool:
    return any("__call__" in vars(base) for base in kind.__mro__)


def in_words(
    expected: Any, in_gin: bool = True, most: int | None = None, ranged: bool = True
) -> str:
    """Returns what an annotation allows.

    Args:
        expected: the annotation.
        in_gin: whether to name parts as gin does, ``@Part()``.
        most: where more parts fit, their kind is named in their place.
        ranged: whether to tell ranges of numbers, too.
    """
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        alternatives = [
            in_words(each, in_gin, most, ranged) for each in arguments if each is not Reference
        ]
        return " or ".join(dict.fromkeys(alternatives))
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin is typing.Annotated:
        noun = in_words(arguments[0], in_gin, most, ranged)
        if any(isinstance(each, NotEmpty) for each in arguments[1:]):
            noun = noun.replace("a list or tuple", "a list or tuple that is not empty,", 1)
        ranges = [each for each in arguments[1:] if isinstance(each, Range)]
        return ranges[0].of(noun.removeprefix("a ")) if ranges and ranged else noun
    kind = origin or expected
    if kind is Any or not inspect.isclass(kind):
        return "any value"
    if issubclass(kind, np.generic):
        kind = _python_kind(kind)
    if kind is str and not in_gin:
        return "text"
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _CALLED:
        if in_gin:
            return "a name with @ and no parentheses"
        return "a class" if kind is type else "a function"
    if issubclass(kind, collections.abc.Mapping):
        return "a dictionary"
    if issubclass(kind, tuple) or kind in (list, collections.abc.Sequence):
        items = (
            f" with {in_words(arguments[0], in_gin, most, ranged)} for each item"
            if arguments
            else ""
        )
        return f"a list or tuple{items}"
    fitting = gin_values.parts_of(kind) if in_gin else []
    if most is not None and len(fitting) > most:
        return f"any {kind.__name__}"
    return ", ".join(f"@{part}()" for part in fitting) or _article(_called(kind))


def _called(kind: type) -> str:
    """What Python code calls a class."""
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _range_in_words(value: Any, expected: Any, in_gin: bool) -> str:
    """What a number must be that has the right type; of other values, what ``in_words`` says."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        numeric = [each for each in arguments if fits(value, each, ranged=False)]
        nothing = [each for each in arguments if each is type(None)]
        return " or ".join(_range_in_words(value, each, in_gin) for each in numeric + nothing)
    if not (_is_number(value) and fits(value, expected, ranged=False)):
        return in_words(expected, in_gin)
    if origin is typing.Annotated:
        ranges = [each for each in arguments[1:] if isinstance(each, Range)]
        if not ranges:
            return _range_in_words(value, arguments[0], in_gin)
        endless = ranges[0].most == math.inf and not math.isfinite(_rounded(value))
        return f"{ranges[0]}{' and finite' if endless else ''}"
    if expected is int:
        return "a number of 64 bits"
    return "a number of 32 bits" if math.isfinite(_rounded(value)) else "finite"


def _note(value: Any) -> str:
    """What a number is to TensorFlow, where that is something else."""
    if not _is_number(value) or not math.isfinite(_rounded(value)):
        return ""
    computed = as_computed(_rounded(value))
    if computed == _rounded(value):
        return ""
    return f", which counts as {'infinity' if computed else '0'} in 32 bits"


def value_in_words(value: Any) -> str:
    """A value in a message: short, and of objects the class."""
    plain = bool | int | float | str | bytes | list | tuple | dict | np.generic | None
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    if not isinstance(value, plain) and not gin_values.is_reference(value):
        return _article(_called(type(value)))
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:
        return "a number of more than 100 digits"
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _hint(value: Any, expected: Any) -> str:
    if type(value) is float and value.is_integer() and fits(int(value), expected):
        return f" Write {int(value)}."
    if gin_values.is_reference(value) and not value.evaluate:
        called = gin.config.ConfigurableReference(value.scoped_selector, True)
        if fits(called, expected):
            return f" Write {called!r}."
    return ""
