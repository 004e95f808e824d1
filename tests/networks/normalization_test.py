"""Running statistics against NumPy's over all the data, and when they may move."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.critics import VCritic
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.policy import Policy
from tests.trajectories import SEED, gradients_of, learn, trajectory, weights


def statistics(features: int = 3) -> RunningNormalization:
    layer = RunningNormalization()
    layer.build(features)
    return layer


def adapt(layer: RunningNormalization, x: np.ndarray, mask: np.ndarray) -> None:
    layer.adapt(tf.constant(x, tf.float32), tf.constant(mask, tf.float32))


@pytest.mark.parametrize("splits", [[], [1], [50], [1, 2, 3, 40, 99], list(range(1, 100))])
def test_statistics_are_those_of_all_unmasked_steps_however_they_were_split(
    splits: list[int],
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal([0.0, 5.0, -300.0], [1.0, 0.1, 40.0], (100, 4, 3))
    mask = rng.random((100, 4)) < 0.7
    x[~mask] = 1e6
    layer = statistics()
    for part, rows in zip(np.split(x, splits), np.split(mask, splits), strict=True):
        adapt(layer, part, rows)
    seen = x[mask]
    assert float(layer.count) == len(seen)
    np.testing.assert_allclose(layer.mean, seen.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.variance, seen.var(0), rtol=1e-3)


def test_a_far_mean_does_not_cancel_the_variance() -> None:
    x = np.random.default_rng(1).normal(1e4, 1.0, (50, 2, 1)).astype(np.float32)
    layer = statistics(1)
    for part in np.split(x, 10):
        adapt(layer, part, np.ones((5, 2)))
    np.testing.assert_allclose(layer.variance, x.var(dtype=np.float64), rtol=1e-2)


def test_features_are_standardised_and_clipped() -> None:
    layer = statistics(2)
    adapt(layer, np.array([[[1.0, 10.0]], [[3.0, 30.0]]]), np.ones((2, 1)))  # means 2, 20; σ 1, 10
    actual = layer(tf.constant([[[2.0, 40.0], [1.0, 5.0]], [[500.0, -500.0], [3.0, 30.0]]]))
    expected = [[[0.0, 2.0], [-1.0, -1.5]], [[10.0, -10.0], [1.0, 1.0]]]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_before_any_data_features_pass_unchanged() -> None:
    np.testing.assert_allclose(statistics()(tf.constant([[1.0, -2.0, 3.0]])), [[1.0, -2.0, 3.0]])


def test_a_feature_that_never_varied_stays_finite() -> None:
    layer = statistics(1)
    adapt(layer, np.full((3, 2, 1), 7.0), np.ones((3, 2)))
    assert layer(tf.constant([[7.0], [8.0]])).numpy().tolist() == [[0.0], [10.0]]


def test_a_batch_that_is_masked_throughout_moves_nothing() -> None:
    for first in (0, 5):
        layer = statistics(1)
        if first:
            adapt(layer, np.arange(5.0)[:, None, None], np.ones((5, 1)))
        before = [w.numpy().tolist() for w in layer.weights]
        adapt(layer, np.full((2, 2, 1), 9.0), np.zeros((2, 2)))
        assert [w.numpy().tolist() for w in layer.weights] == before


def test_statistics_are_not_trained() -> None:
    assert not statistics().trainable_variables


def normalized() -> MLP:
    return MLP(hidden=(4,), normalization=RunningNormalization())


OBSERVATION = np.random.default_rng(2).normal(4.0, 3.0, (6, 2, 3))


def example() -> Any:
    """A learner with statistics in each network, that have seen something, and its optimizers."""
    learner: Any = Learner(Policy(normalized()), VCritic(normalized(), Regression(num_steps=2)))
    learner.build(gym.spaces.Box(-9, 9, (3,)), gym.spaces.Discrete(2))
    for part in (learner.policy, learner.critic):
        adapt(part.network.normalization, OBSERVATION - 1.0, np.ones((6, 2)))
    return learner


def test_acting_and_differentiating_move_nothing_and_an_update_moves_each_once() -> None:
    learner = example()
    ended = [[False, False], [True, False], *[[False, False]] * 3]
    whole = trajectory(OBSERVATION, np.zeros((5, 2), int), np.ones((5, 2)), ended)
    before = weights(learner)
    learner.policy.act(whole.observation, (), SEED)
    learner.policy.act_greedily(whole.observation, (), SEED)
    gradients_of(learner, whole, SEED)
    for now, then in zip(weights(learner), before, strict=True):
        np.testing.assert_array_equal(now, then)

    learn(learner, whole)
    unmasked = OBSERVATION[:-1][whole.mask.numpy() > 0]
    assert len(unmasked) == 9  # the reset row is no step
    seen = np.concatenate([(OBSERVATION - 1.0).reshape(-1, 3), unmasked])
    for part in (learner.policy, learner.critic):
        layer = part.network.normalization
        assert float(layer.count) == 12 + 9
        np.testing.assert_allclose(layer.mean, seen.mean(0), rtol=1e-4)
        np.testing.assert_allclose(layer.variance, seen.var(0), rtol=1e-4)


def test_the_log_probs_that_are_differentiated_are_those_that_acted() -> None:
    learner = example()
    observation = tf.constant(OBSERVATION, tf.float32)
    action = learner.policy.act(observation[:-1], (), SEED).action
    acted = learner.policy.distribution(observation[:-1]).log_prob(action)
    whole = trajectory(OBSERVATION, action, np.ones((5, 2)))
    np.testing.assert_allclose(learner.objective.evaluate(whole, SEED).log_prob, acted, rtol=1e-6)


def test_a_network_that_policy_and_critic_share_counts_each_step_once() -> None:
    network: Any = normalized()
    learner = Learner(Policy(network), VCritic(network))
    learner.build(gym.spaces.Box(-9, 9, (3,)), gym.spaces.Discrete(2))
    learn(learner, trajectory(OBSERVATION, np.zeros((5, 2), int), np.ones((5, 2))))
    assert float(network.normalization.count) == 10
