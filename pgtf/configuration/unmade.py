"""Parts that are bound but not made yet, and what they need of TensorFlow.

Making a part makes variables, which starts TensorFlow and with it the thread pools. What a part
needs of them is therefore asked of its class: ``needs(bound)``, a class method that gets the
``Unmade``. One without it needs what the parts bound to it need.
"""

import inspect
from typing import Any, NamedTuple

import gin

from pgtf.configuration import gin_values
from pgtf.configuration import types as binding_types

_SINGLETON = gin.config._REGISTRY.get_match("gin.singleton").wrapped


class Needs(NamedTuple):
    """What a part computes at a time.

    Attributes:
        threads: calls into TensorFlow from threads of their own.
        copies: compiled environments that one operation steps.
        convolves: whether there are convolutions, which threads can share.
        spare: threads for calls into TensorFlow from within such calls.
    """

    threads: int = 1
    copies: int = 0
    convolves: bool = False
    spare: int = 0


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
        self.kind: type = gin_values.made_by(reference.configurable.wrapped)

    def argument(self, name: str, default: Any = None) -> Any:
        """Returns what is bound to a parameter, else its default, else ``default``."""
        with gin.config_scope(list(self._scopes)):
            bound = gin.get_bindings(self._selector, resolve_references=False)
        if name in bound:
            return gin_values.followed(bound[name])
        parameter = binding_types.parameters(self._selector).get(name)
        if parameter is None or parameter.default is inspect.Parameter.empty:
            return default
        return parameter.default

    def needs(self) -> Needs:
        """Returns what the class states in ``needs``, else what the parts bound to it need."""
        stated = getattr(self.kind, "needs", None)
        return self.needs_of_parts() if stated is None else stated(self)

    def needs_of_parts(self) -> Needs:
        """Returns what all parts that are bound to parameters need together."""
        together = Needs()
        for name in binding_types.parameters(self._selector):
            part = _unmade(self.argument(name), self._scopes)
            if part is not None:
                needs = part.needs()
                together = Needs(
                    max(together.threads, needs.threads),
                    max(together.copies, needs.copies),
                    together.convolves or needs.convolves,
                    max(together.spare, needs.spare),
                )
        return together


def needs_of(key: str) -> Needs:
    """Returns what the part that is bound to ``Selector.parameter`` needs."""
    try:
        part = _unmade(gin.query_parameter(key), ())
    except ValueError:
        return Needs()
    return Needs() if part is None else part.needs()


def _unmade(value: Any, scopes: tuple[str, ...]) -> Unmade | None:
    value = gin_values.followed(value)
    if not isinstance(value, gin.config.ConfigurableReference) or not value.evaluate:
        return None
    if value.configurable.wrapped is _SINGLETON:
        with gin.config_scope([*scopes, *value.scopes]):
            bound = gin.get_bindings("gin.singleton", resolve_references=False)
        return Unmade(bound["constructor"], scopes) if "constructor" in bound else None
    return Unmade(value, scopes)
