"""The head for an action space when none is bound."""

import functools
from typing import Any

import gin
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


def _register(space: type[gym.Space[Any]], head: type[Head]) -> None:
    # Through gin, so that ``Gaussian.scale`` can be bound without binding ``Policy.head``.
    default_head.register(space, lambda action_space: gin.get_configurable(head)())


_register(gym.spaces.Discrete, Softmax)
_register(gym.spaces.Box, Gaussian)
_register(gym.spaces.MultiBinary, Bernoulli)
_register(gym.spaces.MultiDiscrete, MultiSoftmax)
