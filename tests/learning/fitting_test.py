"""Regression of its own: least squares, the proximal term, and fitted V iteration."""

import re
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.learning.critics import VCritic
from pgtf.learning.estimators import TD0
from pgtf.learning.fitting import Regression
from pgtf.networks.mlp import MLP
from tests.trajectories import learn, table_v, tables, trajectory

# Rows x with targets y, and their weights; the last one is masked and an outlier.
RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 1, 3))
Y = RNG.normal(1.0, 2.0, (12, 1))
WEIGHT = np.full((12, 1), 1 / 11)
X[-1], Y[-1], WEIGHT[-1] = 50.0, -500.0, 0.0


def closed_form(proximal: float = 0.0, anchor: np.ndarray | None = None) -> np.ndarray:
    """argmin_φ Σ w (y - x·φ)² + λ ‖φ - φ_i‖² over kernel and bias."""
    x = np.concatenate([X[:, 0], np.ones((12, 1))], axis=1)
    w = np.diag(WEIGHT[:, 0])
    anchor = np.zeros(4) if anchor is None else anchor
    return np.linalg.solve(
        x.T @ w @ x + proximal * np.eye(4), x.T @ w @ Y[:, 0] + proximal * anchor
    )


def linear() -> VCritic:
    """V(s) = x·φ: an MLP without layers has the observation itself for features."""
    critic = VCritic(MLP(hidden=()))
    critic.build(gym.spaces.Box(-9.0, 9.0, (3,)), gym.spaces.Discrete(2))
    return critic


def parameters(critic: VCritic) -> np.ndarray:
    return np.concatenate([np.ravel(v.numpy()) for v in critic.trainable_variables])


def run(critic: VCritic, fit: Regression) -> None:
    x = tf.constant(X, tf.float32)
    y, weight = tf.constant(Y, tf.float32), tf.constant(WEIGHT, tf.float32)
    tf.function(
        lambda: fit.run(lambda: critic.value(x), y, weight, critic.trainable_variables),
        autograph=False,
        jit_compile=True,
    )()


def fitted(critic: VCritic, learning_rate: float, **arguments: Any) -> Regression:
    fit = Regression(keras.optimizers.SGD(learning_rate), **arguments)
    fit.build(critic.trainable_variables)
    return fit


def test_linear_features_converge_to_least_squares() -> None:
    critic = linear()
    run(critic, fitted(critic, 0.1, num_steps=2000))
    np.testing.assert_allclose(parameters(critic), closed_form(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("proximal", [0.1, 1.0, 10.0])
def test_the_proximal_term_draws_to_the_parameters_before_the_fit(proximal: float) -> None:
    critic = linear()
    anchor = parameters(critic)
    run(critic, fitted(critic, 0.4 / (2.0 + proximal), num_steps=2000, proximal=proximal))
    expected = closed_form(proximal, anchor)
    np.testing.assert_allclose(parameters(critic), expected, rtol=1e-3, atol=1e-3)
    assert np.abs(expected - anchor).max() > 1e-2
    assert np.abs(expected - closed_form()).max() > 1e-2


def test_an_infinite_proximal_term_leaves_the_parameters_unmoved() -> None:
    """The distance falls as 1/λ: (XᵀWX + λ)⁻¹ Xᵀ W (y - X φ_i)."""
    moved = []
    for proximal in (1e2, 1e4, 1e6):
        critic = linear()
        critic.output_layer.kernel.assign(np.ones((3, 1)))
        anchor = parameters(critic)
        run(critic, fitted(critic, 0.4 / proximal, num_steps=200, proximal=proximal))
        moved.append(np.abs(parameters(critic) - anchor).max())
    assert moved[0] > 50 * moved[1]
    assert moved[2] < 1e-5


def test_the_anchor_is_where_each_fit_begins() -> None:
    """Two fits in a row follow the proximal point iteration."""
    critic = linear()
    fit = fitted(critic, 0.3, num_steps=500, proximal=0.5)
    expected = parameters(critic)
    for _ in range(2):
        run(critic, fit)
        expected = closed_form(0.5, expected)
    np.testing.assert_allclose(parameters(critic), expected, rtol=1e-3, atol=1e-3)


def test_the_number_of_steps() -> None:
    critic = linear()
    fit = fitted(critic, 0.1, num_steps=7)
    run(critic, fit)
    run(critic, fit)
    assert int(fit.optimizer.iterations.numpy()) == 14


def test_one_step_by_hand() -> None:
    critic = linear()
    before = parameters(critic)
    run(critic, fitted(critic, 0.1, num_steps=1))
    x = np.concatenate([X[:, 0], np.ones((12, 1))], axis=1)
    gradient = 2.0 * (WEIGHT[:, 0] * (x @ before - Y[:, 0])) @ x
    np.testing.assert_allclose(parameters(critic), before - 0.1 * gradient, rtol=1e-4, atol=1e-5)


# A process of four states under the policy's one behaviour; the last one ends the episode.
NEXT, REWARD = np.array([1, 2, 0, 3]), np.array([1.0, -2.0, 0.5, 4.0])
TRANSITIONS = trajectory(
    np.stack([np.arange(4), NEXT]), np.zeros((1, 4), int), REWARD[None], [[False] * 3 + [True]]
)
FOLLOW = np.eye(4)[NEXT] * np.array([[1.0], [1.0], [1.0], [0.0]])


def iterated(updates: int, **arguments: Any) -> np.ndarray:
    """V after some iterations of fitting to one-step targets, from V = 1."""
    critic = table_v(Regression(keras.optimizers.SGD(0.5), **arguments))
    learner = tables(np.zeros((4, 1)), critic=critic, returns=TD0(), discount=0.8)
    critic.output_layer.bias.assign([1.0])
    critic.output_layer.kernel.assign(np.zeros((4, 1)))
    update = tf.function(lambda: learn(learner, TRANSITIONS)["value_loss"])
    for _ in range(updates):
        update()
    return critic.value(tf.range(4)).numpy()


def test_fitted_v_iteration_converges_to_v_pi() -> None:
    v_pi = np.linalg.solve(np.eye(4) - 0.8 * FOLLOW, REWARD)
    np.testing.assert_allclose(iterated(60, num_steps=60), v_pi, rtol=1e-3, atol=1e-3)


def test_the_target_stands_still_during_one_fit() -> None:
    """One iteration reaches r + γ V_i(s') and no further, however long it fits."""
    expected = REWARD + 0.8 * FOLLOW @ np.ones(4)
    np.testing.assert_allclose(iterated(1, num_steps=500), expected, rtol=1e-4, atol=1e-4)


def test_an_infinite_proximal_term_stops_fitted_v_iteration() -> None:
    critic = table_v(Regression(keras.optimizers.SGD(1e-9), num_steps=50, proximal=1e8))
    learner = tables(np.zeros((4, 1)), critic=critic, returns=TD0(), discount=0.8)
    before = critic.value(tf.range(4)).numpy()
    learn(learner, TRANSITIONS)
    np.testing.assert_allclose(critic.value(tf.range(4)), before, atol=1e-6)


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ({"num_steps": 0}, "Regression.num_steps must be at least 1, not 0."),
        ({"proximal": -1.0}, "Regression.proximal must be at least 0, not -1.0."),
    ],
)
def test_values_that_cannot_work_are_refused(binding: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        Regression(**binding)
