"""Schedules count environment steps, whatever the optimizer has counted."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.fitting import Regression
from pgtf.learning.schedules import Horizon, OverEnvironmentSteps, PolynomialDecay
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
    OverEnvironmentSteps.install(optimizer, steps, Horizon())
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
    OverEnvironmentSteps.install(optimizer, tf.Variable(1, dtype=tf.int64), Horizon())
    assert float(optimizer.learning_rate) == 0.25


def test_the_schedule_is_followed_inside_a_compiled_graph() -> None:
    steps = tf.Variable(0, dtype=tf.int64)
    schedule = OverEnvironmentSteps(DECAY, steps, Horizon())
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


def at(schedule: PolynomialDecay, horizon: Horizon, steps: int) -> float:
    """The value now, after ``steps`` environment steps."""
    counter = tf.Variable(steps, dtype=tf.int64)
    return float(OverEnvironmentSteps(schedule, counter, horizon)(None))


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_a_decay_without_a_length_is_kerass_over_the_run_bit_for_bit(power: float) -> None:
    total = 500_000
    horizon = Horizon()
    horizon.extend(total, 0)
    ours = PolynomialDecay(7e-4, None, 1e-5, power)
    keras_own = keras.optimizers.schedules.PolynomialDecay(7e-4, total, 1e-5, power)
    for steps in (0, 1, 40, 123_456, 333_333, 499_999, 500_000, 700_000):
        assert at(ours, horizon, steps) == float(keras_own(tf.constant(steps, tf.int64)))


def test_a_decay_with_a_length_does_not_ask_for_the_runs() -> None:
    horizon = Horizon()
    horizon.extend(1_000, 0)
    assert at(PolynomialDecay(1.0, 100, 0.0), horizon, 75) == 0.25
    assert not horizon.followed


def test_a_run_without_a_length_is_at_its_start() -> None:
    assert at(PolynomialDecay(1.0, None, 0.0), Horizon(), 10_000_000) == 1.0


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        # Half of the decay is left; it goes on over 150 or 350 steps instead of 50.
        (200, [0.5, 0.25, 0.0, 0.0]),
        (400, [0.5, 0.5 * (1 - 75 / 350), 0.5 * (1 - 150 / 350), 0.0]),
        (100, [0.5, 0.0, 0.0, 0.0]),
    ],
)
def test_more_steps_spread_what_is_left_of_the_decay(total: int, expected: list[float]) -> None:
    schedule = PolynomialDecay(1.0, None, 0.0)
    first = Horizon()
    first.extend(100, 0)
    assert at(schedule, first, 50) == 0.5
    resumed = Horizon()
    resumed.restore(first.state())
    resumed.extend(total, 50)
    values = [at(schedule, resumed, steps) for steps in (50, 125, 200, 400)]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_after_the_end_of_a_run_its_schedules_stay_at_their_last_value() -> None:
    horizon = Horizon()
    horizon.extend(100, 0)
    horizon.extend(200, 103)
    schedule = PolynomialDecay(1.0, None, 0.125)
    assert [at(schedule, horizon, steps) for steps in (103, 150, 200)] == [0.125] * 3


def test_the_config_of_a_decay_makes_the_same_one() -> None:
    horizon = Horizon()
    horizon.extend(100, 0)
    for steps in (None, 40):
        schedule = PolynomialDecay(1.0, steps, 0.1, 2.0)
        again = PolynomialDecay.from_config(schedule.get_config())
        assert at(again, horizon, 30) == at(schedule, horizon, 30) < 1.0


def test_every_schedule_of_a_learner_goes_by_the_run() -> None:
    """Learning rates, of the learner and of separate fits, and the entropy coefficient."""

    def decay() -> PolynomialDecay:
        return PolynomialDecay(1.0, None, 0.0)

    fit = Regression(keras.optimizers.SGD(decay()))
    learner = tables(
        np.zeros((3, 2)),
        critic=table_v(fit),
        optimizer=keras.optimizers.SGD(decay()),
        entropy_bonus=EntropyBonus(decay()),
    )
    learner.horizon.extend(400, 0)
    learner.steps.assign(100)
    whole = columns(random_trajectory(0, 8, 5), 0)
    metrics = learn(learner, whole)
    assert float(metrics["learning_rate"]) == 0.75
    assert float(metrics["entropy_coefficient"]) == 0.75
    left = 1 - int(learner.steps) / 400
    assert float(fit.optimizer.learning_rate) == pytest.approx(left)
    assert left < 0.75
