"""Parts that are bound but not made yet, and what they need of TensorFlow.

Making a part makes variables, which starts TensorFlow and with it the thread pools. What a part
needs of them is therefore asked of its class.
"""

import inspect
from typing import Any, NamedTuple, Optional

import gin

from pgtf.configuration import types as binding_types


class Needs(NamedTuple):
    """What a part computes at a time.

    Attributes:
        threads: calls into TensorFlow from threads of their own.
        copies: compiled environments that one operation steps.
    """

    threads: int = 1
    copies: int = 0


class Unmade:
    """A part as it is bound: its class, and its arguments as they would be made.

    Args:
        reference: of gin, such as ``@SynchronousTrainer()``.
        scopes: the gin scopes in which it is to be made.

    Attributes:
        kind: the class; of what is made, if that is done by a function.
    """

    def __init__(self, reference: Any, scopes: tuple[str, ...] = ()):
        self._scopes = (*scopes, *reference.scopes)
        self._selector = reference.selector
        self.kind: type = binding_types.made_by(reference.configurable.wrapped)

    def argument(self, name: str, default: Any = None) -> Any:
        """Returns what is bound to a parameter, else its default, else ``default``."""
        with gin.config_scope(list(self._scopes)):
            bound = gin.get_bindings(self._selector, resolve_references=False)
        if name in bound:
            return binding_types.followed(bound[name])
        parameter = binding_types.parameters(self._selector).get(name)
        if parameter is None or parameter.default is inspect.Parameter.empty:
            return default
        return parameter.default

    def part(self, name: str) -> Optional["Unmade"]:
        """Returns the part that is bound to a parameter, or None."""
        return _unmade(self.argument(name), self._scopes)


def bound_part(key: str) -> Unmade | None:
    """Returns the part that is bound to ``Selector.parameter``, or None."""
    try:
        value = gin.query_parameter(key)
    except ValueError:
        return None
    return _unmade(value, ())


def _unmade(value: Any, scopes: tuple[str, ...]) -> Unmade | None:
    value = binding_types.followed(value)
    if not isinstance(value, gin.config.ConfigurableReference) or not value.evaluate:
        return None
    return Unmade(value, scopes)


def needs(part: Unmade | None) -> Needs:
    """Returns what a part needs, as its class states it in ``needs``."""
    stated = getattr(part.kind, "needs", None) if part is not None else None
    return Needs() if stated is None else stated(part)
