"""One environment that can misbehave in many ways, at a step that is chosen."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from pgtf.environments.gym import GymEnvironment, Vectorization

PLANE = spaces.Box(-9.0, 9.0, (2,), np.float32)


class Misbehaving(gym.Env[Any, Any]):
    """Episodes of ten steps with reward 1, and one step at which something else is returned.

    Args:
        space: of observations.
        shown: what reset and all good steps return as the observation; zeros if None.
        at: the step of each episode that is not good, or None; 0 is the reset.
        then: what is returned there, in place of the four or five values, by their names; or a
            function that is called there.
        copy: only the copy that was made as the ``copy``-th misbehaves; None for all.
    """

    action_space = spaces.Discrete(2)
    made = 0

    def __init__(
        self,
        space: spaces.Space[Any] = PLANE,
        shown: Any = None,
        at: int | None = 3,
        then: Mapping[str, Any] | Callable[[], Any] | None = None,
        copy: int | None = None,
    ):
        self.observation_space = space
        self._shown = np.zeros(2, np.float32) if shown is None else shown
        self._bad = copy in (None, Misbehaving.made)
        self._at, self._then = at, then or {}
        Misbehaving.made += 1

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time = 0
        row = self._row()
        return row.get("whole", (row["observation"], row["info"]))

    def step(self, action: Any) -> Any:
        self.time += 1
        row = self._row()
        names = ("observation", "reward", "terminated", "truncated", "info")
        return row.get("whole", tuple(row[name] for name in names))

    def _row(self) -> dict[str, Any]:
        good: dict[str, Any] = {
            "observation": self._shown,
            "reward": 1.0,
            "terminated": self.time == 10,
            "truncated": False,
            "info": {},
        }
        if not self._bad or self.time != self._at:
            return good
        if callable(self._then):
            return good | (self._then() or {})
        return good | dict(self._then)


def registered(name: str, entry: Any, **arguments: Any) -> str:
    """Registers an environment under a name of its own; returns its id."""
    id = f"{name}-v0"
    gym.registry.pop(id, None)
    gym.register(id, entry_point=entry, **arguments)
    return id


registered("Misbehaving", Misbehaving)


def misbehaving(
    num_envs: int = 2, vectorization: Vectorization = "loop", **arguments: Any
) -> GymEnvironment:
    """Copies of ``Misbehaving``, of which the second misbehaves unless said otherwise."""
    Misbehaving.made = 0
    kwargs = {"copy": 1} | arguments
    return GymEnvironment("Misbehaving-v0", num_envs, kwargs, vectorization=vectorization)
