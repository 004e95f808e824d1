"""Convolutional networks for images."""

import math
from collections.abc import Sequence
from typing import Any

import gin
import gymnasium as gym
import keras
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_memory
from pgtf.configuration.ranges import Count, NonNegative
from pgtf.configuration.unmade import Needs, Unmade
from pgtf.errors import ConfigurationError
from pgtf.networks.network import Network
from pgtf.spaces import largest_byte


@gin.register
class AtariNetwork(Network):
    """Convolutions over stacked frames and a dense layer, all with ReLU.

    As bound here it is the network of A3C (Mnih et al. 2016, supplement, section 8): 16 filters of
    8×8 with stride 4, 32 of 4×4 with stride 2, and 256 units. That of the Nature paper (Mnih et al.
    2015) has ((32, 8, 4), (64, 4, 2), (64, 3, 1)) and 512 units. Policy and critic share it when
    both are bound to one instance, ``@scope/gin.singleton()``.

    Pictures are uint8, [height, width, channels] or [channels, height, width]: the shorter end is
    the channels'. They are scaled to [0, 1] by the upper bound of their space.

    Args:
        convolutions: filters, width of the square kernel and stride of each layer.
        units: F, of the dense layer.
        gain: of the orthogonal initialisation of all layers; √2 suits ReLU.
    """

    @checked
    def __init__(
        self,
        convolutions: Sequence[tuple[Count, Count, Count]] = ((16, 8, 4), (32, 4, 2)),
        units: Count = 256,
        gain: NonNegative = 2.0**0.5,
    ):
        super().__init__()
        self.convolutions = tuple(tuple(layer) for layer in convolutions)
        self.units = units
        self.gain = gain

    @classmethod
    def needs(cls, bound: Unmade) -> Needs:
        """Says that there are convolutions; see ``Unmade.needs``."""
        del bound
        return Needs(convolves=True)

    def build(self, space: gym.Space) -> None:
        """Takes a uint8 Box with three axes; see ``Network.build``."""
        if not (isinstance(space, gym.spaces.Box) and len(space.shape) == 3):
            raise ConfigurationError(
                "AtariNetwork needs images, a uint8 Box with three axes, but its input is"
                f" {space}: bind Policy.network and VCritic.network to @MLP(), or wrap the"
                " environment."
            )
        if space.dtype != np.uint8:
            raise ConfigurationError(
                f"AtariNetwork scales bytes to [0, 1], but its input is {space.dtype}: wrap the"
                " environment so that its images are uint8."
            )
        self.space = space
        self.channels_first = space.shape[0] < space.shape[-1]
        self.largest = largest_byte(space)
        if self.channels_first and np.ndim(self.largest):
            self.largest = np.transpose(self.largest, (1, 2, 0))
        sides = [int(n) for n in np.roll(space.shape, -1 if self.channels_first else 0)]
        channels = sides.pop()
        self.layers = []
        for filters, size, stride in self.convolutions:
            sides = [(length - size) // stride + 1 for length in sides]
            if min(sides) < 1:
                raise ConfigurationError(
                    f"AtariNetwork.convolutions shrink images of {space.shape} to nothing: bind"
                    " smaller kernels or strides."
                )
            require_memory(
                4 * size**2 * channels * filters, f"AtariNetwork.convolutions = {self.convolutions}"
            )
            layer = keras.layers.Conv2D(
                filters,
                size,
                stride,
                activation="relu",
                kernel_initializer=keras.initializers.Orthogonal(self.gain),
            )
            layer.build((None, None, None, channels))
            self.layers.append(layer)
            channels = filters
        inputs = math.prod(sides) * channels
        require_memory(4 * inputs * self.units, f"AtariNetwork.units = {self.units}")
        self.dense = keras.layers.Dense(
            self.units,
            activation="relu",
            kernel_initializer=keras.initializers.Orthogonal(self.gain),
        )
        self.dense.build((None, inputs))
        self.num_features = self.units

    def features(self, element: Any) -> tf.Tensor:
        """Maps [..., *shape] uint8 to [..., F]."""
        element = tf.convert_to_tensor(element)
        leading = element.shape[:-3]
        if not leading.is_fully_defined():
            leading = tf.shape(element)[:-3]
        x = tf.reshape(element, [-1, *(self.space.shape or ())])
        if self.channels_first:
            x = tf.transpose(x, [0, 2, 3, 1])
        x = tf.cast(x, tf.float32) / self.largest
        for layer in self.layers:
            x = layer(x)
        x = self.dense(tf.reshape(x, [-1, self.dense.kernel.shape[0]]))
        return tf.reshape(x, tf.concat([leading, [self.units]], axis=0))
