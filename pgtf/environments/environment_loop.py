"""B Gymnasium environments that are stepped one after the other in this process."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf
from gymnasium import spaces

from pgtf.environments import state
from pgtf.environments.border import Border, EnvironmentFailure
from pgtf.environments.elements import environment_seeds, gymnasium_element
from pgtf.environments.leaf import shown
from pgtf.environments.own_reward import own_reward
from pgtf.errors import ConfigurationError
from pgtf.spaces import specification


class EnvironmentLoop:
    """Steps B environments one after the other in this process.

    Leaner than Gymnasium's ``SyncVectorEnv``, which copies observations and merges infos. Can hold
    single environments still.

    Args:
        makers: one function for each environment.

    Attributes:
        seeds_each: whether ``reset`` gives each environment its own seed.
        stacks_frames: whether observations are grey pictures in a stack.
        scores_apart: whether ``step`` tells the environments' own rewards too.
        ends_apart: whether it tells where episodes are over apart from where returns end.

    Raises:
        ConfigurationError: the environments have different spaces.
    """

    seeds_each = True
    stacks_frames = False
    ends_apart = False

    def __init__(self, makers: Sequence[Callable[[], gym.Env]]):
        self._envs = [make() for make in makers]
        self.observation_space = self._envs[0].observation_space
        self.action_space = self._envs[0].action_space
        _same_spaces(self._envs)
        self.failure: EnvironmentFailure | None = None
        self._at = 0  # The copy that moves.
        self._time = [0] * len(self._envs)  # Steps within each episode.
        self._border = Border(self.observation_space, len(self._envs), self._time.__getitem__)
        self._own_rewards: list[Any] = [own_reward(env) for env in self._envs]
        self.scores_apart = None not in self._own_rewards
        self._ended = [False] * len(self._envs)
        self._last: list[Any] = [None] * len(self._envs)
        self._action_structure = specification(self.action_space)

    def reset(self, seed: np.ndarray) -> list[np.ndarray]:
        """Resets every environment; ``seed`` as in ``environment_seeds``."""
        i = 0
        try:
            for i, number in enumerate(environment_seeds(seed, len(self._envs))):
                self._at = i
                self._start(i, number)
            return self._border.observations(self._last)
        except BaseException as error:
            raise self._failed(i, error) from error

    def step(
        self, action: Sequence[np.ndarray], held: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Steps every environment that is not held; ``action`` are leaves of [B, ...]."""
        rows, count, apart = self._rows(action), len(self._envs), self.scores_apart
        last, ended, time, transition = self._last, self._ended, self._time, self._border.transition
        reward, terminated, truncated = [0.0] * count, [False] * count, [False] * count
        mask, score = [1.0] * count, [0.0] * count
        i = 0
        try:
            for i, env in enumerate(self._envs):
                self._at = i
                if held is not None and held[i]:
                    mask[i] = 0.0
                elif ended[i]:
                    mask[i] = 0.0
                    self._start(i)
                else:
                    time[i] += 1
                    last[i], reward[i], terminated[i], truncated[i] = transition(
                        i, env.step(rows[i])
                    )
                    ended[i] = terminated[i] or truncated[i]
                    if apart:
                        score[i] = self._border.score(i, self._own_rewards[i].taken())
            observations = self._border.observations(last)
        except BaseException as error:
            raise self._failed(i, error) from error
        signals = [reward, terminated, truncated, mask]
        if apart:
            signals.append(score)
        return [*observations, np.array(signals, np.float32)]

    def moving(self) -> list[int]:
        """Returns the copy whose turn it is; see ``Host.moving``."""
        return [self._at]

    def overdue(self, copy: int | None, what: str) -> EnvironmentFailure:
        """Takes note of a copy that does not return; see ``Host.overdue``."""
        assert copy is not None
        self.failure = self._border.failure(copy, what)
        return self.failure

    def render(self) -> Any:
        """Returns an image of the first environment, or None."""
        with contextlib.suppress(NotImplementedError):
            return self._envs[0].render()
        return None

    def snapshot(self) -> Any:
        """Returns the state of every environment; see ``Host.snapshot``."""
        envs = [state.cloned(env) for env in self._envs]
        if None in envs:
            return None
        last = state.encoded(self._last)
        return {"envs": envs, "ended": self._ended[:], "time": self._time[:], "last": last}

    def resume(self, snapshot: Any) -> None:
        """Gives every environment its state; see ``Host.resume``."""
        for env, saved in zip(self._envs, snapshot["envs"], strict=True):
            state.give(env, saved)
        self._ended = list(snapshot["ended"])
        self._time[:] = snapshot["time"]  # The border reads this list.
        self._last = state.decoded(snapshot["last"])

    def close(self) -> None:
        """Closes every environment, and then raises what the last of them raised, if one did."""
        failed: BaseException | None = None
        for env in self._envs:
            try:
                env.close()
            except (Exception, SystemExit) as error:
                failed = error
        if failed is not None:
            raise failed

    def _start(self, i: int, seed: int | None = None) -> None:
        self._time[i] = 0
        self._last[i] = self._border.start(i, self._envs[i].reset(seed=seed))
        self._ended[i] = False
        if self.scores_apart:
            self._own_rewards[i].taken()  # Some wrappers take steps within a reset.

    def _rows(self, action: Sequence[np.ndarray]) -> Sequence[Any]:
        if isinstance(self.action_space, spaces.Discrete):
            return action[0].tolist()
        nests = (
            tf.nest.pack_sequence_as(self._action_structure, leaves)
            for leaves in zip(*action, strict=True)
        )
        return [gymnasium_element(self.action_space, nest) for nest in nests]

    def _failed(self, index: int, error: BaseException) -> EnvironmentFailure:
        self.failure = self._border.raised(index, error)
        return self.failure


def _same_spaces(envs: Sequence[gym.Env]) -> None:
    """Refuses copies that do not fit into one batch."""
    for i, env in enumerate(envs):
        for name in ("observation_space", "action_space"):
            first, own = getattr(envs[0], name), getattr(env, name)
            if own != first:
                raise ConfigurationError(
                    f"The copies of an environment need one {name}: that of environment {i} is"
                    f" {shown(own)}, that of environment 0 {shown(first)}."
                )
