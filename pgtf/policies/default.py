"""The head for an action space when none is bound."""

import functools
from typing import Any

import gymnasium as gym

from pgtf.errors import ConfigurationError
from pgtf.policies.bernoulli import Bernoulli
from pgtf.policies.gaussian import Gaussian
from pgtf.policies.head import Head
from pgtf.policies.multi_softmax import MultiSoftmax
from pgtf.policies.softmax import Softmax


@functools.singledispatch
def default_head(action_space: gym.Space[Any]) -> Head:
    """Returns a new, unbuilt head that fits the action space.

    Tuple and Dict are registered beside ``Joint``, which needs this function for their parts.

    Raises:
        ConfigurationError: pgtf has no head for this kind of space.
    """
    raise ConfigurationError(
        f"pgtf has no policy head for the action space {type(action_space).__name__}: wrap the "
        "environment so that its actions are Discrete, Box, MultiBinary, MultiDiscrete, or a Tuple "
        "or Dict of these."
    )


default_head.register(gym.spaces.Discrete, lambda action_space: Softmax())
default_head.register(gym.spaces.Box, lambda action_space: Gaussian())
default_head.register(gym.spaces.MultiBinary, lambda action_space: Bernoulli())
default_head.register(gym.spaces.MultiDiscrete, lambda action_space: MultiSoftmax())
