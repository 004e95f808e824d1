"""RMSProp of TensorFlow 1 against TensorFlow's own operation."""

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf import parts  # noqa: F401 (registers them with gin)
from pgtf.learning.tf1_rmsprop import TF1RMSprop
from pgtf.trainers.stacked import StackedOptimizer

RATE, RHO, EPSILON = 0.1, 0.9, 1e-2


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_steps_are_those_of_tensorflow_1(momentum: float) -> None:
    optimizer = TF1RMSprop(RATE, rho=RHO, momentum=momentum, epsilon=EPSILON)
    ours = keras.Variable([1.0, -2.0, 3.0])
    optimizer.build([ours])
    theirs, square, moment = (tf.Variable(x) for x in ([1.0, -2.0, 3.0], tf.ones(3), tf.zeros(3)))
    for gradient in np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32):
        optimizer.apply([tf.constant(gradient)], [ours])
        tf.raw_ops.ResourceApplyRMSProp(
            var=theirs.handle,
            ms=square.handle,
            mom=moment.handle,
            lr=RATE,
            rho=RHO,
            momentum=momentum,
            epsilon=EPSILON,
            grad=gradient,
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_each_seed_moves_as_alone() -> None:
    stack = StackedOptimizer(TF1RMSprop(RATE, rho=RHO, epsilon=EPSILON))
    together = keras.Variable([[1.0, -2.0], [3.0, 0.5]])
    stack.build([together])
    gradients = np.random.default_rng(1).normal(size=(4, 2, 2)).astype(np.float32)
    for gradient in gradients:
        stack.apply([tf.constant(gradient)], [together], tf.constant([RATE, 0.3]))
    for seed, rate in enumerate((RATE, 0.3)):
        alone = keras.Variable([[1.0, -2.0], [3.0, 0.5]][seed])
        optimizer = TF1RMSprop(rate, rho=RHO, epsilon=EPSILON)
        optimizer.build([alone])
        for gradient in gradients:
            optimizer.apply([tf.constant(gradient[seed])], [alone])
        np.testing.assert_allclose(together[seed], alone, rtol=1e-5)


def test_it_is_bound_as_any_other_optimizer() -> None:
    gin.clear_config()
    gin.parse_config("TF1RMSprop.learning_rate = 0.5\nTF1RMSprop.rho = 0.7")
    optimizer = gin.get_configurable("TF1RMSprop")()
    assert type(optimizer) is TF1RMSprop
    assert (float(optimizer.learning_rate), optimizer.rho) == (0.5, 0.7)
    gin.clear_config()
