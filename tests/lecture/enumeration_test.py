"""Expected gradients and their variance, without sampling: sums over every trajectory.

What ``gradient_test.py`` shows of sampled gradients within a confidence region holds here to
rounding, for each combination of critic, baseline and return; and where a combination is biased,
the bias is the one that dynamic programming gives.
"""

from typing import Any

import numpy as np
import pytest

from pgtf.trajectory import Trajectory
from tests.lecture.combinations import Combination, combinations, learner
from tests.lecture.enumeration import every_trajectory
from tests.lecture.exact import (
    CYCLIC,
    CYCLIC_PREFERENCES,
    EPISODIC,
    EPISODIC_PREFERENCES,
    Array,
    Rollouts,
    action_values,
    gradient,
    probabilities,
    process,
    state_values,
    undiscounted_gradient,
)
from tests.lecture.variance import covariance, trajectory_gradients
from tests.trajectories import gradient_of

EPISODES = every_trajectory(EPISODIC, probabilities(EPISODIC_PREFERENCES), 3)
ROLLOUTS = Rollouts(CYCLIC, probabilities(CYCLIC_PREFERENCES), 0.9, 5, 3)
ROWS = every_trajectory(CYCLIC, ROLLOUTS.policy, 5, time_limit=3, restarts=True)
V_PI = state_values(CYCLIC, ROLLOUTS.policy, 0.9)
Q_PI = action_values(CYCLIC, ROLLOUTS.policy, 0.9)
WRONG_V = V_PI + np.array([2.0, -3.0, 1.0, 40.0])  # nothing may bootstrap from the terminal state
WRONG_Q = Q_PI + np.array([[1.0, -1.0], [0.5, 2.0], [-2.0, 0.0], [40.0, 40.0]])
BOOTSTRAPPED = ["TD0", "NStep(2)", "LambdaReturn(0.6)", "LambdaReturn(1)"]


def policy_gradient(made: Any, whole: Trajectory) -> Array:
    """What the learner ascends, [S, A]; it descends the loss."""
    return -gradient_of(made, whole, made.policy.head.preferences.kernel).astype(np.float64)


def episodic(combination: Combination, discount: float = 1.0) -> Any:
    policy = probabilities(EPISODIC_PREFERENCES)
    values = state_values(EPISODIC, policy, discount)
    exact = action_values(EPISODIC, policy, discount)
    return learner(combination, EPISODIC_PREFERENCES, discount, values, exact)


def over_rollouts(combination: Combination, values: Array, q: Array) -> Array:
    """E Σ_t ∇ log π(a_t|s_t) (G_t - b_t) over the rows of one rollout, [S, A]."""
    made = learner(combination, CYCLIC_PREFERENCES, 0.9, values, q, "mean_over_steps")
    learned = ROWS.mask.numpy()
    if combination.returns == "MonteCarlo":
        ends = ROWS.terminated.numpy() | ROWS.truncated.numpy()
        learned = learned * np.logical_or.accumulate(ends[::-1])[::-1]
    return policy_gradient(made, ROWS) * learned.sum()  # the mean over steps undone


def bootstrapped(returns: str, values: Array) -> Array:
    """E[G_t given k, s, a], [T, K, S, A]."""
    if returns == "NStep(2)":
        return ROLLOUTS.n_step_returns(values, 2)
    lambda_ = {"TD0": 0.0, "LambdaReturn(0.6)": 0.6, "LambdaReturn(1)": 1.0}[returns]
    return ROLLOUTS.lambda_returns(values, lambda_)


@pytest.mark.parametrize("combination", list(combinations()), ids=str)
def test_every_combination_with_an_exact_critic_has_the_mean_of_the_true_gradient(
    combination: Combination,
) -> None:
    mean = policy_gradient(episodic(combination), EPISODES)
    np.testing.assert_allclose(mean, gradient(EPISODIC, EPISODIC_PREFERENCES, 1.0), atol=1e-5)


@pytest.mark.parametrize("critic", ["none", "V", "Q"])
def test_discounted_returns_leave_the_states_undiscounted(critic: str) -> None:
    """The slides' estimators drop γ^t, and with it the gradient of Σ_t γ^t r_t."""
    made = episodic(Combination(critic, "none", "MonteCarlo"), discount=0.8)
    mean = policy_gradient(made, EPISODES)
    expected = undiscounted_gradient(EPISODIC, EPISODIC_PREFERENCES, 0.8)
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    assert np.abs(expected - gradient(EPISODIC, EPISODIC_PREFERENCES, 0.8)).max() > 0.01


EXACT_IN_ROLLOUTS = [c for c in combinations() if c.critic != "none" and c.returns != "MonteCarlo"]


@pytest.mark.parametrize("combination", EXACT_IN_ROLLOUTS, ids=str)
def test_with_an_exact_critic_rollouts_may_stop_anywhere(combination: Combination) -> None:
    """Rollouts of five rows through terminations, truncations and resets."""
    mean = over_rollouts(combination, V_PI, Q_PI)
    rows = np.broadcast_to(Q_PI, (5, 3, 4, 2))
    np.testing.assert_allclose(mean, ROLLOUTS.gradient(rows), atol=1e-5)


@pytest.mark.parametrize("baseline", ["none", "TimeDependent", "StateValue, own"])
@pytest.mark.parametrize("returns", BOOTSTRAPPED)
def test_the_bias_of_a_wrong_v_is_the_one_of_theory(returns: str, baseline: str) -> None:
    """Also with a baseline, whatever it holds."""
    mean = over_rollouts(Combination("V", baseline, returns), WRONG_V, Q_PI)
    expected = ROLLOUTS.gradient(bootstrapped(returns, WRONG_V))
    np.testing.assert_allclose(mean, expected, atol=2e-5)
    unbiased = ROLLOUTS.gradient(np.broadcast_to(Q_PI, (5, 3, 4, 2)))
    assert np.abs(expected - unbiased).max() > 0.1


def test_the_bias_of_a_wrong_v_falls_with_lambda() -> None:
    unbiased = ROLLOUTS.gradient(np.broadcast_to(Q_PI, (5, 3, 4, 2)))
    biases = []
    for returns in ("TD0", "LambdaReturn(0.6)", "LambdaReturn(1)"):
        mean = over_rollouts(Combination("V", "none", returns), WRONG_V, Q_PI)
        biases.append(np.linalg.norm(mean - unbiased))
    assert biases[0] > biases[1] > biases[2] > 0.1


@pytest.mark.parametrize("baseline", ["none", "ExpectedQ"])
def test_the_bias_of_a_wrong_q_is_the_one_of_theory(baseline: str) -> None:
    """∇ log π(a|s) Q_w(s, a); ExpectedQ subtracts Σ_b π(b|s) Q_w(s, b), which changes no mean."""
    mean = over_rollouts(Combination("Q", baseline, "TD0"), V_PI, WRONG_Q)
    expected = ROLLOUTS.gradient(np.broadcast_to(WRONG_Q, (5, 3, 4, 2)))
    np.testing.assert_allclose(mean, expected, atol=2e-5)
    unbiased = ROLLOUTS.gradient(np.broadcast_to(Q_PI, (5, 3, 4, 2)))
    assert np.abs(expected - unbiased).max() > 0.1


def test_a_q_that_is_wrong_by_a_function_of_the_state_leaves_the_gradient_unbiased() -> None:
    shifted = Q_PI + np.array([5.0, -3.0, 1.0, 0.0])[:, None]
    mean = over_rollouts(Combination("Q", "none", "TD0"), V_PI, shifted)
    unbiased = ROLLOUTS.gradient(np.broadcast_to(Q_PI, (5, 3, 4, 2)))
    np.testing.assert_allclose(mean, unbiased, atol=2e-5)


def test_monte_carlo_in_rollouts_is_biased_towards_what_ends_within_them() -> None:
    """Short episodes are favoured: collect whole ``Episodes`` instead."""
    mean = over_rollouts(Combination("none", "none", "MonteCarlo"), V_PI, Q_PI)
    expected = ROLLOUTS.gradient(ROLLOUTS.finished_returns())
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    unbiased = ROLLOUTS.gradient(np.broadcast_to(Q_PI, (5, 3, 4, 2)))
    assert np.abs(expected - unbiased).max() > 0.1


def covariance_trace(made: Any, whole: Trajectory) -> float:
    """tr E[(ĝ - Eĝ)(ĝ - Eĝ)ᵀ] of one trajectory's gradient."""
    probability = whole.mask.numpy()[0].astype(np.float64)
    each = trajectory_gradients(made, whole).reshape(len(probability), -1)
    return float(np.trace(covariance(each, probability)))


def test_what_an_exact_baseline_and_an_exact_critic_do_to_the_variance() -> None:
    """On this process: V_π for a baseline, then for a bootstrap too, then Q_π - V_π, each lower."""
    variances = [
        covariance_trace(episodic(Combination(*names)), EPISODES)
        for names in (
            ("none", "none", "MonteCarlo"),
            ("V", "StateValue, shared", "MonteCarlo"),
            ("V", "StateValue, shared", "LambdaReturn(0.6)"),
            ("V", "StateValue, shared", "TD0"),
            ("Q", "ExpectedQ", "TD0"),
        )
    ]
    assert variances == sorted(variances, reverse=True)
    assert variances[0] > 1.2 * variances[1] > 1.2 * 1.2 * variances[-1]


def test_the_slides_example_of_a_state_dependent_baseline() -> None:
    """Returns near +3000 in S1 and -4000 in S2: b(s) = V(s) is worth five orders of magnitude.

    One step, a uniform policy of two actions: the score is (½, -½) or its negative in the row of
    the state, so that tr Cov(ĝ) = ½ E[A²] - ‖∇U‖². A constant b = E[R] = -500 helps by little: the
    returns of both states stay near 3,500 away from it.
    """
    task = process(
        {
            (0, 0): {2: (1.0, 3000.0 + 20.0)},
            (0, 1): {2: (1.0, 3000.0 - 20.0)},
            (1, 0): {2: (1.0, -4000.0 + 10.0)},
            (1, 1): {2: (1.0, -4000.0 - 10.0)},
        },
        np.array([0.5, 0.5, 0.0]),
    )
    preferences = np.zeros((3, 2))
    whole = every_trajectory(task, probabilities(preferences), 1)
    v_pi = state_values(task, probabilities(preferences), 1.0)
    assert v_pi.tolist() == [3000.0, -4000.0, 0.0]
    squared_gradient = (gradient(task, preferences, 1.0) ** 2).sum()

    def variance(baseline: str, mean: float = 0.0) -> float:
        combination = Combination("V", baseline, "MonteCarlo")
        made = learner(combination, preferences, 1.0, v_pi, np.zeros((3, 2)))
        if baseline == "Constant":
            made.baseline.mean.assign(mean)
        return covariance_trace(made, whole)

    squares = (3000.0**2 + 20.0**2 + 4000.0**2 + 10.0**2) / 2
    assert variance("none") == pytest.approx(squares / 2 - squared_gradient, rel=1e-5)
    around = (3500.0**2 + 20.0**2 + 3500.0**2 + 10.0**2) / 2
    constant = variance("Constant", -500.0)
    assert constant == pytest.approx(around / 2 - squared_gradient, rel=1e-5)
    state_dependent = variance("StateValue, shared")
    assert state_dependent == pytest.approx(250.0 / 2 - squared_gradient, rel=1e-4)
    assert constant > 0.95 * variance("none") > 0.95 * 0.95e5 * state_dependent
