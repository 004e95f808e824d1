"""Bound values that are no literals: references to parts, and macros."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import gin

from pgtf.errors import ConfigurationError

_LONGEST = 100  # Macros that refer to one another.


class Unknown:
    """Stands for the value of a macro that has none."""


UNKNOWN = Unknown()


def configurable(selector: str) -> Any:
    """Returns gin's record of what is registered under a name, or None."""
    # gin has no public way from a name to the class that was registered by it.
    return gin.config._REGISTRY.get_match(selector)


def names() -> list[str]:
    """Returns the names that are registered with gin, without their modules."""
    return sorted({selector.split(".")[-1] for selector, _ in gin.config._REGISTRY.items()})


def is_reference(value: Any) -> bool:
    """Whether a value is ``@Part``, ``@Part()`` or ``%MACRO``."""
    return isinstance(value, gin.config.ConfigurableReference)


def is_macro(value: Any) -> bool:
    """Whether a value is ``%MACRO``."""
    return is_reference(value) and value.configurable.wrapped is configurable("gin.macro").wrapped


def within(value: Any) -> Iterator[Any]:
    """The references and macros in a value, however deep in lists and dictionaries."""
    if is_reference(value):
        yield value
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            yield from within(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from within(item)


def macro_name(macro: Any) -> str:
    """The name of ``%name``."""
    return "/".join(macro.scopes)


def macro_value(name: str) -> Any:
    """The value of a macro, those it refers to followed; ``UNKNOWN`` if it has none.

    Raises:
        ConfigurationError: macros refer to each other in a circle.
    """
    passed: list[str] = []
    while name not in passed:
        if len(passed) == _LONGEST:
            raise ConfigurationError(f"{passed[0]} is a chain of more than {_LONGEST} macros.")
        try:
            value = gin.query_parameter(f"{name}/macro.value")
        except ValueError:
            return UNKNOWN
        if not is_macro(value):
            return value
        passed.append(name)
        name = macro_name(value)
    raise ConfigurationError(f"The macros {', '.join(passed)} refer to each other in a circle.")


def followed(value: Any) -> Any:
    """A bound value, or the value of the macro that is bound."""
    return macro_value(macro_name(value)) if is_macro(value) else value


def construction(target: Any) -> Callable[..., Any]:
    """The function whose arguments are those of a configurable."""
    if not inspect.isclass(target):
        return target
    made_by_new = target.__init__ is object.__init__
    return target.__new__ if made_by_new else target.__init__


def evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """Evaluates an annotation that is written as text."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(inspect.unwrap(function), "__globals__", {}))
    except NameError:  # A name that was imported for the type checker alone.
        return Any


def made_by(target: Any) -> Any:
    """The class that a configurable makes, or ``Signature.empty`` without an annotation."""
    if inspect.isclass(target):
        return target
    made = evaluated(inspect.signature(target).return_annotation, target)
    return type(None) if made is None else made


def parts_of(kind: type) -> list[str]:
    """The names of the registered parts of a kind."""
    found = []
    for selector, known in gin.config._REGISTRY.items():
        made = made_by(known.wrapped)
        if inspect.isclass(made) and issubclass(made, kind):
            found.append(selector.split(".")[-1])
    return sorted(found)
