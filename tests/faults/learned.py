"""An environment that is a Keras model: its steps call ``predict``."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces


class Learned(gym.Env[Any, Any]):
    """Episodes of two steps through a network of its own."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self) -> None:
        import keras

        self.model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "tanh")])

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.time, self.state = 0, np.zeros((1, 2), np.float32)
        return self.state[0], {}

    def step(self, action: Any) -> Any:
        self.time += 1
        self.state = self.model.predict(self.state + action, verbose=0)
        return self.state[0], 1.0, self.time == 2, False, {}


gym.register("Learned-v0", entry_point=Learned)  # type: ignore[arg-type]
