"""Environments that step many copies at once: a vectorised implementation of the task."""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from pgtf.environments import state
from pgtf.environments.border import Border, EnvironmentFailure
from pgtf.environments.elements import environment_seeds, flat_element, gymnasium_element
from pgtf.errors import ConfigurationError
from pgtf.spaces import specification


class LibraryVector:
    """A Gymnasium ``VectorEnv``, such as a vectorised implementation of a task.

    It cannot hold an environment still: a held one keeps stepping, and its rows are masked.

    Args:
        envs: a vector environment with ``NEXT_STEP`` autoreset.

    Attributes:
        seeds_each: whether ``reset`` gives each environment its own seed.
        scores_apart: whether ``step`` tells the environments' own rewards too.
        ends_apart: whether it tells where episodes are over apart from where returns end.

    Raises:
        ConfigurationError: another kind of autoreset.
    """

    seeds_each = False
    scores_apart = False
    ends_apart = False

    def __init__(self, envs: gym.vector.VectorEnv):
        mode = envs.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode != AutoresetMode.NEXT_STEP:
            raise ConfigurationError(
                f"{envs} resets with {mode}, not NEXT_STEP: bind GymEnvironment.vectorization ="
                " 'loop'."
            )
        self._envs = envs
        self.num_envs = envs.num_envs
        self.observation_space = envs.single_observation_space
        self.action_space = envs.single_action_space
        self.failure: EnvironmentFailure | None = None
        self._border = Border(self.observation_space, envs.num_envs, self._time)
        self._row = 0
        self._began = np.zeros(envs.num_envs, int)  # The rows of the last resets.
        self._ended = np.zeros(envs.num_envs, bool)
        self._any_ended = False
        self._nested = isinstance(self.observation_space, spaces.Dict | spaces.Tuple)
        self._observed: list[np.ndarray] = []
        self._action_structure = specification(self.action_space)
        self._nested_action = isinstance(self.action_space, spaces.Dict | spaces.Tuple)
        self._action_dtype = self.action_space.dtype

    def reset(self, seed: np.ndarray) -> list[np.ndarray]:
        """Resets every environment; ``seed`` as in ``environment_seeds``."""
        seeds = environment_seeds(seed, self.num_envs)
        seed_or_seeds = self._seeds(seeds)
        self._began[:] = self._row
        self._ended[:] = False
        self._any_ended = False
        try:
            observation, infos = self._envs.reset(seed=seed_or_seeds)
            self._unpacked(infos)
            return self._observations(observation)
        except BaseException as error:
            raise self._failed(error) from error

    def step(
        self, action: Sequence[np.ndarray], held: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Steps every environment; ``action`` are leaves of [B, ...]."""
        self._row += 1
        if self._any_ended:
            self._began[self._ended] = self._row
        try:
            result = self._envs.step(self._actions(action))
            observation, reward, terminated, truncated, infos = result
            score = self._unpacked(infos)
            signals = self._border.transitions(reward, terminated, truncated)
            if score is not None:
                signals = np.concatenate([signals, [score]], dtype=np.float32)
            observations = self._observations(observation)
        except BaseException as error:
            raise self._failed(error) from error
        if self._any_ended:
            signals[:, self._ended] = 0.0
        self._ended = np.logical_or(terminated, truncated)
        self._any_ended = bool(np.count_nonzero(self._ended))
        if held is not None:
            signals[:, held] = 0.0
        return [*observations, signals]

    def _time(self, i: int) -> int:
        return self._row - int(self._began[i])

    def _seeds(self, seeds: list[int]) -> Any:
        """What ``reset`` of the vector environment is given, of a 32-bit seed for each copy."""
        return seeds if self.seeds_each else seeds[0] & 0x7FFFFFFF

    def _unpacked(self, infos: dict[str, Any]) -> Any:
        """The scores [B] that the infos of a step hold, if they do."""
        del infos
        return None

    def _actions(self, action: Sequence[np.ndarray]) -> Any:
        if not self._nested_action:
            return action[0].astype(self._action_dtype, copy=False)
        nest = tf.nest.pack_sequence_as(self._action_structure, action)
        return gymnasium_element(self.action_space, nest)

    def _failed(self, error: BaseException) -> EnvironmentFailure:
        self.failure = self._border.raised(None, error)
        return self.failure

    @property
    def stacks_frames(self) -> bool:
        """Whether observations are stacked grey frames, [frames, height, width] uint8."""
        space = self.observation_space
        shape = space.shape or ()
        return space.dtype == np.uint8 and len(shape) == 3 and shape[0] < shape[-1]

    def moving(self) -> Iterable[int | None]:
        """Returns None, as the copies move together; see ``Host.moving``."""
        return [None]

    def overdue(self, copy: int | None, what: str) -> EnvironmentFailure:
        """Takes note of a copy that does not return; see ``Host.overdue``."""
        if copy is None:
            self.failure = EnvironmentFailure(f"it {what}")
        else:
            self.failure = self._border.failure(copy, what)
        return self.failure

    def render(self) -> Any:
        """Returns the newest frame that the first environment observes, or None if it has none.

        A vector environment itself draws all its copies, or none.
        """
        return self._observed[0][0, -1] if self.stacks_frames else None

    def snapshot(self) -> Any:
        """Returns the state of all environments together; see ``Host.snapshot``."""
        envs = self._saved()
        time = [self._time(i) for i in range(self.num_envs)]
        return None if envs is None else {"envs": envs, "ended": self._ended.tolist(), "time": time}

    def resume(self, snapshot: Any) -> None:
        """Gives the environments their state; see ``Host.resume``."""
        self._restore(snapshot["envs"], snapshot["ended"])
        self._ended = np.array(snapshot["ended"], bool)
        self._any_ended = bool(self._ended.any())
        self._began = self._row - np.array(snapshot["time"], int)

    def _saved(self) -> Any:
        return state.cloned(self._envs)

    def _restore(self, saved: Any, ended: Sequence[bool]) -> None:
        del ended  # Part of the state of the environments.
        state.give(self._envs, saved)

    def close(self) -> None:
        """Closes every environment."""
        self._envs.close()

    def _observations(self, observation: Any) -> list[np.ndarray]:
        # Copies, because some vector environments write the next one into the same buffer.
        leaves = (
            flat_element(self.observation_space, observation) if self._nested else [observation]
        )
        self._observed = self._border.columns(leaves)
        return self._observed
