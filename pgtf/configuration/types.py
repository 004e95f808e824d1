"""Checks bindings against the annotations of their parameters.

gin itself takes any value for any parameter, and the error then comes late and far from its cause.
"""

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gin

from pgtf.configuration.bindings import Binding, did_you_mean
from pgtf.errors import ConfigurationError

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    bool: "True or False",
    type(None): "None",
}
_MOST_NAMED = 6
_CALLED: tuple[Any, ...] = (collections.abc.Callable, type)


def check(bindings: Mapping[str, Binding]) -> None:
    """Compares every binding in force with the annotation of its parameter.

    Macros are followed to their value. A parameter without an annotation has the type of its
    default, where that is a number, a text or a truth value.

    Args:
        bindings: by key.

    Raises:
        ConfigurationError: a binding does not fit, or names an unknown macro.
    """
    for key, binding in bindings.items():
        selector, _, parameter = key.split("/")[-1].rpartition(".")
        if selector and _configurable(selector) is None:
            continue  # Registered by gin itself, for the one file that imports it.
        value = gin.query_parameter(key if selector else f"{key}/macro.value")
        for name in _macros(value):
            if _macro_value(name) is _UNKNOWN:
                known = [other for other in bindings if "." not in other]
                hint = did_you_mean(name, known) or f" There are: {', '.join(known) or 'none'}."
                raise ConfigurationError(
                    f"{binding.place}: no macro is called {name} in {key} = {binding.value}.{hint}"
                )
        expected = _annotation(selector, parameter) if selector else Any
        source = binding
        if _is_macro(value):
            source = bindings.get("/".join(value.scopes), binding)
            value = _macro_value("/".join(value.scopes))
        if not _fits(value, expected):
            also = f" ({key})" if source is not binding else ""
            raise ConfigurationError(
                f"{source.place}: {source.key}{also} must be {_describe(expected)}, not"
                f" {value!r}.{_hint(value, expected)}"
            )


def followed(value: Any) -> Any:
    """A bound value, or the value of the macro that is bound."""
    return _macro_value("/".join(value.scopes)) if _is_macro(value) else value


class _Unknown:
    """Stands for the value of a macro that has none."""


_UNKNOWN = _Unknown()


def parameters(selector: str) -> dict[str, inspect.Parameter]:
    """Returns the parameters of a configurable, by name."""
    signature = inspect.signature(_construction(_configurable(selector).wrapped))
    return {name: p for name, p in signature.parameters.items() if name != "self"}


def accepted(selector: str, parameter: str) -> str:
    """Returns the values that can be bound to a parameter, in words."""
    return _describe(_annotation(selector, parameter), _MOST_NAMED)


def names() -> list[str]:
    """Returns the names that are registered with gin, without their modules."""
    return sorted({selector.split(".")[-1] for selector, _ in gin.config._REGISTRY.items()})


def _configurable(selector: str) -> Any:
    # gin has no public way from a name to the class that was registered by it.
    return gin.config._REGISTRY.get_match(selector)


def _construction(configurable: Any) -> Callable[..., Any]:
    if not inspect.isclass(configurable):
        return configurable
    made_by_new = configurable.__init__ is object.__init__
    return configurable.__new__ if made_by_new else configurable.__init__


def _annotation(selector: str, parameter: str) -> Any:
    function = _construction(_configurable(selector).wrapped)
    known = parameters(selector)
    if parameter not in known:
        return Any  # One of **kwargs.
    if known[parameter].annotation is inspect.Parameter.empty:
        default = known[parameter].default
        kind = type(default)
        if kind is bool or kind is str:
            return kind | _Reference
        return float | _Reference if kind in (int, float) else Any
    return _evaluated(known[parameter].annotation, function)


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """Evaluates an annotation that is written as text."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(function, "__globals__", {}))
    except NameError:  # A name that was imported for the type checker alone.
        return Any


class _Reference:
    """Stands for a part of any kind."""


def _is_reference(value: Any) -> bool:
    return isinstance(value, gin.config.ConfigurableReference)


def _is_macro(value: Any) -> bool:
    return _is_reference(value) and value.configurable.wrapped is _configurable("gin.macro").wrapped


def _macros(value: Any) -> Iterator[str]:
    """The names of all macros within a value."""
    if _is_macro(value):
        yield "/".join(value.scopes)
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            yield from _macros(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _macros(item)


def _macro_value(name: str) -> Any:
    passed = []
    while name not in passed:
        try:
            value = gin.query_parameter(f"{name}/macro.value")
        except ValueError:
            return _UNKNOWN
        if not _is_macro(value):
            return value
        passed.append(name)
        name = "/".join(value.scopes)
    raise ConfigurationError(f"The macros {', '.join(passed)} refer to each other in a circle.")


def _fits(value: Any, expected: Any) -> bool:
    if _is_macro(value):
        value = _macro_value("/".join(value.scopes))
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, each) for each in arguments)
    if origin is typing.Literal:
        return value in arguments
    if origin is typing.Annotated:
        return _fits(value, arguments[0])
    kind = origin or expected
    if not inspect.isclass(kind) or kind in {Any, object}:
        return True
    if _is_reference(value):
        return _reference_fits(value, kind)
    if kind in _CALLED:
        return False
    if issubclass(kind, str) or kind in (int, bool, type(None)):
        return type(value) is kind
    if kind is float:
        return type(value) in (int, float)
    if issubclass(kind, collections.abc.Mapping):
        return isinstance(value, dict)
    if issubclass(kind, tuple) or kind in (list, collections.abc.Sequence):
        item = arguments[0] if arguments else Any
        same = len(arguments) < 2 or arguments[1] is ...
        return isinstance(value, list | tuple) and (
            all(_fits(each, item) for each in value) if same else len(value) == len(arguments)
        )
    return not isinstance(value, int | float | str | list | tuple | dict | None)


def _reference_fits(reference: Any, kind: type) -> bool:
    if kind is _Reference:
        return True
    made = made_by(reference.configurable.wrapped)
    unsaid = made is inspect.Signature.empty or not inspect.isclass(made)
    if kind in _CALLED:
        return not reference.evaluate or unsaid or _has_call(made)
    return reference.evaluate and (unsaid or issubclass(made, kind))


def made_by(target: Any) -> Any:
    """The class that a configurable makes, or ``Signature.empty`` without an annotation."""
    if inspect.isclass(target):
        return target
    return _evaluated(inspect.signature(target).return_annotation, target)


def _has_call(kind: type) -> bool:
    return any("__call__" in vars(base) for base in kind.__mro__)


def _describe(expected: Any, most: int | None = None) -> str:
    """What a parameter takes, in words; where more than ``most`` parts fit, their kind."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(each, most) for each in arguments if each is not _Reference)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(repr, arguments))
    kind = origin or expected
    if kind is Any or not inspect.isclass(kind):
        return "any value"
    if kind in _WORDS:
        return _WORDS[kind]
    if kind in _CALLED:
        return "a name with @ and no parentheses"
    if issubclass(kind, collections.abc.Mapping):
        return "a dictionary"
    if issubclass(kind, tuple) or kind in (list, collections.abc.Sequence):
        items = f" with {_describe(arguments[0], most)} for each item" if arguments else ""
        return f"a list or tuple{items}"
    fitting = _parts(kind)
    if most is not None and len(fitting) > most:
        return f"any {kind.__name__}"
    return ", ".join(f"@{part}()" for part in fitting) or f"a {kind.__name__}"


def _parts(kind: type) -> list[str]:
    """The names of the registered parts of a kind."""
    found = []
    for selector, configurable in gin.config._REGISTRY.items():
        made = made_by(configurable.wrapped)
        if inspect.isclass(made) and issubclass(made, kind):
            found.append(selector.split(".")[-1])
    return sorted(found)


def _hint(value: Any, expected: Any) -> str:
    if type(value) is float and value.is_integer() and _fits(int(value), expected):
        return f" Write {int(value)}."
    if _is_reference(value) and not value.evaluate:
        called = gin.config.ConfigurableReference(value.scoped_selector, True)
        if _fits(called, expected):
            return f" Write {called!r}."
    return ""
