"""Actions in [-1, 1] for every bounded Box."""

from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError


@gin.register
class RescaledAction(Adapter):
    """Maps actions from [-1, 1] to the bounds of the inner environment's, linearly.

    So that one initial scale of the policy suits every task. Actions beyond [-1, 1] are clipped.

    Args:
        environment: whose actions are a Box with bounds.
    """

    @checked
    def __init__(self, environment: Environment | None = None):
        super().__init__(environment)
        space = self.environment.action_space
        if not (isinstance(space, gym.spaces.Box) and space.is_bounded("both")):
            raise ConfigurationError(
                "RescaledAction needs actions that are a Box with bounds on both sides, and the"
                f" inner environment's are {space}: bind the environment without it."
            )
        low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        self._centre, self._half = (high + low) / 2, (high - low) / 2
        self.action_space = gym.spaces.Box(-1.0, 1.0, space.shape, np.float32)

    def translate(self, action: Any) -> tf.Tensor:
        """Returns the actions within the bounds, [B, *shape]."""
        return self._centre + self._half * tf.clip_by_value(action, -1.0, 1.0)
