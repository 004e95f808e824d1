"""CartPole against Gymnasium's."""

import gymnasium as gym
import numpy as np
import pytest
from scipy import stats

from pgtf.environments.compiled import CompiledCartPole


def _may_begin(observation):
    return np.all(np.abs(observation) <= 0.05, axis=-1)


def _random(rng, observation):
    return rng.integers(0, 2, len(observation))


def _balance(rng, observation):
    """Keeps most poles up; every fourth acts at random."""
    x, speed, angle, turn = observation.T
    steady = (angle + 0.5 * turn + 0.02 * x + 0.05 * speed > 0).astype(int)
    return np.where(np.arange(len(x)) % 4 == 3, rng.integers(0, 2, len(x)), steady)


def test_the_spaces_and_the_time_limit_are_gymnasiums():
    original = gym.make("CartPole-v1")
    ours = CompiledCartPole()
    assert ours.observation_space == original.observation_space
    assert ours.action_space == original.action_space
    assert ours.time_limit == gym.spec("CartPole-v1").max_episode_steps


def test_a_step_from_any_state_is_gymnasiums(single_steps):
    rng = np.random.default_rng(1)
    high = np.array([[2.5], [4], [0.22], [4]])
    physics = rng.uniform(-high, high, (4, 4000))
    ended = single_steps(
        CompiledCartPole(),
        gym.make("CartPole-v1"),
        physics.astype(np.float32),
        rng.integers(0, 2, 4000),
        1e-6,
    )
    assert 400 < ended < 3600


@pytest.mark.parametrize("sutton_barto_reward", [False, True])
def test_whole_episodes_are_gymnasiums(lockstep, sutton_barto_reward):
    # No correction between resets: errors stay at rounding level for whole random episodes.
    seen = lockstep(
        CompiledCartPole(8, sutton_barto_reward=sutton_barto_reward),
        lambda: gym.make("CartPole-v1", sutton_barto_reward=sutton_barto_reward),
        _random,
        _may_begin,
        400,
        1e-4,
    )
    assert seen["terminated"] > 50


def test_the_time_limit_and_the_reset_after_it_are_gymnasiums(lockstep):
    seen = lockstep(
        CompiledCartPole(8),
        lambda: gym.make("CartPole-v1"),
        _balance,
        _may_begin,
        1100,
        1e-6,
        follow=True,
    )
    assert seen["truncated"] >= 6
    assert seen["terminated"] >= 20
    assert seen["reset"] >= 26


def test_an_episode_may_end_in_both_ways_at_once(lockstep):
    seen = lockstep(
        CompiledCartPole(16, time_limit=12),
        lambda: gym.make("CartPole-v1", max_episode_steps=12),
        _random,
        _may_begin,
        300,
        1e-4,
    )
    assert seen["both"] > 0
    assert seen["truncated"] > seen["both"]


def test_episodes_begin_uniformly_on_gymnasiums_interval(first_observations):
    for observation in first_observations(CompiledCartPole(), np.int32(0)):
        for column in observation.T:
            assert stats.kstest(column, stats.uniform(-0.05, 0.1).cdf).pvalue > 1e-3
        correlation = np.corrcoef(observation.T) - np.eye(4)
        assert np.abs(correlation).max() < 5 / np.sqrt(len(observation))
