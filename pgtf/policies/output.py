"""A head's last layer: one linear map with outputs in the shape of the actions."""

import keras
import tensorflow as tf


class Output(keras.layers.Dense):
    """A float32 linear layer from features [..., F] to outputs [..., *event_shape].

    Starts orthogonal with a small gain and zero bias, so that the first policy is nearly the same
    in every state (Andrychowicz et al. 2021, "What Matters in On-Policy Reinforcement Learning?",
    section 3.2). It computes in float32 whatever the network's precision: log-probs need it.

    Args:
        event_shape: the shape of one output; () makes a scalar.
        gain: factor of the orthogonal initialisation.
        name: of the layer, which its weights carry too.
    """

    def __init__(self, event_shape: tuple[int, ...], gain: float, name: str) -> None:
        size = 1
        for length in event_shape:
            size *= length
        super().__init__(
            size,
            kernel_initializer=keras.initializers.Orthogonal(gain),
            dtype="float32",
            name=name,
        )
        self.event_shape = tuple(int(length) for length in event_shape)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the outputs, [..., *event_shape]."""
        outputs = super().call(features)
        if len(self.event_shape) == 1:
            return outputs
        if not self.event_shape:
            return tf.squeeze(outputs, -1)
        leading = outputs.shape[:-1]
        if not leading.is_fully_defined():
            leading = tf.shape(outputs)[:-1]
        return tf.reshape(outputs, tf.concat([leading, self.event_shape], 0))
