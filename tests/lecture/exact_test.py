"""The oracles against each other: differences, sums over every trajectory, and equations solved."""

import numpy as np
import pytest

from tests.lecture.confidence import p_value
from tests.lecture.enumeration import every_trajectory
from tests.lecture.exact import (
    CYCLIC,
    CYCLIC_PREFERENCES,
    EPISODIC,
    EPISODIC_PREFERENCES,
    Array,
    Process,
    Rollouts,
    action_values,
    gradient,
    objective,
    probabilities,
    state_values,
    undiscounted_gradient,
    visits,
)

TASKS = [(EPISODIC, EPISODIC_PREFERENCES, 1.0), (CYCLIC, CYCLIC_PREFERENCES, 0.9)]
ROLLOUTS = Rollouts(CYCLIC, probabilities(CYCLIC_PREFERENCES), 0.9, 5, 3)
V = np.array([1.0, -2.0, 3.0, 50.0])


@pytest.mark.parametrize(("task", "preferences", "discount"), TASKS, ids=["episodic", "cyclic"])
def test_the_gradient_is_the_derivative_of_the_objective(
    task: Process, preferences: Array, discount: float
) -> None:
    """∇U of the policy gradient theorem against central differences of U."""
    differences = np.zeros_like(preferences)
    for index in np.ndindex(preferences.shape):
        step = np.zeros_like(preferences)
        step[index] = 1e-5
        above = objective(task, preferences + step, discount)
        differences[index] = (above - objective(task, preferences - step, discount)) / 2e-5
    exact = gradient(task, preferences, discount)
    np.testing.assert_allclose(exact, differences, atol=1e-8)
    assert np.abs(exact).max() > 0.1


def test_without_discounting_both_gradients_are_one() -> None:
    exact = gradient(EPISODIC, EPISODIC_PREFERENCES, 1.0)
    np.testing.assert_allclose(exact, undiscounted_gradient(EPISODIC, EPISODIC_PREFERENCES, 1.0))
    apart = [f(CYCLIC, CYCLIC_PREFERENCES, 0.9) for f in (gradient, undiscounted_gradient)]
    assert np.abs(apart[0] - apart[1]).max() > 0.1


def test_the_sum_over_every_episode_is_the_objective() -> None:
    policy = probabilities(EPISODIC_PREFERENCES)
    whole = every_trajectory(EPISODIC, policy, 3)
    mask = whole.mask.numpy()
    assert mask[0].sum() == pytest.approx(1.0)
    mean_return = (mask * whole.reward.numpy()).sum()
    assert mean_return == pytest.approx(objective(EPISODIC, EPISODIC_PREFERENCES, 1.0), rel=1e-6)
    # All episodes end.
    ended = mask * whole.terminated.numpy()
    assert ended.sum() == pytest.approx(1.0)
    by_state = np.bincount(whole.observation.numpy()[:-1].ravel(), mask.ravel(), minlength=6)
    np.testing.assert_allclose(by_state[:5], visits(EPISODIC, policy, 1.0)[:5], rtol=1e-5)


def test_the_occupancy_is_that_of_every_rollout() -> None:
    whole = every_trajectory(CYCLIC, ROLLOUTS.policy, 5, time_limit=3, restarts=True)
    counted = np.zeros((5, 4, 4))
    rows = np.broadcast_to(np.arange(5)[:, None], whole.mask.shape)
    np.add.at(counted, (rows, whole.time, whole.observation[:-1]), whole.mask.numpy())
    np.testing.assert_allclose(counted[:, :3], ROLLOUTS.occupancy(), atol=1e-6)
    assert not counted[:, 3].any()  # rows that reset
    assert counted[:, 2].sum() > 0.1  # some are truncated
    assert counted[2:, 0].sum() > 0.1  # and begin again


def test_returns_that_bootstrap_from_the_exact_values_have_the_exact_mean() -> None:
    exact = action_values(CYCLIC, ROLLOUTS.policy, 0.9)
    values = state_values(CYCLIC, ROLLOUTS.policy, 0.9)
    for lambda_ in (0.0, 0.6, 1.0):
        mean = ROLLOUTS.lambda_returns(values, lambda_)
        np.testing.assert_allclose(mean, np.broadcast_to(exact, mean.shape))
    mean = ROLLOUTS.n_step_returns(values, 2)
    np.testing.assert_allclose(mean, np.broadcast_to(exact, mean.shape))


def test_limits_of_the_estimators_agree() -> None:
    np.testing.assert_allclose(
        ROLLOUTS.n_step_returns(V, 1), ROLLOUTS.lambda_returns(V, 0.0), atol=1e-12
    )
    np.testing.assert_allclose(
        ROLLOUTS.n_step_returns(V, 5), ROLLOUTS.lambda_returns(V, 1.0), atol=1e-12
    )
    # One step before a limit of one step all episodes end, and what ends counts as it stands.
    single = ROLLOUTS._replace(time_limit=1)
    reward = np.broadcast_to(CYCLIC.mean_reward, (5, 1, 4, 2))
    np.testing.assert_allclose(single.finished_returns(), reward, atol=1e-12)


def test_a_confidence_region_covers_at_its_rate() -> None:
    """Of 2,000 regions of confidence 0.9 some 1,800 cover; a binomial test of error rate 1e-4."""
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 0.9, 0.0], [0.9, 1.0, 0.2], [0.0, 0.2, 0.1]])
    draws = rng.multivariate_normal([1.0, 2.0, 3.0], covariance, (2000, 12))
    covered = sum(p_value(rows, [1.0, 2.0, 3.0]) > 0.1 for rows in draws)
    assert abs(covered - 1800) < 3.9 * np.sqrt(2000 * 0.9 * 0.1)
    assert np.mean([p_value(rows, [1.0, 2.0, 3.5]) > 0.1 for rows in draws]) < 0.2
