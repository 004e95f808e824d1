"""B Gymnasium environments behind one reset and one step on NumPy arrays.

Both kinds return observations as the leaves of a nest, each [B, ...], and ``signals`` [4, B]
float32: reward, terminated, truncated and mask. Packing the four into one array makes the call from
the graph cheap.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from pgtf.errors import ConfigurationError
from pgtf.spaces import specification


def environment_seeds(seed: np.ndarray, count: int) -> list[int]:
    """Returns a seed for each environment.

    Args:
        seed: int32 [2], a stateless seed; or [N, 2], one for each of N equal blocks of them.
        count: number of environments, a multiple of N.
    """
    blocks = np.atleast_2d(seed).astype(np.int64) & 0xFFFFFFFF
    return [
        int(word)
        for block in blocks
        for word in np.random.SeedSequence(block.tolist()).generate_state(count // len(blocks))
    ]


def _nest(space: spaces.Space, element: Any) -> Any:
    """An element of a space as a TensorFlow nest, keys sorted."""
    match space:
        case spaces.Dict():
            return {key: _nest(part, element[key]) for key, part in sorted(space.items())}
        case spaces.Tuple():
            return tuple(_nest(part, x) for part, x in zip(space, element, strict=True))
        case _:
            return element


def _gymnasium_element(space: spaces.Space, action: Any) -> Any:
    """One environment's action, or a batch of actions, as the Python object Gymnasium expects."""
    match space:
        case spaces.Dict():
            return {key: _gymnasium_element(part, action[key]) for key, part in space.items()}
        case spaces.Tuple():
            return tuple(_gymnasium_element(p, x) for p, x in zip(space, action, strict=True))
        case spaces.Discrete() if np.ndim(action) == 0:
            return int(action)
        case _:
            return np.asarray(action, space.dtype)


class EnvironmentFailure(RuntimeError):
    """An environment's own code raised; the message names the environment and the error."""


class EnvironmentLoop:
    """Steps B environments one after the other in this process.

    Leaner than Gymnasium's ``SyncVectorEnv``, which copies observations and merges infos. Can hold
    single environments still.

    Args:
        makers: one function for each environment.

    Attributes:
        seeds_each: whether ``reset`` gives each environment its own seed.
        stacks_frames: whether observations are grey pictures in a stack.
    """

    seeds_each = True
    stacks_frames = False

    def __init__(self, makers: Sequence[Callable[[], gym.Env]]):
        self._envs = [make() for make in makers]
        self.observation_space = self._envs[0].observation_space
        self.action_space = self._envs[0].action_space
        self.failure: EnvironmentFailure | None = None
        self._ended = [False] * len(self._envs)
        self._last: list[Any] = [None] * len(self._envs)
        self._specs = tf.nest.flatten(specification(self.observation_space))
        self._dtypes = [spec.dtype.as_numpy_dtype for spec in self._specs]
        self._nested = isinstance(self.observation_space, spaces.Dict | spaces.Tuple)
        self._action_structure = specification(self.action_space)

    def reset(self, seed: np.ndarray) -> list[np.ndarray]:
        """Resets every environment; ``seed`` as in ``environment_seeds``."""
        i = 0
        try:
            for i, number in enumerate(environment_seeds(seed, len(self._envs))):
                self._start(i, number)
        except Exception as error:
            raise self._failed(i, error) from error
        return self._observations()

    def step(
        self, action: Sequence[np.ndarray], held: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Steps every environment that is not held; ``action`` are leaves of [B, ...]."""
        signals = np.zeros((4, len(self._envs)), np.float32)
        rows = self._rows(action)
        i = 0
        try:
            for i, env in enumerate(self._envs):
                if held is not None and held[i]:
                    continue
                if self._ended[i]:
                    self._start(i)
                    continue
                self._last[i], reward, terminated, truncated, _ = env.step(rows[i])
                signals[:, i] = reward, terminated, truncated, 1.0
                self._ended[i] = terminated or truncated
        except Exception as error:
            raise self._failed(i, error) from error
        return [*self._observations(), signals]

    def render(self) -> Any:
        """Returns an image of the first environment, or None."""
        with contextlib.suppress(NotImplementedError):
            return self._envs[0].render()
        return None

    def close(self) -> None:
        """Closes every environment."""
        for env in self._envs:
            env.close()

    def _start(self, i: int, seed: int | None = None) -> None:
        self._last[i], _ = self._envs[i].reset(seed=seed)
        self._ended[i] = False

    def _rows(self, action: Sequence[np.ndarray]) -> Sequence[Any]:
        if isinstance(self.action_space, spaces.Discrete):
            return action[0].tolist()
        nests = (
            tf.nest.pack_sequence_as(self._action_structure, leaves)
            for leaves in zip(*action, strict=True)
        )
        return [_gymnasium_element(self.action_space, nest) for nest in nests]

    def _observations(self) -> list[np.ndarray]:
        if not self._nested:
            return [np.array(self._last, self._dtypes[0])]
        leaves = [tf.nest.flatten(_nest(self.observation_space, x)) for x in self._last]
        return [
            np.array(x, dtype)
            for x, dtype in zip(zip(*leaves, strict=True), self._dtypes, strict=True)
        ]

    def _failed(self, index: int, error: Exception) -> EnvironmentFailure:
        self.failure = EnvironmentFailure(
            f"environment {index} raised {type(error).__name__}: {error}"
        )
        return self.failure


class LibraryVector:
    """A Gymnasium ``VectorEnv``: a vectorised implementation, or one process for each environment.

    It cannot hold an environment still: a held one keeps stepping, and its rows are masked.

    Args:
        envs: a vector environment with ``NEXT_STEP`` autoreset.

    Attributes:
        seeds_each: whether ``reset`` gives each environment its own seed.

    Raises:
        ConfigurationError: another kind of autoreset.
    """

    def __init__(self, envs: gym.vector.VectorEnv):
        mode = envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode != AutoresetMode.NEXT_STEP:
            raise ConfigurationError(
                f"{envs} resets with {mode}, not NEXT_STEP: bind GymEnvironment.vectorization ="
                " 'loop'."
            )
        self._envs = envs
        # Only Gymnasium's own class is known to take a seed for each environment.
        self.seeds_each = isinstance(envs, gym.vector.AsyncVectorEnv)
        self.observation_space = envs.single_observation_space
        self.action_space = envs.single_action_space
        self.failure: EnvironmentFailure | None = None
        self._ended = np.zeros(envs.num_envs, bool)
        self._any_ended = False
        self._dtypes = [
            spec.dtype.as_numpy_dtype
            for spec in tf.nest.flatten(specification(self.observation_space))
        ]
        self._nested = isinstance(self.observation_space, spaces.Dict | spaces.Tuple)
        self._observed: list[np.ndarray] = []
        self._action_structure = specification(self.action_space)
        self._nested_action = isinstance(self.action_space, spaces.Dict | spaces.Tuple)
        self._action_dtype = self.action_space.dtype

    def reset(self, seed: np.ndarray) -> list[np.ndarray]:
        """Resets every environment; ``seed`` as in ``environment_seeds``."""
        seeds = environment_seeds(seed, self._envs.num_envs)
        seed_or_seeds: Any = seeds if self.seeds_each else seeds[0] & 0x7FFFFFFF
        try:
            observation, _ = self._envs.reset(seed=seed_or_seeds)
        except Exception as error:
            raise self._failed(error) from error
        self._ended[:] = False
        self._any_ended = False
        return self._observations(observation)

    def step(
        self, action: Sequence[np.ndarray], held: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Steps every environment; ``action`` are leaves of [B, ...]."""
        actions: Any
        if self._nested_action:
            nest = tf.nest.pack_sequence_as(self._action_structure, action)
            actions = _gymnasium_element(self.action_space, nest)
        else:
            actions = action[0].astype(self._action_dtype, copy=False)
        try:
            observation, reward, terminated, truncated, _ = self._envs.step(actions)
        except Exception as error:
            raise self._failed(error) from error
        signals = np.ones((4, len(self._ended)), np.float32)
        signals[0], signals[1], signals[2] = reward, terminated, truncated
        if self._any_ended:
            signals[:, self._ended] = 0.0
        if held is not None:
            signals[:, held] = 0.0
        self._ended = terminated | truncated
        self._any_ended = bool(self._ended.any())
        return [*self._observations(observation), signals]

    def _failed(self, error: Exception) -> EnvironmentFailure:
        self.failure = EnvironmentFailure(f"it raised {type(error).__name__}: {error}")
        return self.failure

    @property
    def stacks_frames(self) -> bool:
        """Whether observations are stacked grey frames, [frames, height, width] uint8."""
        space = self.observation_space
        shape = space.shape or ()
        return space.dtype == np.uint8 and len(shape) == 3 and shape[0] < shape[-1]

    def render(self) -> Any:
        """Returns the newest frame that the first environment observes, or None if it has none.

        A vector environment itself draws all its copies, or none.
        """
        return self._observed[0][0, -1] if self.stacks_frames else None

    def close(self) -> None:
        """Closes every environment, even if one of their processes has died."""
        try:
            self._envs.close()
        except (OSError, EOFError):
            self._envs.close(terminate=True)

    def _observations(self, observation: Any) -> list[np.ndarray]:
        leaves = [observation]
        if self._nested:
            leaves = tf.nest.flatten(_nest(self.observation_space, observation))
        # A copy, because some vector environments write the next observation into the same buffer.
        self._observed = [np.array(x, dtype) for x, dtype in zip(leaves, self._dtypes, strict=True)]
        return self._observed
