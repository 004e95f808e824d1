"""Networks of convolutions, and pictures of a space as batches that these take."""

from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.unmade import Needs, Unmade
from pgtf.errors import ConfigurationError
from pgtf.networks.network import Network
from pgtf.spaces import largest_byte


class PictureNetwork(Network):
    """A network of convolutions."""

    @classmethod
    def needs(cls, bound: Unmade) -> Needs:
        """Says that there are convolutions; see ``Unmade.needs``."""
        del bound
        return Needs(convolves=True)


class Pictures:
    """The uint8 pictures of one space, [height, width, channels] or [channels, height, width].

    The shorter end is the channels'.

    Args:
        space: theirs.
        owner: the name of the network that takes them, for messages.

    Attributes:
        sides: height and width.
        channels: how many.

    Raises:
        ConfigurationError: the space is none of such pictures.
    """

    def __init__(self, space: gym.Space, owner: str):
        if not (isinstance(space, gym.spaces.Box) and len(space.shape) == 3):
            raise ConfigurationError(
                f"{owner} needs images, a uint8 Box with three axes, but its input is {space}: bind"
                " Policy.network and VCritic.network to @MLP(), or wrap the environment."
            )
        if space.dtype != np.uint8:
            raise ConfigurationError(
                f"{owner} scales bytes to [0, 1], but its input is {space.dtype}: wrap the"
                " environment so that its images are uint8."
            )
        self._shape = space.shape
        self._channels_first = space.shape[0] < space.shape[-1]
        self._largest = largest_byte(space)
        if self._channels_first and np.ndim(self._largest):
            self._largest = np.transpose(self._largest, (1, 2, 0))
        *self.sides, self.channels = np.roll(space.shape, -self._channels_first).tolist()

    def scaled(self, element: Any) -> tf.Tensor:
        """Maps [..., *shape] uint8 to [N, height, width, channels] float32 in [0, 1]."""
        x = tf.reshape(element, [-1, *self._shape])
        if self._channels_first:
            x = tf.transpose(x, [0, 2, 3, 1])
        return tf.cast(x, tf.float32) / self._largest

    def leading(self, features: tf.Tensor, element: Any) -> tf.Tensor:
        """Gives features [N, F] the leading axes of the element they come from, [..., F]."""
        shape = tf.convert_to_tensor(element).shape[:-3]
        if not shape.is_fully_defined():
            shape = tf.shape(element)[:-3]
        return tf.reshape(features, tf.concat([shape, [features.shape[-1]]], axis=0))
