"""Keras models of the user's own as networks."""

import math
import weakref
from typing import Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf
from gymnasium import spaces

from pgtf.configuration.checked import checked
from pgtf.errors import ConfigurationError
from pgtf.networks.network import Network
from pgtf.spaces import features as encoded
from pgtf.spaces import specification


@gin.register
class KerasNetwork(Network):
    """A Keras model, or layer, that maps a batch [N, *shape] to features [N, F].

    Further leading axes are flattened for it, as are further axes of what it returns. The model is
    called as for inference: dropout does nothing and batch normalisation keeps its statistics.

    A Box reaches the model as float32 in its own shape, a Discrete or MultiDiscrete element
    one-hot encoded, and a Dict or Tuple as a dict or tuple of these.

    A model has its initial weights before the run's seed is set: make it in a function that gin
    calls (``Policy.network = @make_model()``) or after ``keras.utils.set_random_seed``. A model
    that has been trained goes on from the weights it has.

    Args:
        model: a functional or sequential model, a subclass of ``keras.Model``, or one layer.
    """

    @checked
    def __init__(self, model: keras.Model):
        super().__init__()
        self.model = model

    def build(self, space: gym.Space[Any]) -> None:
        """Builds the model, if it is not yet, and finds out F.

        Raises:
            ConfigurationError: the model does not take such inputs.
        """
        self.space = space
        self._rank = tf.nest.map_structure(lambda spec: len(spec.shape), specification(space))
        example = tf.nest.map_structure(
            lambda spec: tf.zeros((1, *spec.shape), spec.dtype), specification(space)
        )
        try:
            output = self.model(_inputs(space, example))
        except (ValueError, TypeError, tf.errors.OpError) as error:
            reason = str(error).strip().split("\n")[0].rstrip(".")
            raise ConfigurationError(
                f"The Keras model {self.model.name!r} cannot take inputs of {space}: {reason}."
            ) from error
        if not tf.is_tensor(output) or output.shape[:1] != (1,):
            raise ConfigurationError(
                f"The Keras model {self.model.name!r} must map a batch [N, …] to one tensor"
                f" [N, F], not to {getattr(output, 'shape', type(output).__name__)}."
            )
        self.num_features = math.prod(output.shape[1:])

    def features(self, element: Any) -> tf.Tensor:
        """Maps a nest of [..., *shape] to [..., F]."""
        element = tf.nest.map_structure(tf.convert_to_tensor, element)
        ranks = tf.nest.flatten(self._rank)
        first = tf.nest.flatten(element)[0]
        leading = tf.shape(first)[: len(first.shape) - ranks[0]]
        static = first.shape[: len(first.shape) - ranks[0]]
        flat = [
            tf.reshape(x, tf.concat([[-1], tf.shape(x)[len(x.shape) - rank :]], 0))
            for x, rank in zip(tf.nest.flatten(element), ranks, strict=True)
        ]
        output = self.model(_inputs(self.space, tf.nest.pack_sequence_as(element, flat)))
        output = tf.reshape(
            tf.cast(output, tf.float32), tf.concat([leading, [self.num_features]], 0)
        )
        return tf.ensure_shape(output, [*static, self.num_features])


# By the model's id, which stays taken for as long as the network that holds the model lives.
_NETWORKS: weakref.WeakValueDictionary[int, KerasNetwork] = weakref.WeakValueDictionary()


def as_network(network: Network | keras.Layer) -> Network:
    """Returns a network, or a Keras model as one; parts given one model share one network.

    Raises:
        ConfigurationError: it is neither.
    """
    if isinstance(network, Network):
        return network
    if not isinstance(network, keras.Layer):
        raise ConfigurationError(
            f"A network must be a pgtf.Network or a Keras model, not {network!r}."
        )
    adapter = _NETWORKS.get(id(network))
    if adapter is None:
        adapter = _NETWORKS[id(network)] = KerasNetwork(network)
    return adapter


def _inputs(space: gym.Space[Any], element: Any) -> Any:
    """Elements [N, *shape] as a model takes them."""
    match space:
        case spaces.Dict():
            return {key: _inputs(part, element[key]) for key, part in space.items()}
        case spaces.Tuple():
            return tuple(_inputs(part, x) for part, x in zip(space, element, strict=True))
        case spaces.Box() | spaces.MultiBinary():
            return tf.cast(element, tf.float32)
        case _:
            return encoded(space, element)
