"""Losses against enumeration, confidence intervals and sums worked by hand."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from pgtf import losses
from tests.trajectories import softmax

# A finite x: P_θ = softmax(θ), and a function of it whose expectation is to be differentiated.
THETA = np.array([0.5, -1.0, 0.0, 1.2])
F = np.array([3.0, -2.0, 10.0, 1.0])


def exact_gradient() -> np.ndarray:
    """∇_θ Σ_x P_θ(x) f(x) = P (f - E f), by differentiating the enumerated expectation."""
    p = softmax(THETA)
    return p * (F - p @ F)


def loss_gradient(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Minus the gradient of the score-function loss at samples x [T, B]."""
    theta = tf.Variable(THETA, dtype=tf.float32)
    with tf.GradientTape() as tape:
        log_prob = tf.gather(tf.nn.log_softmax(theta), x)
        loss = losses.score_function_loss(
            log_prob, tf.constant(F[x], tf.float32), tf.constant(weight, tf.float32)
        )
    return -tf.convert_to_tensor(tape.gradient(loss, theta)).numpy()


def test_the_score_function_gradient_is_that_of_the_expectation_by_enumeration() -> None:
    x = np.arange(4)[:, None]
    np.testing.assert_allclose(
        loss_gradient(x, softmax(THETA)[:, None]), exact_gradient(), rtol=1e-5, atol=1e-6
    )


def test_the_mean_of_many_estimates_lies_in_its_confidence_interval() -> None:
    """Four z-tests, family-wise error 0.001 (Bonferroni), over 150 estimates of 400 samples."""
    rng = np.random.default_rng(0)
    weight = np.full((1, 400), 1 / 400)
    estimates = np.array(
        [loss_gradient(rng.choice(4, (1, 400), p=softmax(THETA)), weight) for _ in range(150)]
    )
    error = scipy.stats.sem(estimates, axis=0)
    bound = scipy.stats.norm.isf(0.001 / 2 / 4)
    assert np.all(np.abs(estimates.mean(0) - exact_gradient()) < bound * error)
    assert np.all(error < 0.05)  # narrow enough that a wrong sign or factor lies outside
    assert np.all(np.abs(exact_gradient()) > 2 * bound * error)


def test_the_score_function_loss_by_hand() -> None:
    loss = losses.score_function_loss(
        tf.constant([[-1.0, -2.0], [-0.5, -4.0]]),
        tf.constant([[2.0, 3.0], [-4.0, 100.0]]),
        tf.constant([[0.5, 0.25], [0.25, 0.0]]),
    )
    assert float(loss) == 0.5 * 1.0 * 2.0 + 0.25 * 2.0 * 3.0 - 0.25 * 0.5 * 4.0


def test_no_gradient_reaches_the_advantage() -> None:
    advantage, log_prob = tf.Variable([[2.0]]), tf.Variable([[-1.0]])
    with tf.GradientTape(persistent=True) as tape:
        loss = losses.score_function_loss(
            tf.convert_to_tensor(log_prob), tf.convert_to_tensor(advantage), tf.ones((1, 1))
        )
    assert tape.gradient(loss, advantage) is None
    assert tape.gradient(loss, log_prob).numpy() == [[-2.0]]


def test_value_loss_and_its_gradient_by_hand_with_none_into_the_target() -> None:
    prediction, target = tf.Variable([[1.0, 5.0]]), tf.Variable([[4.0, 3.0]])
    with tf.GradientTape(persistent=True) as tape:
        loss = losses.value_loss(
            tf.convert_to_tensor(prediction),
            tf.convert_to_tensor(target),
            tf.constant([[0.5, 0.25]]),
        )
    assert float(loss) == 0.5 * 9.0 + 0.25 * 4.0
    assert tape.gradient(loss, target) is None
    assert tape.gradient(loss, prediction).numpy().tolist() == [[-3.0, 1.0]]


def test_entropy_bonus_is_the_weighted_sum() -> None:
    bonus = losses.entropy_bonus(
        tf.constant([[1.0, 2.0], [4.0, 8.0]]), tf.constant([[0.5, 0], [1, 0]])
    )
    assert float(bonus) == 4.5


def test_mean_over_steps_shares_the_weight_among_unmasked_steps() -> None:
    mask = tf.constant([[1.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert losses.mean_over_steps(mask).numpy().tolist() == [[0.25, 0.25], [0, 0.25], [0.25, 0]]


def test_sum_over_time_divides_by_the_number_of_trajectories() -> None:
    """A column is cut into trajectories by its reset rows; a part of one counts as one.

    Column 0: the end of an episode, its reset row, a new episode. Column 1: one episode goes on.
    Column 2: begins on a reset row. Column 3: an episode of one step between two others.
    """
    mask = np.array([[1, 1, 0, 1], [1, 1, 1, 0], [0, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]])
    time = np.array([[7, 3, 9, 4], [8, 4, 0, 5], [9, 5, 1, 0], [0, 6, 2, 1], [1, 7, 3, 0]])
    weight = losses.sum_over_time(tf.constant(mask, tf.float32), tf.constant(time, tf.int32))
    np.testing.assert_allclose(weight, mask / (2 + 1 + 1 + 3), rtol=1e-6)


def test_sum_over_time_is_the_lectures_double_sum() -> None:
    """1/N Σ_i Σ_t for N = 2 trajectories of lengths 3 and 1; the short one then stands still."""
    mask = tf.constant([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    time = tf.constant([[0, 0], [1, 1], [2, 0]])
    x = tf.constant([[1.0, 10.0], [2.0, 50.0], [4.0, 50.0]])
    total = tf.reduce_sum(losses.sum_over_time(mask, time) * x)
    assert float(total) == ((1.0 + 2.0 + 4.0) + 10.0) / 2


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
def test_a_batch_without_a_single_step_weighs_nothing(reduction: str) -> None:
    mask, time = tf.zeros((3, 2)), tf.zeros((3, 2), tf.int32)
    arguments = (mask,) if reduction == "mean_over_steps" else (mask, time)
    assert not np.any(getattr(losses, reduction)(*arguments))


def test_explained_variance_by_hand() -> None:
    target = tf.constant([[1.0], [3.0], [5.0], [999.0]])
    prediction = tf.constant([[1.0], [1.0], [4.0], [-999.0]])
    mask = tf.constant([[1.0], [1.0], [1.0], [0.0]])
    # Var(1, 3, 5) = 8/3; the errors 0, 2, 1 have the variance 5/3 - 1 = 2/3.
    assert float(losses.explained_variance(prediction, target, mask)) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ([1.0, 2.0, 6.0], 1.0),
        ([0.0, 0.0, 0.0], 0.0),
        ([8.0, 9.0, 13.0], 1.0),
        ([-1.0, -2.0, -6.0], -3.0),
    ],
    ids=["perfect", "constant", "shifted", "negated"],
)
def test_explained_variance_of(prediction: list[float], expected: float) -> None:
    target, mask = tf.constant([[1.0], [2.0], [6.0]]), tf.ones((3, 1))
    actual = losses.explained_variance(tf.constant(prediction)[:, tf.newaxis], target, mask)
    assert float(actual) == pytest.approx(expected, abs=1e-6)


def test_explained_variance_of_a_target_that_does_not_vary_is_zero() -> None:
    target, mask = tf.fill((3, 1), 2.0), tf.ones((3, 1))
    assert float(losses.explained_variance(tf.constant([[1.0], [2.0], [3.0]]), target, mask)) == 0.0


def test_standard_deviation_of_unmasked_steps() -> None:
    x = np.random.default_rng(1).normal(5.0, 2.0, (6, 4)).astype(np.float32)
    mask = np.ones((6, 4), np.float32)
    mask[2:4, 1] = 0.0
    actual = losses.standard_deviation(tf.constant(x), tf.constant(mask))
    assert float(actual) == pytest.approx(x[mask > 0].std(), rel=1e-5)
