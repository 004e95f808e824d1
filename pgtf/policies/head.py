"""The contract of a policy head: features in, a distribution over actions out."""

import functools
import textwrap
from typing import Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf.errors import ConfigurationError


class Head(keras.Layer):
    """Maps a network's features to a distribution over one action space.

    A head that is the default for a kind of space names it beside its bases:
    ``class Softmax(Head, serves=gym.spaces.Discrete)``.

    Attributes:
        has_score: whether ``log_prob`` can be differentiated, so that a score-function loss works.
        enumerates: whether ``log_probabilities`` lists the probability of every action.
        has_scale: whether ``scaled`` can widen and narrow the distribution.
        remembers: whether ``sample`` goes by what it drew before, within an episode.
    """

    has_score: bool = True
    enumerates: bool = False
    has_scale: bool = False
    remembers: bool = False

    def __init_subclass__(cls, serves: type[gym.Space[Any]] | None = None, **kwargs: Any) -> None:
        """Registers the class as the default head of the spaces it ``serves``."""
        super().__init_subclass__(**kwargs)
        if serves is not None:
            # Through gin, so that ``Gaussian.scale`` can be bound without binding ``Policy.head``.
            default_head.register(serves, lambda action_space: gin.get_configurable(cls)())

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the layers.

        Args:
            num_features: F, the size of the network's last axis.
            action_space: the space of one environment's actions.

        Raises:
            ConfigurationError: the head does not fit the action space.
        """
        raise NotImplementedError

    def distribution(self, features: tf.Tensor) -> Any:
        """Returns the action distribution.

        Args:
            features: [..., F].

        Returns:
            A tfp distribution (or an object with its ``sample``, ``log_prob``, ``entropy`` and
            ``mode``) whose batch shape is the leading shape of ``features``.
        """
        raise NotImplementedError

    def initial_memory(self, num_envs: int) -> Any:
        """Returns what ``sample`` remembers at the start of B episodes.

        Returns:
            A nest of [B, ...], the same in every row; () for a head without memory.
        """
        del num_envs
        return ()

    def sample(self, distribution: Any, memory: Any, seed: tf.Tensor) -> tuple[Any, Any]:
        """Samples an action of each of B environments.

        Args:
            distribution: of batch shape [B], what ``distribution`` returned, or one made of it by
                an exploration.
            memory: from the step before.
            seed: int32 [2].

        Returns:
            The action, a nest of [B, ...], and the memory for the next step.
        """
        return distribution.sample(seed=seed), memory

    def log_probabilities(self, distribution: Any) -> tf.Tensor:
        """Returns log π(b | s) of every action b of a Discrete space, [..., n].

        Args:
            distribution: what ``distribution`` returned, or one made of it by an exploration.
        """
        raise NotImplementedError

    def scaled(self, distribution: Any, factor: tf.Tensor) -> Any:
        """Returns the same kind of distribution with its scale times a factor, a scalar."""
        raise NotImplementedError

    def refusal(self, needs: str, action_space: gym.Space[Any]) -> ConfigurationError:
        """Returns the error that says this head does not fit the action space.

        Args:
            needs: the head's requirement, as in "a Discrete action space".
            action_space: the environment's.
        """
        message = (
            f"{type(self).__name__} needs {needs}, but this environment's is "
            f"{textwrap.shorten(repr(action_space), 120)}"
        )
        try:
            fitting = type(default_head(action_space)).__name__
        except ConfigurationError as error:
            return ConfigurationError(f"{message}; {error}")
        return ConfigurationError(
            f"{message}: bind Policy.head=@{fitting}(), or leave Policy.head unbound."
        )


@functools.singledispatch
def default_head(action_space: gym.Space[Any]) -> Head:
    """Returns a new, unbuilt head that fits the action space.

    Raises:
        ConfigurationError: pgtf has no head for this kind of space.
    """
    raise ConfigurationError(
        f"pgtf has no policy head for the action space {type(action_space).__name__}: wrap the "
        "environment so that its actions are Discrete, Box, MultiBinary, MultiDiscrete, or a Tuple "
        "or Dict of these."
    )
