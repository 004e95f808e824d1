"""Convolutional networks for images."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_memory
from pgtf.configuration.ranges import Count, NonNegative
from pgtf.errors import ConfigurationError
from pgtf.networks.pictures import PictureNetwork, Pictures

# Filters, width of the kernel and stride of each convolution; units of the dense layer.
_SIZES: dict[str, tuple[tuple[tuple[int, int, int], ...], int]] = {
    "a3c": (((16, 8, 4), (32, 4, 2)), 256),
    "nature": (((32, 8, 4), (64, 4, 2), (64, 3, 1)), 512),
}


@gin.register
class AtariNetwork(PictureNetwork):
    """Convolutions over stacked frames and a dense layer, all with ReLU.

    Policy and critic share it when both are bound to one instance, ``@scope/gin.singleton()``.

    Pictures are uint8, [height, width, channels] or [channels, height, width]: the shorter end is
    the channels'. They are scaled to [0, 1] by the upper bound of their space.

    Args:
        convolutions: filters, width of the square kernel and stride of each layer, in place of
            those of ``size``.
        units: F, of the dense layer, in place of those of ``size``.
        gain: of the orthogonal initialisation of all layers; √2 suits ReLU.
        size: 'a3c' for 16 filters of 8×8 with stride 4, 32 of 4×4 with stride 2, and 256 units
            (Mnih et al. 2016, supplement, section 8), or 'nature' for 32 of 8×8 with stride 4, 64
            of 4×4 with stride 2, 64 of 3×3, and 512 units (Mnih et al. 2015).
    """

    @checked
    def __init__(
        self,
        convolutions: Sequence[tuple[Count, Count, Count]] | None = None,
        units: Count | None = None,
        gain: NonNegative = 2.0**0.5,
        size: Literal["a3c", "nature"] = "a3c",
    ):
        super().__init__()
        known, known_units = _SIZES[size]
        layers = known if convolutions is None else convolutions
        self.convolutions = tuple(tuple(layer) for layer in layers)
        self.units = known_units if units is None else units
        self.gain = gain

    def build(self, space: gym.Space) -> None:
        """Takes a uint8 Box with three axes; see ``Network.build``."""
        self.space = space
        self.pictures = Pictures(space, "AtariNetwork")
        sides, channels = self.pictures.sides, self.pictures.channels
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
        x = self.pictures.scaled(element)
        for layer in self.layers:
            x = layer(x)
        x = self.dense(tf.reshape(x, [-1, self.dense.kernel.shape[0]]))
        return self.pictures.leading(x, element)
