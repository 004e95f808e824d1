"""Checks bindings against the annotations of their parameters.

gin itself takes any value for any parameter, and the error then comes late and far from its cause.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import gin

from pgtf.configuration import expectations, gin_values, keras_parts
from pgtf.configuration.bindings import Binding, did_you_mean
from pgtf.errors import ConfigurationError

_MOST_NAMED = 6


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
        value = gin.query_parameter(key if selector else f"{key}/macro.value")
        for macro in filter(gin_values.is_macro, gin_values.within(value)):
            name = gin_values.macro_name(macro)
            if gin_values.macro_value(name) is gin_values.UNKNOWN:
                known = [other for other in bindings if "." not in other]
                hint = did_you_mean(name, known) or f" There are: {', '.join(known) or 'none'}."
                raise ConfigurationError(
                    f"{binding.place}: no macro is called {name} in {key} = {binding.value}.{hint}"
                )
        expected = annotation(selector, parameter) if selector else Any
        source = binding
        if gin_values.is_macro(value):
            source = bindings.get(gin_values.macro_name(value), binding)
            value = gin_values.followed(value)
        refused = expectations.refusal(value, expected, in_gin=True)
        if refused is not None:
            also = f" ({key})" if source is not binding else ""
            raise ConfigurationError(f"{source.place}: {source.key}{also} {refused}")


def parameters(selector: str) -> dict[str, inspect.Parameter]:
    """Returns the parameters of a configurable, by name."""
    target = gin_values.configurable(selector).wrapped
    signature = inspect.signature(gin_values.construction(target))
    return {name: p for name, p in signature.parameters.items() if name != "self"}


def accepted(selector: str, parameter: str) -> str:
    """Returns the values that can be bound to a parameter, in words."""
    return expectations.in_words(annotation(selector, parameter), most=_MOST_NAMED)


def annotation(selector: str, parameter: str) -> Any:
    """Returns what can be bound to a parameter, as an annotation."""
    target = gin_values.configurable(selector).wrapped
    known = parameters(selector)
    if parameter not in known:
        return Any  # One of **kwargs.
    if known[parameter].annotation is not inspect.Parameter.empty:
        return gin_values.evaluated(known[parameter].annotation, gin_values.construction(target))
    if keras_parts.is_one(target) and parameter in keras_parts.EXPECTED:
        return keras_parts.EXPECTED[parameter]
    kind = type(known[parameter].default)
    if kind is bool or kind is str:
        return kind | expectations.Reference
    return float | expectations.Reference if kind in (int, float) else Any
