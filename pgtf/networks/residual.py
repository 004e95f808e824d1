"""The residual network of IMPALA."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_memory
from pgtf.configuration.ranges import NOT_EMPTY, Count, CountOrZero
from pgtf.networks.pictures import PictureNetwork, Pictures


@gin.register
class ImpalaNetwork(PictureNetwork):
    """The deep network of IMPALA (Espeholt et al. 2018, arXiv:1802.01561, figure 3), without LSTM.

    Each section is a convolution of 3×3, max-pooling of 3×3 with stride 2, and residual blocks
    x + conv(relu(conv(relu(x)))); after the last one a ReLU and a dense layer with ReLU follow.
    Pictures are taken as by ``AtariNetwork``.

    Args:
        filters: of the convolutions of each section.
        blocks: residual blocks in a section.
        units: F, of the dense layer.
    """

    @checked
    def __init__(
        self,
        filters: Annotated[Sequence[Count], NOT_EMPTY] = (16, 32, 32),
        blocks: CountOrZero = 2,
        units: Count = 256,
    ):
        super().__init__()
        self.filters = tuple(filters)
        self.blocks = blocks
        self.units = units

    def build(self, space: gym.Space) -> None:
        """Takes a uint8 Box with three axes; see ``Network.build``."""
        self.space = space
        self.pictures = Pictures(space, "ImpalaNetwork")
        sides, channels = self.pictures.sides, self.pictures.channels
        self.sections = []
        for filters in self.filters:
            size = 4 * 9 * filters * (channels + 2 * self.blocks * filters)
            require_memory(size, f"ImpalaNetwork.filters = {self.filters}")
            first = _convolution(filters, channels)
            blocks = [
                [_convolution(filters, filters) for _ in range(2)] for _ in range(self.blocks)
            ]
            self.sections.append((first, blocks))
            sides, channels = [-(-side // 2) for side in sides], filters
        inputs = math.prod(sides) * channels
        require_memory(4 * inputs * self.units, f"ImpalaNetwork.units = {self.units}")
        self.dense = keras.layers.Dense(self.units, activation="relu")
        self.dense.build((None, inputs))
        self.num_features = self.units

    def features(self, element: Any) -> tf.Tensor:
        """Maps [..., *shape] uint8 to [..., F]."""
        x = self.pictures.scaled(element)
        for first, blocks in self.sections:
            x = tf.nn.max_pool2d(first(x), 3, 2, "SAME")
            for one, two in blocks:
                x += two(tf.nn.relu(one(tf.nn.relu(x))))
        x = tf.reshape(tf.nn.relu(x), [-1, self.dense.kernel.shape[0]])
        return self.pictures.leading(self.dense(x), element)


def _convolution(filters: int, channels: int) -> keras.layers.Conv2D:
    layer = keras.layers.Conv2D(filters, 3, padding="same")
    layer.build((None, None, None, channels))
    return layer
