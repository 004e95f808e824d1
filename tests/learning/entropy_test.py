"""The entropy bonus: its coefficient, and its gradient alone against the closed form."""

from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from tests.trajectories import gradient_of, learn, softmax, tables, trajectory

PREFERENCES = np.array([[0.5, -1.0, 0.3], [2.0, 0.0, -0.7]])


def test_a_number_is_the_coefficient_for_ever() -> None:
    bonus = EntropyBonus(0.25)
    assert [float(bonus.coefficient(tf.constant(n, tf.int64))) for n in (0, 10**9)] == [0.25, 0.25]


def test_a_schedule_is_read_at_the_number_of_environment_steps() -> None:
    bonus = EntropyBonus(keras.optimizers.schedules.PolynomialDecay(0.5, 100, 0.1))
    steps = tf.Variable(0, dtype=tf.int64)
    for now, expected in ((0, 0.5), (25, 0.4), (100, 0.1), (10**6, 0.1)):
        steps.assign(now)
        assert float(bonus.coefficient(steps)) == pytest.approx(expected)


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
def test_the_gradient_of_the_entropy_alone_is_its_closed_form(reduction: str) -> None:
    """∂H/∂h_k = -π_k (log π_k + H); with rewards of 0 nothing else is left of the loss."""
    learner = tables(PREFERENCES, entropy_bonus=EntropyBonus(0.1), reduction=reduction)
    whole = trajectory([0, 1, 0, 0], [2, 0, 1], [0.0, 0.0, 0.0], [False, False, True])
    actual = gradient_of(learner, whole, learner.policy.head.preferences.kernel)
    p = softmax(PREFERENCES)
    entropy = -(p * np.log(p)).sum(-1, keepdims=True)
    visits = np.array([[2.0], [1.0]])
    share = 1 / 3 if reduction == "mean_over_steps" else 1.0
    np.testing.assert_allclose(
        actual, 0.1 * share * visits * p * (np.log(p) + entropy), rtol=1e-4, atol=1e-7
    )


def test_a_gaussians_entropy_has_gradient_one_in_each_log_scale() -> None:
    """H = Σ (log σ + ½ log 2πe)."""
    learner: Any = Learner(
        Policy(MLP(hidden=())), entropy_bonus=EntropyBonus(0.5), max_gradient_norm=None
    )
    learner.build(gym.spaces.Discrete(2), gym.spaces.Box(-1, 1, (3,)))
    whole = trajectory([0, 1, 0], np.zeros((2, 3)), [0.0, 0.0], [False, True])
    gradient = gradient_of(learner, whole, learner.policy.head.log_scale)
    np.testing.assert_allclose(gradient, [-0.5, -0.5, -0.5], rtol=1e-6)


def test_following_the_bonus_alone_leads_to_the_uniform_policy() -> None:
    learner = tables(
        PREFERENCES, entropy_bonus=EntropyBonus(1.0), optimizer=keras.optimizers.SGD(3.0)
    )
    whole = trajectory([0, 1, 0], [2, 0], [0.0, 0.0], [False, True])
    update = tf.function(lambda: learn(learner, whole)["entropy"])
    for _ in range(100):
        update()
    observation = tf.constant([0, 1])
    probabilities = tf.nn.softmax(learner.policy.distribution(observation).logits)
    np.testing.assert_allclose(probabilities, np.full((2, 3), 1 / 3), atol=1e-3)


def test_the_learner_reports_the_coefficient_at_its_own_count_of_steps() -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 8, 0.0)
    learner = tables(PREFERENCES, entropy_bonus=EntropyBonus(schedule))
    nowhere = np.zeros((3, 2), int)
    whole = trajectory(nowhere, nowhere[1:], np.ones((2, 2)))
    seen = [float(learn(learner, whole)["entropy_coefficient"]) for _ in range(3)]
    assert seen == [1.0, 0.5, 0.0]
