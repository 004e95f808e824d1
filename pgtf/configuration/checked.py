"""Plain Python calls are checked by the annotations that bindings are checked by."""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from pgtf.configuration.expectations import refusal
from pgtf.configuration.gin_values import evaluated
from pgtf.errors import ConfigurationError

_F = TypeVar("_F", bound=Callable[..., Any])


def checked(function: _F) -> _F:
    """Decorates a part's ``__init__``, or a part that is a function: arguments must fit.

    What an argument must be is said once, in its annotation: a type, and where it is a number its
    range (``Count``, ``Positive``, ``Probability``, … or ``Annotated[float, Range(…)]``). A call
    with another value raises ``ConfigurationError``, as a binding does before anything is made.
    """
    signature = inspect.signature(function)
    of_class = next(iter(signature.parameters), "") == "self"

    @functools.cache
    def expected() -> dict[str, Any]:
        # At the first call: annotations may name what is defined further down.
        return {
            name: evaluated(parameter.annotation, function)
            for name, parameter in signature.parameters.items()
            if parameter.annotation is not parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # Python says it best.
        for name, annotation in expected().items():
            if name in given and given[name] is not signature.parameters[name].default:
                refused = refusal(given[name], annotation, in_gin=False)
                if refused is not None:
                    owner = type(args[0]).__name__ if of_class else function.__name__
                    raise ConfigurationError(f"{owner}.{name} {refused}")
        return function(*args, **kwargs)

    # gin looks no further than the signature that stands here.
    call.__signature__ = signature  # type: ignore[attr-defined]
    return typing.cast(_F, call)
