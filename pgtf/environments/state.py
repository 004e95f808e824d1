"""The state of an environment outside TensorFlow, as JSON can hold it: for checkpoints.

A Gymnasium environment is a stack of wrappers round the environment itself. Each layer is saved

- by its own methods ``clone_state() -> state`` and ``restore_state(state)``, where it has them: the
  hook for everyone's environments and wrappers;
- by ale-py's ``cloneState``, where it is an Atari game without sticky actions: the action that
  would be repeated is not part of that state;
- by its attributes, where it comes with Gymnasium and they are plain data;
- not at all, where it is a wrapper that keeps nothing.

If any layer is none of these, the environment has no state that could be saved. A state is made of
numbers, texts, bytes, truth values, None, NumPy arrays and random generators, in lists, tuples,
dictionaries, sets and deques.
"""

import base64
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np

_CONSTANT = (
    *(gym.Space, gym.envs.registration.EnvSpec, type),
    *(types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.ModuleType),
)
# What wrappers keep of their making.
_MADE = {"env", "_action_space", "_observation_space", "_metadata", "_cached_spec", "_saved_kwargs"}

_WARNED: set[tuple[str, str]] = set()


class Unsaved(TypeError):
    """A value that no checkpoint can hold."""


def cloned(env: Any) -> Any:
    """Returns the state of an environment, or None where it offers none.

    Args:
        env: a ``gymnasium.Env`` or ``VectorEnv``, wrapped or not.
    """
    encoder, layers = _Encoder(), list[Any]()
    for layer in _layers(env):
        try:
            layers.append([_kind(layer), encoder(_state(layer))])
        except Exception as error:
            if _has_hook(layer):
                _warn(layer, "clone_state", error)
            return None
    return layers


def give(env: Any, state: Any) -> None:
    """Gives an environment the state that ``cloned`` returned of one like it.

    Raises:
        Unsaved: the environment is of another kind, or does not take the state.
    """
    decoder = _Decoder()
    layers = list(_layers(env))
    if [_kind(layer) for layer in layers] != [kind for kind, _ in state]:
        raise Unsaved(f"{env} is not what the state was saved of")
    for layer, (_, coded) in zip(layers, state, strict=True):
        own = decoder(coded)
        if _is_game(layer):
            _restore_game(layer.ale, own.pop("ale"))
        if not _has_hook(layer):
            vars(layer).update(own)
            continue
        try:
            layer.restore_state(own)
        except Exception as error:
            _warn(layer, "restore_state", error)
            raise Unsaved(f"{_kind(layer)} does not take its state") from error


def encoded(value: Any) -> Any:
    """Returns a value as JSON can hold it.

    Raises:
        Unsaved: no checkpoint can hold it.
    """
    return _Encoder()(value)


def decoded(coded: Any) -> Any:
    """Returns the value that was ``encoded``."""
    return _Decoder()(coded)


def _layers(env: Any) -> Iterator[Any]:
    """The wrappers from the outermost on, then the environment itself."""
    while isinstance(env, gym.Wrapper | gym.vector.VectorWrapper):
        yield env
        env = env.env
    yield env


def _kind(layer: Any) -> str:
    return f"{type(layer).__module__}.{type(layer).__qualname__}"


def _state(layer: Any) -> Any:
    if _is_game(layer):
        if layer.ale.getFloat("repeat_action_probability") > 0:
            raise Unsaved("sticky actions are not part of a game's state")
        game = layer.ale.cloneState(include_rng=True).__getstate__()
        return {"ale": game, "_np_random": layer.np_random}
    if _has_hook(layer):
        return layer.clone_state()
    attributes = {
        name: value
        for name, value in vars(layer).items()
        if name not in _MADE and not isinstance(value, _CONSTANT)
    }
    wraps = isinstance(layer, gym.Wrapper | gym.vector.VectorWrapper)
    known = _kind(layer).startswith(("gymnasium.", "pgtf.")) or (wraps and not attributes)
    if not known:
        raise Unsaved(f"{_kind(layer)} has no clone_state")
    return attributes


def _has_hook(layer: Any) -> bool:
    return hasattr(type(layer), "clone_state") and not _is_game(layer)


def _warn(layer: Any, method: str, error: Exception) -> None:
    """Says once for each kind of environment that its hook fails."""
    kind = type(layer).__qualname__
    if (kind, method) not in _WARNED:
        _WARNED.add((kind, method))
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        print(
            f"pgtf: warning: {kind}.{method} fails ({reason}), so a resumed run starts new"
            " episodes.",
            file=sys.stderr,
        )


def _is_game(layer: Any) -> bool:
    return _kind(layer).startswith("ale_py.") and hasattr(layer, "ale")


def _restore_game(ale: Any, game: bytes) -> None:
    from ale_py import ALEState

    state: Any = ALEState.__new__(ALEState)
    state.__setstate__(game)
    ale.restoreState(state)


class _Encoder:
    """Encodes values; one that occurs twice is encoded once, so that it stays one value."""

    def __init__(self) -> None:
        # With the values, whose identities would be used again if they were gone.
        self._seen: dict[int, tuple[int, Any]] = {}
        self._memory: set[int] = set()

    def __call__(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | float() | str() if type(value).__module__ == "builtins":
                return value
            case bytes():
                return {"bytes": _text(value)}
            case np.generic():
                return {"scalar": self._array(np.asarray(value))}
            case tuple():
                return {"tuple": [self(item) for item in value]}
        if id(value) in self._seen:
            return {"again": self._seen[id(value)][0]}
        self._seen[id(value)] = (len(self._seen), value)
        match value:
            case np.ndarray():
                self._alone(value)
                return {"array": self._array(value)}
            case list():
                return {"list": [self(item) for item in value]}
            case set():
                return {"set": [self(item) for item in value]}
            case deque():
                return {"deque": [self(item) for item in value], "longest": value.maxlen}
            case dict() if type(value) is dict:
                return {"dict": [[self(key), self(item)] for key, item in value.items()]}
            case np.random.Generator():
                kind = type(value.bit_generator).__name__
                return {"generator": [kind, self(value.bit_generator.state)]}
            case random.Random() if type(value) is random.Random:
                return {"random": self(value.getstate())}
        raise Unsaved(f"{type(value).__qualname__} is not plain data")

    def _array(self, array: np.ndarray) -> list[Any]:
        if array.dtype.hasobject:
            raise Unsaved("an array of Python objects is not plain data")
        return [array.dtype.str, list(array.shape), _text(np.ascontiguousarray(array).tobytes())]

    def _alone(self, array: np.ndarray) -> None:
        """Refuses arrays that share their memory, which two copies would not."""
        owner: Any = array
        while isinstance(owner, np.ndarray) and owner.base is not None:
            owner = owner.base
        if id(owner) in self._memory:
            raise Unsaved("two arrays share their memory")
        self._memory.add(id(owner))


class _Decoder:
    """Decodes what one ``_Encoder`` has encoded, in the same order."""

    def __init__(self) -> None:
        self._made: list[Any] = []

    def __call__(self, coded: Any) -> Any:
        if not isinstance(coded, dict):
            return coded
        kind, content = next(iter(coded.items()))
        if kind == "again":
            return self._made[content]
        plain: dict[str, Callable[[], Any]] = {
            "bytes": lambda: base64.b64decode(content),
            "scalar": lambda: _array(content)[()],
            "tuple": lambda: tuple(self(item) for item in content),
        }
        if kind in plain:
            return plain[kind]()
        number = len(self._made)
        self._made.append(None)
        made = self._made[number] = self._container(kind, content, coded)
        if kind == "dict":
            made.update((self(key), self(item)) for key, item in content)
        elif kind == "set":
            made.update(self(item) for item in content)
        elif kind in ("list", "deque"):
            made.extend(self(item) for item in content)
        elif kind == "generator":
            made.bit_generator.state = self(content[1])
        elif kind == "random":
            made.setstate(self(content))
        return made

    def _container(self, kind: str, content: Any, coded: Any) -> Any:
        """What is filled, or set, once it can be referred to."""
        match kind:
            case "array":
                return _array(content).copy()
            case "list":
                return []
            case "set":
                return set()
            case "deque":
                return deque(maxlen=coded["longest"])
            case "dict":
                return {}
            case "generator":
                return np.random.Generator(getattr(np.random, content[0])())
            case "random":
                return random.Random()
        raise Unsaved(f"{kind!r} is unknown")


def _array(content: list[Any]) -> np.ndarray:
    dtype, shape, data = content
    return np.frombuffer(base64.b64decode(data), dtype).reshape(shape)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
