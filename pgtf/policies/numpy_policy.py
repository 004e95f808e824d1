"""A policy for use outside TensorFlow: NumPy observations in, the environment's actions out."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import tensorflow as tf
from gymnasium import spaces

from pgtf.spaces import specification


class Acting(NamedTuple):
    """What a ``NumpyPolicy`` acts by, functions of batches of N.

    Attributes:
        greedy: maps observations, memory and a seed, int32 [2], to actions of the space and memory.
        sampled: does so with samples.
        initial_memory: maps N to the memory at the start of an episode.
    """

    greedy: Callable[..., Any]
    sampled: Callable[..., Any]
    initial_memory: Callable[..., Any]


class NumpyPolicy:
    """Maps observations to actions: ``action = policy(observation)``.

    One observation gives one action, as ``env.step`` takes it: within a Box's bounds, an ``int`` of
    a Discrete space, a dict or tuple where the space is one. A batch [N, …] gives a batch, as
    ``envs.step`` of a vector environment takes it. A policy with memory remembers the calls since
    the last ``reset``, or since another number of observations came in. Threads may share an
    instance, and then share its memory and its stream of random numbers.

    Args:
        acting: the functions it acts by.
        observation_space: the space of one observation.
        action_space: the space of one action.
        seed: of sampled actions.
    """

    def __init__(
        self,
        acting: Acting,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        seed: int = 0,
    ):
        self.observation_space = observation_space
        self.action_space = action_space
        self._acting = acting
        self._specification = specification(observation_space)
        self._turn = threading.Lock()
        self.reset(seed)

    def reset(self, seed: int | None = None) -> None:
        """Begins an episode: forgets what the policy remembers of the last one.

        Args:
            seed: also starts the stream of sampled actions afresh; None goes on with it.
        """
        with self._turn:
            self._memory: tuple[int, Any] | None = None
            if seed is not None:
                self._seed, self._calls = seed, 0

    def __call__(self, observation: Any, greedy: bool = True) -> Any:
        """Returns the action for one observation, or the actions for a batch of them.

        Args:
            observation: as the environment gives it, numbers of any type; a batch has one more axis
                in front of every array.
            greedy: whether to take the most likely action, or the mean; else a sample.

        Raises:
            ValueError: the observation is not of the policy's observation space.
        """
        leaves = _leaves(self.observation_space, observation, "the observation")
        specs = tf.nest.flatten(self._specification)
        arrays: list[tf.Tensor] = []
        sizes: set[int | None] = set()
        for (name, leaf), spec in zip(leaves, specs, strict=True):
            array = _array(name, leaf, spec.dtype.as_numpy_dtype)
            shape = tuple(spec.shape)
            if array.shape == shape:
                sizes.add(None)
                array = array[np.newaxis]
            elif array.shape[1:] == shape and array.ndim:
                sizes.add(len(array))
            else:
                batch = ", ".join(map(str, ("N", *shape)))
                raise ValueError(
                    f"{name} has the shape {array.shape}, but this policy takes {shape}, or a batch"
                    f" of ({batch})."
                )
            arrays.append(tf.constant(array))
        if len(sizes) > 1:
            raise ValueError("the parts of the observation are batches of different sizes.")
        observations = tf.nest.pack_sequence_as(self._specification, arrays)
        action = self._act(len(arrays[0]), observations, greedy)
        return _element(self.action_space, action, single=None in sizes)

    def _act(self, count: int, observations: Any, greedy: bool) -> Any:
        act = self._acting.greedy if greedy else self._acting.sampled
        with self._turn:
            if self._memory is None or self._memory[0] != count:
                self._memory = count, self._acting.initial_memory(tf.constant(count))
            seed = tf.constant([self._seed, self._calls], tf.int32)
            action, memory = act(observations, self._memory[1], seed)
            self._memory = count, memory
            self._calls += 1
        return action


def _leaves(space: gym.Space[Any], element: Any, name: str) -> list[tuple[str, Any]]:
    """The arrays of an observation with what messages call them, in TensorFlow's order."""
    if isinstance(space, spaces.Dict):
        if not isinstance(element, Mapping) or set(element) != set(space.spaces):
            keys = ", ".join(map(repr, space.spaces))
            raise ValueError(f"{name} must be a dict with the keys {keys}.")
        parts = [(part, element[key], f"{name}[{key!r}]") for key, part in sorted(space.items())]
    elif isinstance(space, spaces.Tuple):
        if not isinstance(element, Sequence | np.ndarray) or len(element) != len(space.spaces):
            raise ValueError(f"{name} must be a tuple of {len(space.spaces)} parts.")
        parts = [
            (part, x, f"{name}[{i}]")
            for i, (part, x) in enumerate(zip(space.spaces, element, strict=True))
        ]
    else:
        return [(name, element)]
    return [leaf for part, x, label in parts for leaf in _leaves(part, x, label)]


def _array(name: str, element: Any, dtype: Any) -> np.ndarray:
    try:
        array = np.asarray(element)
        converted = array.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers: {error}.") from error
    if np.issubdtype(dtype, np.integer) and not np.array_equal(converted, array):
        raise ValueError(f"{name} holds numbers that are not {np.dtype(dtype)}.")
    return converted


def _element(space: gym.Space[Any], action: Any, single: bool) -> Any:
    """An action, or a batch of actions, as Gymnasium has it."""
    match space:
        case spaces.Dict():
            return {key: _element(x, action[key], single) for key, x in space.items()}
        case spaces.Tuple():
            return tuple(_element(x, a, single) for x, a in zip(space, action, strict=True))
    array = action.numpy().astype(space.dtype)
    if not single:
        return array
    return int(array[0]) if isinstance(space, spaces.Discrete) else array[0]
