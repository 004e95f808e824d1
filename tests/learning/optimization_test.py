"""Optimizations: what one update is made of."""

import keras
import numpy as np
import tensorflow as tf

from pgtf.learning.baselines import StateValue
from pgtf.learning.optimization import OneUpdate
from tests.trajectories import SEED, random_trajectory, table_v, tables

PREFERENCES = np.array([[0.5, -1.0], [0.0, 2.0], [1.0, 1.0]])


def test_one_update_is_one_step_along_the_clipped_gradient() -> None:
    """θ ← θ - η g min(1, c / |g|), with the gradient taken by a tape of its own."""
    rate, bound = 0.1, 0.05
    learner = tables(
        PREFERENCES,
        critic=table_v(),
        baseline=StateValue(),
        optimizer=keras.optimizers.SGD(rate),
        max_gradient_norm=bound,
    )
    whole, variables = random_trajectory(0, 8, 3), learner.trainable_variables
    before = [variable.numpy() for variable in variables]
    with tf.GradientTape() as tape:
        loss = learner.objective.whole_loss(whole, SEED)
    gradients = [g.numpy() for g in tape.gradient(loss.value, [v.value for v in variables])]
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    assert norm > bound

    scalars, targets = OneUpdate().run(learner, whole, SEED)

    for start, gradient, now in zip(before, gradients, variables, strict=True):
        np.testing.assert_allclose(now.numpy(), start - rate * gradient * bound / norm, rtol=1e-5)
    assert learner.updates == 1
    np.testing.assert_allclose(scalars["gradient_norm"], norm, rtol=1e-5)
    for name, value in loss.scalars.items():
        np.testing.assert_allclose(scalars[name], value, rtol=1e-5, err_msg=name)
    np.testing.assert_array_equal(targets.returns, loss.targets.returns)
