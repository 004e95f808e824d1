"""Parts that XLA cannot compile, as they call Python."""

from typing import Any

import tensorflow as tf

from pgtf.learning.estimators import LambdaReturn
from pgtf.networks.mlp import MLP
from pgtf.trajectory import Trajectory

MESSAGE = "XLA cannot compile PyFunc"


def through_python(x: tf.Tensor) -> tf.Tensor:
    """The same numbers, as constants."""
    return tf.ensure_shape(tf.numpy_function(lambda numbers: numbers, [x], tf.float32), x.shape)


class PythonReturns(LambdaReturn):
    """Returns that call Python."""

    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        target, _ = super().__call__(trajectory, values, discount, log_ratio)
        same = through_python(target)
        return same, same


class PythonMLP(MLP):
    """Features that call Python, with the gradient of those that do not."""

    def features(self, x: Any) -> tf.Tensor:
        features = super().features(x)
        return features + tf.stop_gradient(through_python(features) - features)
