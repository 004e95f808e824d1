"""An environment to which something happens at one step of the whole run."""

import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

SCRIPTED = "ENVIRONMENT = 'tests.faults.scripted:Scripted-v0'"


class Scripted(gym.Env[np.ndarray, int]):
    """Episodes of ``length`` steps, each with reward 1.

    Attributes:
        length: of an episode; None for one without end.
        seconds: that each step takes.
        at: the step at which ``event`` is called, counted over all copies.
        event: may return a reward, raise, or send a signal.
        taken: steps so far.
    """

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space: gym.Space[Any] = gym.spaces.Discrete(2)
    length: int | None = 10
    seconds = 0.0
    at = 0
    event: Callable[[], float] = staticmethod(lambda: 1.0)
    taken = 0

    def reset(
        self, *, seed: int | None = None, options: Any = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        Scripted.taken += 1
        self.time += 1
        time.sleep(self.seconds)
        reward = Scripted.event() if Scripted.taken == Scripted.at else 1.0
        return np.zeros(1, np.float32), reward, self.time == self.length, False, {}


if "Scripted-v0" not in gym.registry:
    gym.register("Scripted-v0", entry_point=f"{__name__}:Scripted")
