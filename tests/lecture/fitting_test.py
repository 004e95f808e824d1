"""Critics converge to V_π and Q_π, with every target: rows 9, 10 and 12 of the lecture.

Expectations are sums over every trajectory, so that what is converged to is exact; the last tests
learn from sampled rollouts, with the trainer.
"""

from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import CompiledTabular
from pgtf.learning.critics import Bootstrap, VCritic
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, NStep, ReturnEstimator
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trajectory import Trajectory
from tests.lecture.enumeration import every_trajectory
from tests.lecture.exact import (
    CYCLIC,
    CYCLIC_PREFERENCES,
    EPISODIC,
    EPISODIC_PREFERENCES,
    Array,
    action_values,
    probabilities,
    state_values,
)
from tests.trajectories import (
    learn,
    set_preferences,
    table_policy,
    table_q,
    table_v,
    tables,
    trajectory,
)

DISCOUNT = 0.9


def fitted(critic: Any, whole: Trajectory, preferences: Array, returns: Any, updates: int) -> None:
    """Fits a critic to targets of its own making, some updates long."""
    learner = tables(
        preferences,
        critic=critic,
        returns=returns,
        discount=DISCOUNT,
        optimizer=keras.optimizers.SGD(0.0),  # π stays
    )
    update = tf.function(
        lambda: learn(learner, whole)["value_loss"], autograph=False, jit_compile=True
    )
    for _ in range(updates):
        update()


def regression(num_steps: int = 1500) -> Regression:
    return Regression(keras.optimizers.SGD(0.6), num_steps=num_steps)


def v_table(critic: Any, states: int) -> Array:
    return critic.value(tf.range(states)).numpy()


def q_table(critic: Any, states: int) -> Array:
    return critic.action_values(tf.range(states)).numpy()


RETURNS = [MonteCarlo(), TD0(), NStep(2), LambdaReturn(0.6), LambdaReturn(1.0)]
NAMES = ["MonteCarlo", "TD0", "NStep(2)", "LambdaReturn(0.6)", "LambdaReturn(1)"]
EPISODES = every_trajectory(EPISODIC, probabilities(EPISODIC_PREFERENCES), 3)
# Episodes cut after two steps, and rollouts after three rows: bootstraps on every kind of row.
ROWS = every_trajectory(CYCLIC, probabilities(CYCLIC_PREFERENCES), 3, time_limit=2, restarts=True)


@pytest.mark.parametrize("returns", RETURNS, ids=NAMES)
def test_v_converges_to_v_pi(returns: ReturnEstimator) -> None:
    """One-step targets take as many iterations as an episode has steps, Monte Carlo takes one."""
    critic = table_v(regression())
    fitted(critic, EPISODES, EPISODIC_PREFERENCES, returns, 3)
    exact = state_values(EPISODIC, probabilities(EPISODIC_PREFERENCES), DISCOUNT)
    np.testing.assert_allclose(v_table(critic, 5), exact[:5], atol=1e-3)


@pytest.mark.parametrize(
    ("returns", "bootstrap"),
    [
        (MonteCarlo(), "expected"),  # bootstraps from nothing
        *((returns, kind) for returns in RETURNS[1:4] for kind in ("expected", "sampled")),
    ],
)
def test_q_converges_to_q_pi(returns: ReturnEstimator, bootstrap: Bootstrap) -> None:
    """Expected SARSA and SARSA, their λ-returns, and Monte Carlo."""
    critic = table_q(regression(5000), bootstrap)
    fitted(critic, EPISODES, EPISODIC_PREFERENCES, returns, 3)
    exact = action_values(EPISODIC, probabilities(EPISODIC_PREFERENCES), DISCOUNT)
    np.testing.assert_allclose(q_table(critic, 5), exact[:5], atol=1e-3)


@pytest.mark.parametrize("returns", RETURNS[1:], ids=NAMES[1:])
def test_v_converges_through_time_limits_and_ends_of_rollouts(returns: ReturnEstimator) -> None:
    """V_π of the task that goes on for ever, from episodes of two steps."""
    critic = table_v(regression(250))
    fitted(critic, ROWS, CYCLIC_PREFERENCES, returns, 70)
    exact = state_values(CYCLIC, probabilities(CYCLIC_PREFERENCES), DISCOUNT)
    np.testing.assert_allclose(v_table(critic, 3), exact[:3], atol=2e-3)


@pytest.mark.parametrize("returns", [TD0(), LambdaReturn(0.6)])
def test_q_converges_through_time_limits_and_ends_of_rollouts(returns: ReturnEstimator) -> None:
    critic = table_q(regression(250))
    fitted(critic, ROWS, CYCLIC_PREFERENCES, returns, 70)
    exact = action_values(CYCLIC, probabilities(CYCLIC_PREFERENCES), DISCOUNT)
    np.testing.assert_allclose(q_table(critic, 3), exact[:3], atol=2e-3)


def test_fitted_v_iteration_with_a_proximal_term_step_by_step() -> None:
    """φ_{i+1} = argmin_φ Σ w ‖r + γ V_{φ_i}(s') - V_φ(s)‖² + λ ‖φ - φ_i‖², each in closed form.

    φ is the table and its common bias: more parameters than states, which the proximal term makes
    unique. It slows the iteration, and V_π stays where it ends.
    """
    proximal = 0.05
    critic = table_v(Regression(keras.optimizers.SGD(0.5), num_steps=400, proximal=proximal))
    learner = tables(
        CYCLIC_PREFERENCES,
        critic=critic,
        returns=TD0(),
        discount=DISCOUNT,
        optimizer=keras.optimizers.SGD(0.0),
    )
    update = tf.function(
        lambda: learn(learner, ROWS)["value_loss"], autograph=False, jit_compile=True
    )
    policy = probabilities(CYCLIC_PREFERENCES)
    visited = ROWS.observation[:-1].numpy().ravel()
    weight = np.bincount(visited, ROWS.mask.numpy().ravel(), minlength=4)
    features = np.concatenate([np.eye(4), np.ones((4, 1))], axis=1)
    hessian = features.T @ np.diag(weight / weight.sum()) @ features + proximal * np.eye(5)
    reward = (policy * CYCLIC.mean_reward).sum(-1)
    follow = np.einsum("sa,sat->st", policy, CYCLIC.continuing)

    phi = np.concatenate([np.ravel(v.numpy()) for v in critic.trainable_variables])
    start = phi
    for i in range(60):
        target = reward + DISCOUNT * follow @ features @ phi
        pull = features.T @ (weight / weight.sum() * target) + proximal * phi
        phi = np.linalg.solve(hessian, pull)
        update()
        if i in (0, 1, 59):
            fitted_phi = [np.ravel(v.numpy()) for v in critic.trainable_variables]
            np.testing.assert_allclose(np.concatenate(fitted_phi), phi, atol=2e-4)
        if i == 0:
            assert np.abs(phi - start).max() > 0.1
    exact = state_values(CYCLIC, policy, DISCOUNT)
    np.testing.assert_allclose(v_table(critic, 3), exact[:3], atol=5e-3)


def test_linear_v_of_monte_carlo_returns_is_least_squares() -> None:
    """Row 9: regress V_φ on the empirical return, (XᵀX)⁻¹ Xᵀ G over the steps of whole episodes.

    The unfinished tail has no return yet and is left out.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(41, 1, 2))
    reward = rng.normal(1.0, 1.0, (40, 1))
    ends = np.zeros((40, 1), bool)
    ends[[6, 15, 33]] = True  # the rows after them reset
    whole = trajectory(x, np.zeros((40, 1), int), reward, ends)
    fit = Regression(keras.optimizers.SGD(0.2), num_steps=2000)
    critic: Any = VCritic(MLP(hidden=()), fit)
    learner: Any = Learner(Policy(MLP(hidden=())), critic, returns=MonteCarlo(), discount=DISCOUNT)
    learner.build(gym.spaces.Box(-9.0, 9.0, (2,)), gym.spaces.Discrete(2))
    tf.function(lambda: learn(learner, whole), autograph=False, jit_compile=True)()

    rows, targets = [], []
    for first, last in ((0, 6), (8, 15), (17, 33)):
        for t in range(first, last + 1):
            rows.append([*x[t, 0], 1.0])
            later = reward[t : last + 1, 0]
            targets.append(later @ DISCOUNT ** np.arange(len(later)))
    expected = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    phi = np.concatenate([np.ravel(v.numpy()) for v in critic.trainable_variables])
    np.testing.assert_allclose(phi, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "returns"),
    [(table_v, TD0()), (lambda fit: table_q(fit, "sampled"), TD0())],
    ids=["TD(0)", "SARSA"],
)
def test_critics_converge_on_sampled_rollouts(make: Any, returns: ReturnEstimator) -> None:
    """Stochastic approximation with a falling rate over two million steps, to within 0.08.

    That is four standard deviations, as seen over seeds; the values lie from 2.5 to 4.4.
    """
    rate = keras.optimizers.schedules.PolynomialDecay(0.7, 2_000_000, 0.0)
    critic = make(Regression(keras.optimizers.SGD(rate), num_steps=1))
    learner: Any = Learner(
        table_policy(),
        critic,
        returns=returns,
        discount=DISCOUNT,
        optimizer=keras.optimizers.SGD(0.0),
    )
    environment = CompiledTabular(
        CYCLIC.transition, CYCLIC.reward, CYCLIC.start, [3], num_envs=2048, time_limit=6
    )
    trainer = SynchronousTrainer(learner, environment, Rollouts(5))
    trainer.build(0)
    set_preferences(learner.policy, CYCLIC_PREFERENCES)
    while int(learner.steps.numpy()) < 2_000_000:
        trainer.iterate(2_000_000)
    policy = probabilities(CYCLIC_PREFERENCES)
    if isinstance(critic, VCritic):
        found, exact = v_table(critic, 3), state_values(CYCLIC, policy, DISCOUNT)
    else:
        found, exact = q_table(critic, 3), action_values(CYCLIC, policy, DISCOUNT)
    np.testing.assert_allclose(found, exact[:3], atol=0.08)
