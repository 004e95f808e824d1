"""Compiling graph functions with XLA, and falling back to TensorFlow where XLA cannot."""

import contextlib
import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import tensorflow as tf
from absl import logging

_T = TypeVar("_T")

_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError)
# XLA has no kernel for the operation, or has one that fails to compile it.
_NO_KERNEL = re.compile(r"unsupported operations.*? on XLA_\w+: (\w+)", re.DOTALL)
_FAILED = re.compile(r"\{\{node ([^}]+)\}\}.*tf2xla conversion failed", re.DOTALL)


class Compilation:
    """Whether XLA compiles the functions of a part: until XLA fails on one of them, all of them.

    A user's part may contain operations that XLA does not support, such as ``tf.numpy_function``.
    XLA compiles a function the first time it runs, so the failure comes late, but before any of
    that function has executed. ``run`` then turns XLA off, logs one warning and tries again.

    Args:
        enabled: whether XLA compiles anything at all.
        binding: the gin binding that ``enabled`` comes from, for the warning.
        parent: another part's compilation, whose failure turns this one off too.
    """

    def __init__(self, enabled: bool, binding: str, parent: "Compilation | None" = None):
        self._enabled = enabled
        self._binding = binding
        self._parent = parent

    @property
    def enabled(self) -> bool:
        """Whether functions are compiled from now on."""
        return self._enabled and (self._parent is None or self._parent.enabled)

    def child(self) -> "Compilation":
        """Returns a compilation that follows this one, but fails on its own."""
        return Compilation(True, self._binding, self)

    def function(self, python: Callable[..., _T], xla: bool = True) -> "Function[_T]":
        """Returns a graph function.

        Args:
            python: what to trace, without autograph.
            xla: False for what must not be compiled by itself, such as the stepping of Gymnasium
                environments. Functions it calls may be.
        """
        return Function(python, self, xla)

    def after(self, tensor: tf.Tensor) -> contextlib.AbstractContextManager[Any]:
        """Returns a context, for the body of a function, whose operations wait for a tensor.

        XLA starts a function once all its inputs are there. TensorFlow inlines it, and each
        operation waits for its own inputs alone: a counter moves although a rollout fails. With
        XLA the context does nothing.
        """
        if self.enabled:
            return contextlib.nullcontext()
        return tf.control_dependencies([tf.identity(tensor)])

    def run(self, attempt: Callable[[], _T], restart: Callable[[], None] | None = None) -> _T:
        """Runs functions from Python, a second time and without XLA if XLA cannot compile them.

        Args:
            attempt: calls functions that ``function`` returned.
            restart: undoes what was executed around the functions that XLA compiles one by one:
                the steps that environments have taken, for example.
        """
        try:
            return attempt()
        except _ERRORS as error:
            operation = _uncompilable(error)
            if operation is None or not self.enabled:
                raise
        self._enabled = False
        logging.warning(
            "XLA cannot compile %s: going on without XLA, which is slower. %s = False does so from"
            " the start.",
            operation,
            self._binding,
        )
        if restart is not None:
            restart()
        return attempt()


class Function(Generic[_T]):
    """A graph function that is traced again, without XLA, once its compilation is turned off.

    Args:
        python: what to trace.
        compilation: of the part.
        xla: whether XLA compiles the function while ``compilation`` is enabled.
    """

    def __init__(self, python: Callable[..., _T], compilation: Compilation, xla: bool):
        self._python = python
        self._compilation = compilation
        self._xla = xla
        self._functions: dict[bool, Any] = {}

    @property
    def traced(self) -> Any:
        """The ``tf.function`` behind it now."""
        enabled = self._compilation.enabled
        if enabled not in self._functions:
            self._functions[enabled] = tf.function(
                self._python, autograph=False, jit_compile=enabled and self._xla
            )
        return self._functions[enabled]

    def __call__(self, *args: Any) -> _T:
        """Calls it, from Python or from another graph."""
        result: _T = self.traced(*args)
        return result


def _uncompilable(error: tf.errors.OpError) -> str | None:
    """Returns the operation that XLA could not compile, if that is what went wrong."""
    found = _NO_KERNEL.search(str(error)) or _FAILED.search(str(error))
    return found[1] if found else None
