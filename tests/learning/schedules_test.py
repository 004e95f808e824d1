"""Schedules count environment steps, whatever the optimizer has counted."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.fitting import Regression
from pgtf.learning.schedules import OverEnvironmentSteps
from tests.trajectories import (
    SEED,
    columns,
    gradients_of,
    learn,
    random_trajectory,
    table_v,
    tables,
    trajectory,
)

DECAY = keras.optimizers.schedules.PolynomialDecay(1.0, 100, 0.0)


def test_an_optimizer_follows_the_step_counter_and_not_its_own() -> None:
    steps = tf.Variable(0, dtype=tf.int64)
    optimizer = keras.optimizers.SGD(DECAY)
    variable = keras.Variable([0.0])
    optimizer.build([variable])
    OverEnvironmentSteps.install(optimizer, steps)
    moved = []
    for now in (0, 75, 75, 20, 1000):
        steps.assign(now)
        variable.assign([0.0])
        optimizer.apply([tf.constant([1.0])], [variable])
        moved.append(-float(variable.numpy()[0]))
    np.testing.assert_allclose(moved, [1.0, 0.25, 0.25, 0.8, 0.0], atol=1e-6)


def test_a_learning_rate_that_is_a_number_stays_one() -> None:
    optimizer = keras.optimizers.SGD(0.25)
    optimizer.build([keras.Variable([0.0])])
    OverEnvironmentSteps.install(optimizer, tf.Variable(1, dtype=tf.int64))
    assert float(optimizer.learning_rate) == 0.25


def test_the_schedule_is_followed_inside_a_compiled_graph() -> None:
    steps = tf.Variable(0, dtype=tf.int64)
    schedule = OverEnvironmentSteps(DECAY, steps)
    now = tf.function(lambda: schedule(0), jit_compile=True)
    assert float(now()) == 1.0
    steps.assign(50)
    assert float(now()) == 0.5


@pytest.mark.parametrize("num_envs", [1, 5])
def test_a_learners_schedule_has_the_same_meaning_for_every_batch(num_envs: int) -> None:
    """Its rate falls by the number of unmasked steps, and separate fits follow the same count."""
    fit = Regression(keras.optimizers.SGD(DECAY), num_steps=3)
    learner = tables(np.zeros((3, 2)), critic=table_v(fit), optimizer=keras.optimizers.SGD(DECAY))
    whole = columns(random_trajectory(0, 8, 5), *range(num_envs))
    steps = 0
    for _ in range(3):
        before = learner.policy.head.preferences.bias.numpy()
        gradient = gradients_of(learner, whole, SEED)[0][1]
        metrics = learn(learner, whole)
        rate = max(0.0, 1.0 - steps / 100)
        assert float(metrics["learning_rate"]) == pytest.approx(rate)
        moved = before - learner.policy.head.preferences.bias.numpy()
        np.testing.assert_allclose(moved, rate * gradient, rtol=1e-4, atol=1e-6)
        steps += int(whole.mask.numpy().sum())
        assert int(learner.steps) == steps
        assert float(fit.optimizer.learning_rate) == pytest.approx(max(0.0, 1.0 - steps / 100))
    assert 0 < whole.mask.numpy().sum() < whole.mask.shape.num_elements()  # some rows were masked


def test_unfinished_steps_count_although_monte_carlo_learns_nothing_from_them() -> None:
    learner = tables(np.zeros((2, 2)))
    learn(learner, trajectory([0, 1, 0, 1], [0, 1, 0], [1.0, 1.0, 1.0]))
    assert int(learner.steps) == 3
