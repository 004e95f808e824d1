"""Return estimators as parts: which recursion each one is, and what it refuses."""

import re

import gin
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, NStep, ReturnEstimator
from tests.trajectories import trajectory

# One environment, γ = ½: r = 1, 2, 4, an episode that ends after the second step or goes on.
VALUES = tf.constant([[16.0], [32.0], [8.0], [48.0]])


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (LambdaReturn(), [1 + 0.5 * 16, 2 + 0.5 * 28, 28.0]),
        (LambdaReturn(0.5), [1 + 0.5 * (16 + 5.5), 2 + 0.5 * (4 + 14), 28.0]),
        (TD0(), [1 + 0.5 * 32, 2 + 0.5 * 8, 28.0]),
        (NStep(2), [1 + 0.5 * 2 + 0.25 * 8, 2 + 0.5 * 28, 28.0]),
        (NStep(), [1 + 0.5 * 16, 2 + 0.5 * 28, 28.0]),
        (MonteCarlo(), [1 + 0.5 * 4, 2 + 0.5 * 4, 4.0]),
    ],
)
def test_a_table_worked_by_hand(estimator: ReturnEstimator, expected: list[float]) -> None:
    whole = trajectory([0, 0, 0, 0], [0, 0, 0], [1.0, 2.0, 4.0])
    assert estimator(whole, VALUES, 0.5)[0][:, 0].numpy().tolist() == expected


@pytest.mark.parametrize(
    "estimator", [LambdaReturn(), LambdaReturn(0.5), TD0(), NStep(1), NStep(3)]
)
def test_a_termination_bootstraps_nothing_and_a_truncation_the_true_successor(
    estimator: ReturnEstimator,
) -> None:
    terminated = trajectory([0, 0, 0, 0], [0, 0, 0], [1.0, 2.0, 4.0], [False, True, False])
    truncated = trajectory([0, 0, 0, 0], [0, 0, 0], [1.0, 2.0, 4.0], False, [False, True, False])
    assert estimator(terminated, VALUES, 0.5)[0][1, 0] == 2.0
    assert estimator(truncated, VALUES, 0.5)[0][1, 0] == 2.0 + 0.5 * 8.0


def test_monte_carlo_asks_no_critic_and_counts_a_truncated_episode_as_it_stands() -> None:
    whole = trajectory([0, 0, 0, 0], [0, 0, 0], [1.0, 2.0, 4.0], False, [False, True, False])
    for values in (VALUES, tf.zeros_like(VALUES)):
        assert MonteCarlo()(whole, values, 0.5)[0][:2, 0].numpy().tolist() == [2.0, 2.0]


def test_td0_stays_td0_where_a_file_binds_the_lambda_return() -> None:
    """So that ``Learner.returns = @TD0()`` is the one binding that swaps a2c.gin's estimator."""
    gin.parse_config("LambdaReturn.lambda_ = 1.0")
    assert gin.get_configurable("TD0")().lambda_ == 0.0


def test_estimators_keep_the_shape_of_the_rollout() -> None:
    whole = trajectory(np.zeros((4, 5), int), np.zeros((3, 5), int), np.ones((3, 5)))
    for estimator in (LambdaReturn(), TD0(), NStep(2), MonteCarlo()):
        target, estimate = estimator(whole, tf.zeros((4, 5)), 0.9)
        assert target.shape == estimate.shape == (3, 5)


@pytest.mark.parametrize("lambda_", [-0.1, 1.1, float("nan")])
def test_lambda_outside_zero_to_one_is_refused(lambda_: float) -> None:
    message = f"LambdaReturn.lambda_ must be in [0, 1], not {lambda_}."
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        LambdaReturn(lambda_)


@pytest.mark.parametrize("n", [0, -3])
def test_fewer_than_one_step_is_refused(n: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"^NStep\.n must be at least 1, not {n}\.$"):
        NStep(n)
