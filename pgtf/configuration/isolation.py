"""gin's state, one for each run instead of one for the process.

gin keeps bindings, singletons, imports and the operative configuration in module-level containers.
Here they become views of the containers of the current context (``contextvars``), so that two runs,
one after the other or at once in two threads, see nothing of each other, and the bindings that a
notebook has made for itself stay as they were.
"""

import contextlib
import contextvars
import dataclasses
import threading
from collections.abc import Callable, Iterator, MutableMapping, MutableSet
from typing import Any

import gin


@dataclasses.dataclass
class _State:
    """What one configuration consists of, by gin's own names."""

    config: dict[Any, Any] = dataclasses.field(default_factory=dict)
    operative: dict[Any, Any] = dataclasses.field(default_factory=dict)
    singletons: dict[Any, Any] = dataclasses.field(default_factory=dict)
    imports: set[Any] = dataclasses.field(default_factory=set)


# What was bound before this module was imported, and what threads of the user's own see.
_PROCESS = _State(
    gin.config._CONFIG, gin.config._OPERATIVE_CONFIG, gin.config._SINGLETONS, gin.config._IMPORTS
)
_CURRENT = contextvars.ContextVar("gin state of the current run", default=_PROCESS)
# Parsing uses one stack in gin, and initial weights Keras's one random state.
_CONFIGURING = threading.RLock()


class _Mapping(MutableMapping[Any, Any]):
    """The dictionary of that name in the current state."""

    def __init__(self, name: str):
        self._name = name

    @property
    def _own(self) -> dict[Any, Any]:
        return getattr(_CURRENT.get(), self._name)

    def __getitem__(self, key: Any) -> Any:
        return self._own[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._own[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


class _Imports(MutableSet[Any]):
    """The imports of the current state."""

    def __contains__(self, item: Any) -> bool:
        return item in _CURRENT.get().imports

    def __iter__(self) -> Iterator[Any]:
        return iter(_CURRENT.get().imports)

    def __len__(self) -> int:
        return len(_CURRENT.get().imports)

    def add(self, value: Any) -> None:
        _CURRENT.get().imports.add(value)

    def discard(self, value: Any) -> None:
        _CURRENT.get().imports.discard(value)

    def update(self, values: Any) -> None:
        _CURRENT.get().imports.update(values)


gin.config._CONFIG = _Mapping("config")
gin.config._OPERATIVE_CONFIG = _Mapping("operative")
gin.config._SINGLETONS = _Mapping("singletons")
gin.config._IMPORTS = _Imports()


@contextlib.contextmanager
def isolated() -> Iterator[Callable[[], None]]:
    """A context in which nothing is bound; at its end gin's state is what it was before.

    Only one thread at a time configures. The others wait until it calls what this yields, which it
    does once every part is made and has its initial weights, or until the context ends. Threads
    that are started inside see its state if they run in a copy of the context
    (``contextvars.copy_context``).

    Yields:
        A function that lets the others go on.
    """
    with contextlib.ExitStack() as configuring:
        configuring.enter_context(_CONFIGURING)
        token = _CURRENT.set(_State())
        try:
            yield configuring.close
        finally:
            _CURRENT.reset(token)


@contextlib.contextmanager
def own_singletons() -> Iterator[None]:
    """A context in which ``gin.singleton`` makes everything afresh, for a second set of parts."""
    token = _CURRENT.set(dataclasses.replace(_CURRENT.get(), singletons={}))
    try:
        yield
    finally:
        _CURRENT.reset(token)
