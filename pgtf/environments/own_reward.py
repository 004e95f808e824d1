"""The reward of an environment itself, beneath whatever wrappers make of it."""

from typing import Any

import gymnasium as gym


class OwnReward(gym.Wrapper):
    """Adds up the rewards of the environment's own steps, for wrappers that take several a step.

    Goes round an environment before the wrappers that are bound.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self._sum: Any = 0.0

    def step(self, action: Any) -> Any:
        """Steps the environment, and returns what it returned."""
        result = self.env.step(action)
        if isinstance(result, tuple) and len(result) == 5:
            try:
                self._sum = self._sum + result[1]
            except TypeError:  # No number: the border says so.
                self._sum = result[1]
        return result

    def taken(self) -> Any:
        """Returns the sum since it was last taken."""
        total, self._sum = self._sum, 0.0
        return total


def own_reward(env: Any) -> OwnReward | None:
    """Returns the ``OwnReward`` within the wrappers of an environment, if there is one."""
    while env is not None and not isinstance(env, OwnReward):
        env = getattr(env, "env", None)
    return env
