"""Data of another policy μ: importance weights and V-trace, by sums over every trajectory."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.baselines import StateValue
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, ReturnEstimator, VTrace
from pgtf.learning.fitting import Regression
from pgtf.learning.surrogates import ClippedSurrogate, ImportanceWeighted, ScoreFunction, Surrogate
from pgtf.learning.targets import Batch
from pgtf.trajectory import Trajectory
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
    probabilities,
    process,
    score_function_gradient,
    state_values,
    visits,
)
from tests.trajectories import (
    SEED,
    gradient_of,
    gradients_of,
    loss_of,
    random_trajectory,
    set_values,
    table_v,
    tables,
)

PI = probabilities(CYCLIC_PREFERENCES)
MU = probabilities(np.array([[-0.6, 0.9], [0.7, -0.5], [-1.0, 0.8], [0.0, 0.0]]))
V_PI, Q_PI = state_values(CYCLIC, PI, 0.9), action_values(CYCLIC, PI, 0.9)
OCCUPANCY = Rollouts(CYCLIC, MU, 0.9, 5, 3).occupancy().sum((0, 1))


def behaved(task: Process, mu: Array, steps: int, **options: Any) -> Trajectory:
    """Every trajectory of μ with its log-probs."""
    whole = every_trajectory(task, mu, steps, **options)
    log_prob = np.log(mu)[whole.observation[:-1].numpy(), whole.action.numpy()]
    return whole._replace(log_prob=tf.constant(log_prob, tf.float32))


ROWS = behaved(CYCLIC, MU, 5, time_limit=3, restarts=True)


def mean_gradient(
    whole: Trajectory,
    preferences: Array,
    values: Array,
    returns: ReturnEstimator,
    max_ratio: float | None,
    discount: float = 0.9,
) -> Array:
    """E_μ Σ_t ∇ log π(a_t|s_t) min(c, π/μ) A_t, [S, A]."""
    made = tables(
        preferences,
        critic=table_v(),
        baseline=StateValue(),
        returns=returns,
        discount=discount,
        surrogate=ImportanceWeighted(max_ratio),
    )
    set_values(made.critic, values)
    mean = -gradient_of(made, whole, made.policy.head.preferences.kernel)
    return mean.astype(np.float64) * np.sum(whole.mask)  # the mean over steps undone


@pytest.mark.parametrize(
    "returns", [TD0(), VTrace(None, None), VTrace(None, 1.0, 0.6), VTrace(None, 0.5)]
)
def test_with_an_exact_critic_weights_are_unbiased_under_another_policy(
    returns: ReturnEstimator,
) -> None:
    """The policy gradient of π with states as μ visits them, through ends, limits and resets.

    Every weighted error π/μ (r + γ V_π - V_π) has mean 0, so that truncated traces do no harm.
    """
    mean = mean_gradient(ROWS, CYCLIC_PREFERENCES, V_PI, returns, None)
    expected = score_function_gradient(PI, OCCUPANCY, Q_PI)
    np.testing.assert_allclose(mean, expected, atol=2e-5)
    unweighted = score_function_gradient(PI, OCCUPANCY, MU / PI * (Q_PI - V_PI[:, None]))
    assert np.abs(unweighted - expected).max() > 0.1


def test_in_one_step_weights_give_the_gradient_itself() -> None:
    """Where no later state depends on μ, nothing is left of it."""
    task = process(
        {(0, 0): {2: (1.0, 3.0)}, (0, 1): {2: (1.0, -1.0)}, (1, 0): {2: (1.0, 2.0)}}
        | {(1, 1): {2: (1.0, 8.0)}},
        np.array([0.7, 0.3, 0.0]),
    )
    preferences = np.array([[0.5, -0.2], [-0.3, 0.4], [0.0, 0.0]])
    mu = probabilities(np.array([[-1.0, 0.5], [0.8, 0.0], [0.0, 0.0]]))
    whole = behaved(task, mu, 1)
    mean = mean_gradient(whole, preferences, np.array([9.0, -7.0, 0.0]), MonteCarlo(), None, 1.0)
    np.testing.assert_allclose(mean, gradient(task, preferences, 1.0), atol=1e-5)


def test_untruncated_vtrace_is_unbiased_whatever_v_holds() -> None:
    """Whole episodes, λ = 1: Q_π from data of μ alone. Monte Carlo returns are those of μ."""
    pi = probabilities(EPISODIC_PREFERENCES)
    mu = probabilities(np.random.default_rng(3).normal(size=EPISODIC_PREFERENCES.shape))
    whole, wrong = behaved(EPISODIC, mu, 3), np.array([2.0, -3.0, 1.0, 4.0, -5.0, 40.0])
    visited = visits(EPISODIC, mu, 1.0)
    for returns, policy in ((VTrace(None, None), pi), (MonteCarlo(), mu)):
        mean = mean_gradient(whole, EPISODIC_PREFERENCES, wrong, returns, None, 1.0)
        expected = score_function_gradient(pi, visited, action_values(EPISODIC, policy, 1.0))
        np.testing.assert_allclose(mean, expected, atol=5e-4)
    distance = action_values(EPISODIC, pi, 1.0) - action_values(EPISODIC, mu, 1.0)
    assert np.abs(distance).max() > 0.3


@pytest.mark.parametrize("max_ratio", [0.5, 1.0, 1.5])
def test_the_bias_of_truncation_is_the_one_of_theory(max_ratio: float) -> None:
    """E_μ[min(c, π/μ) f] = Σ_a min(c μ, π) f(a): the policy gradient with min(c μ / π, 1) A."""
    mean = mean_gradient(ROWS, CYCLIC_PREFERENCES, V_PI, TD0(), max_ratio)
    advantage = (Q_PI - V_PI[:, None]) * np.minimum(max_ratio * MU / PI, 1.0)
    expected = score_function_gradient(PI, OCCUPANCY, advantage)
    np.testing.assert_allclose(mean, expected, atol=2e-5)
    unbiased = score_function_gradient(PI, OCCUPANCY, Q_PI)
    assert np.abs(expected - unbiased).max() > 0.03


def truncated_policy(rho_bar: float | None) -> Array:
    """π_ρ̄(a|s) ∝ min(ρ̄ μ(a|s), π(a|s)) (Espeholt et al. 2018, eq. 3)."""
    kept = PI if rho_bar is None else np.minimum(rho_bar * MU, PI)
    return kept / kept.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("rho_bar", "c_bar", "lambda_"),
    [(None, 1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 0.5, 0.7), (0.6, 0.6, 1.0)],
)
def test_the_fixed_point_of_vtrace_is_v_of_the_truncated_policy(
    rho_bar: float | None, c_bar: float | None, lambda_: float
) -> None:
    """There E[v_t | s_t = s] = V(s), and a critic that is fitted to v_t arrives there."""
    fixed = state_values(CYCLIC, truncated_policy(rho_bar), 0.9)
    fit = Regression(keras.optimizers.SGD(0.5), num_steps=10)
    made = tables(
        CYCLIC_PREFERENCES,
        critic=table_v(fit),
        baseline=StateValue(),
        returns=VTrace(rho_bar, c_bar, lambda_),
        discount=0.9,
        surrogate=ImportanceWeighted(),
        optimizer=keras.optimizers.SGD(0.0),
    )
    set_values(made.critic, fixed)
    _, metrics = loss_of(made, ROWS)
    state = np.eye(4)[ROWS.observation[:-1].numpy()] * ROWS.mask.numpy()[..., None]
    means = np.einsum("tbs,tb->s", state, metrics["returns"].numpy()) / np.maximum(
        state.sum((0, 1)), 1e-9
    )
    np.testing.assert_allclose(means[:3], fixed[:3], atol=1e-4)

    set_values(made.critic, np.zeros(4))
    update = tf.function(made.update, autograph=False)
    for _ in range(200):
        update(ROWS, SEED)
    reached = made.critic.output_layer.kernel.numpy()[:, 0]
    np.testing.assert_allclose(
        reached[:3] + made.critic.output_layer.bias.numpy(), fixed[:3], atol=2e-3
    )
    if rho_bar is not None:
        assert np.abs(fixed - V_PI).max() > 0.1


@pytest.mark.parametrize("lambda_", [0.0, 0.7, 1.0])
@pytest.mark.parametrize(
    "surrogate",
    [ImportanceWeighted(1.0), ImportanceWeighted(None), ClippedSurrogate(0.2)],
    ids=["truncated", "unbiased", "clipped"],
)
def test_with_data_of_the_policy_itself_the_update_is_the_on_policy_one_to_the_bit(
    surrogate: Surrogate, lambda_: float
) -> None:
    rng = np.random.default_rng(0)
    preferences, values = rng.normal(size=(3, 2)), rng.normal(size=3)
    whole = random_trajectory(7, 9, 3)
    results = []
    for returns, made_with in (
        (LambdaReturn(lambda_), ScoreFunction()),
        (VTrace(lambda_=lambda_), surrogate),
    ):
        made = tables(
            preferences,
            critic=table_v(),
            baseline=StateValue(),
            returns=returns,
            surrogate=made_with,
        )
        set_values(made.critic, values)
        log_prob, _ = made.policy.evaluate(Batch.whole(whole))
        gradients, metrics = gradients_of(made, whole._replace(log_prob=log_prob))
        results.append([*gradients, metrics["returns"], metrics["advantage"]])
    assert float(metrics["importance_weight_mean"]) == pytest.approx(1.0, rel=1e-6)
    assert float(metrics["approx_kl"]) == float(metrics["clip_fraction"]) == 0.0
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
