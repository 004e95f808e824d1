"""Gymnasium environments that are stepped each in a process of its own."""

import contextlib
import functools
import gc
import multiprocessing.connection
import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.environments import state
from pgtf.environments.border import Border, EnvironmentFailure, tell_unclosed
from pgtf.environments.own_reward import own_reward
from pgtf.environments.vector import LibraryVector

_FAILURE, _SCORE = "pgtf_failure", "pgtf_score"  # Keys of an info.
_PATIENCE = 1.0  # Seconds to wait for a process that has to end, or whose pipe is closed.


class Processes(LibraryVector):
    """Steps each of B environments in a process of its own, and all at the same time.

    Args:
        makers: one function for each environment.
        watched: whether ``moving`` has to tell the processes apart, which takes a little longer.
    """

    seeds_each = True

    def __init__(self, makers: Sequence[Callable[[], gym.Env]], watched: bool = False):
        guarded = [
            functools.partial(_Guarded, make, i, os.getpid()) for i, make in enumerate(makers)
        ]
        kind = _Watched if watched else gym.vector.AsyncVectorEnv
        self._processes = kind(guarded)
        super().__init__(self._processes)
        self.scores_apart = all(self._processes.get_attr("scores_apart"))

    def moving(self) -> list[int]:
        """Returns those whose process has not answered; see ``Host.moving``."""
        return list(getattr(self._processes, "waiting", ()))

    def _unpacked(self, infos: dict[str, Any]) -> Any:
        if _FAILURE in infos:
            raise EnvironmentFailure(next(x for x in infos[_FAILURE] if x))
        return infos.get(_SCORE, np.zeros(self.num_envs)) if self.scores_apart else None

    def _failed(self, error: BaseException) -> EnvironmentFailure:
        dead = self._dead() if isinstance(error, OSError | EOFError) else None
        if dead is None:
            return super()._failed(error)
        i, code = dead
        end = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        step = self._time(i)
        when = f"at step {step} of its episode" if step else "while it was resetting"
        self.failure = EnvironmentFailure(f"the process of environment {i} {end} {when}")
        return self.failure

    def _dead(self) -> tuple[int, int] | None:
        """The number and the exit code of a process that has ended."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for i, process in enumerate(self._processes.processes):
                if process.exitcode is not None:
                    return i, process.exitcode
            time.sleep(0.01)
        return None

    def _saved(self) -> Any:
        envs = list(self._processes.call("saved"))
        return None if None in envs else envs

    def _restore(self, saved: Any, ended: Sequence[bool]) -> None:
        if not all(self._processes.call("restore", saved, ended)):
            raise state.Unsaved("an environment does not take its state")

    def close(self) -> None:
        """Ends every process; where one has failed, without asking them."""
        if self.failure is None:
            with contextlib.suppress(OSError, EOFError):
                self._processes.close()
                return
        for process in self._processes.processes:
            process.terminate()
        for process in self._processes.processes:
            process.join(_PATIENCE)
            process.kill()  # What draws by SDL catches SIGTERM, and so do copies of it.
            process.join()
        for pipe in self._processes.parent_pipes:
            pipe.close()
        self._processes.closed = True


class _Watched(gym.vector.AsyncVectorEnv):
    """Knows which processes have not answered yet.

    Attributes:
        waiting: their numbers.
    """

    waiting: tuple[int, ...] = ()

    def reset_wait(self, timeout: float | None = None) -> Any:
        """Waits for all answers to a reset."""
        self._await()
        return super().reset_wait(timeout)

    def step_wait(self, timeout: float | None = None) -> Any:
        """Waits for all answers to a step."""
        self._await()
        return super().step_wait(timeout)

    def _await(self) -> None:
        pipes: dict[Any, int] = {pipe: i for i, pipe in enumerate(self.parent_pipes)}
        while pipes:
            self.waiting = tuple(pipes.values())
            for pipe in multiprocessing.connection.wait(list(pipes)):
                del pipes[pipe]
        self.waiting = ()


class _Guarded(gym.Wrapper):
    """Checks in the environment's own process what it returns, and sends failures as infos.

    Gymnasium would cast observations into shared memory unseen, and loses which copy raised, and
    where.
    """

    def __init__(self, make: Callable[[], gym.Env], index: int, parent: int):
        if os.getpid() != parent:
            # Garbage of the parent's is not the copy's to collect: what belongs to TensorFlow would
            # wait for threads that the copy does not have.
            gc.freeze()
            # Processes start as copies: their global random numbers would all be the same.
            np.random.seed([np.random.randint(2**31), index])
            random.seed(f"{random.random()} {index}")
            # The copy has no threads of TensorFlow's pool, which functions would wait for.
            tf.config.run_functions_eagerly(True)
            tf.data.experimental.enable_debug_mode()
        super().__init__(make())
        self._time = 0
        self._ended = False  # Before a resume, without a reset since.
        self._border = Border(self.env.observation_space, 1, lambda i: self._time, index)
        self._own_reward = own_reward(self.env)
        self.scores_apart = self._own_reward is not None

    def saved(self) -> Any:
        """Returns the state of the environment; see ``state.cloned``."""
        return state.cloned(self.env)

    def restore(self, saved: Sequence[Any], ended: Sequence[bool]) -> bool:
        """Gives the environment its state out of those of all; returns whether it takes it."""
        index = self._border.first
        # Gymnasium, which counts the ends in this process, has not seen that one.
        self._ended = ended[index]
        try:
            state.give(self.env, saved[index])
        except state.Unsaved:
            return False
        return True

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Resets the environment; a failure is in the info."""
        self._time = 0
        self._ended = False
        try:
            observation = self._border.start(0, self.env.reset(seed=seed))
            self._border.observations([observation])
            if self._own_reward is not None:
                self._own_reward.taken()  # Some wrappers take steps within a reset.
        except BaseException as error:
            return self.observation_space.sample(), self._told(error)
        return observation, {}

    def step(self, action: Any) -> Any:
        """Steps the environment; a failure is in the info."""
        if self._ended:
            observation, info = self.reset()
            return observation, 0.0, False, False, info
        border = self._border
        self._time += 1
        try:
            observation, reward, terminated, truncated = border.transition(0, self.env.step(action))
            border.observations([observation])
            info = {}
            if self._own_reward is not None:
                info[_SCORE] = border.score(0, self._own_reward.taken())
        except BaseException as error:
            return self.observation_space.sample(), 0.0, False, False, self._told(error)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Closes the environment; what that raises is told."""
        try:
            self.env.close()
        except (Exception, SystemExit) as error:
            tell_unclosed(f"environment {self._border.first}", error)

    def _told(self, error: BaseException) -> dict[str, str]:
        return {_FAILURE: str(self._border.raised(0, error))}
