"""Dense layers over any input."""

import itertools
from collections.abc import Sequence
from typing import Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf import spaces
from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_memory
from pgtf.configuration.ranges import Count, NonNegative
from pgtf.errors import ConfigurationError
from pgtf.networks.network import Network
from pgtf.networks.normalization import RunningNormalization


@gin.register
class MLP(Network):
    """Dense layers over the flattened, one-hot encoded input.

    Args:
        hidden: units of each layer; with () the features are the input itself.
        activation: Keras activation of each layer.
        gain: gain of the orthogonal initialisation (Saxe et al. 2014); √2 is usual.
        normalization: standardises the input, or None.
    """

    @checked
    def __init__(
        self,
        hidden: Sequence[Count] = (64, 64),
        activation: str = "tanh",
        gain: NonNegative = 2.0**0.5,
        normalization: RunningNormalization | None = None,
    ):
        super().__init__()
        try:
            self.activation = keras.activations.get(activation)
        except ValueError:
            raise ConfigurationError(
                f"MLP.activation must be the name of a Keras activation, not {activation!r}."
            ) from None
        self.hidden = tuple(hidden)
        self.gain = gain
        self.normalization = normalization

    def build(self, space: gym.Space) -> None:
        """Takes any supported space; see ``Network.build``."""
        self.space = space
        self.num_features = spaces.num_features(space)
        if self.normalization is not None and not self.normalization.built:
            self.normalization.build(self.num_features)
        widths = [self.num_features, *self.hidden]
        weights = sum((rows + 1) * columns for rows, columns in itertools.pairwise(widths))
        require_memory(4 * weights, f"MLP.hidden = {self.hidden}")
        self.dense = []
        for units in self.hidden:
            layer = keras.layers.Dense(
                units, self.activation, kernel_initializer=keras.initializers.Orthogonal(self.gain)
            )
            layer.build((None, self.num_features))
            self.dense.append(layer)
            self.num_features = units

    def features(self, element: Any) -> tf.Tensor:
        """Maps a nest of [..., *shape] to [..., F]."""
        x = spaces.features(self.space, element)
        if self.normalization is not None:
            x = self.normalization(x)
        for layer in self.dense:
            x = layer(x)
        return x

    def adapt(self, element: Any, mask: tf.Tensor) -> None:
        """Moves the running statistics of the input."""
        if self.normalization is not None:
            self.normalization.adapt(spaces.features(self.space, element), mask)
