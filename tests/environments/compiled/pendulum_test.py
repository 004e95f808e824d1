"""Pendulum against Gymnasium's."""

import gymnasium as gym
import numpy as np
import pytest
from scipy import stats

from pgtf.environments.compiled import CompiledPendulum


def _may_begin(observation):
    return np.abs(observation[:, 2]) <= 1


def _random(rng, observation):
    return rng.uniform(-4, 4, (len(observation), 1)).astype(np.float32)


def test_the_spaces_and_the_time_limit_are_gymnasiums():
    original = gym.make("Pendulum-v1")
    ours = CompiledPendulum()
    assert ours.observation_space == original.observation_space
    assert ours.action_space == original.action_space
    assert ours.time_limit == gym.spec("Pendulum-v1").max_episode_steps


@pytest.mark.parametrize("g", [10.0, 3.7])
def test_a_step_from_any_state_is_gymnasiums_with_the_action_clipped(single_steps, g):
    rng = np.random.default_rng(1)
    high = np.array([[np.pi], [8]])
    physics = rng.uniform(-high, high, (2, 4000)).astype(np.float32)
    action = rng.uniform(-4, 4, (4000, 1)).astype(np.float32)
    ended = single_steps(CompiledPendulum(g=g), gym.make("Pendulum-v1", g=g), physics, action, 2e-6)
    assert ended == 0


def test_episodes_are_gymnasiums_through_time_limits(lockstep):
    seen = lockstep(
        CompiledPendulum(8), lambda: gym.make("Pendulum-v1"), _random, _may_begin, 620, 2e-6, True
    )
    assert seen == {"terminated": 0, "truncated": 24, "both": 0, "reset": 24}


def test_a_short_sequence_is_gymnasiums_without_correction(lockstep):
    # Gymnasium lets the angle grow and we wrap it: the same motion all the same.
    lockstep(CompiledPendulum(16), lambda: gym.make("Pendulum-v1"), _random, _may_begin, 60, 1e-3)


def test_episodes_begin_uniformly_on_gymnasiums_interval(first_observations):
    for observation in first_observations(CompiledPendulum(), np.zeros(1, np.float32)):
        angle = np.arctan2(observation[:, 1], observation[:, 0])
        assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
        assert stats.kstest(observation[:, 2], stats.uniform(-1, 2).cdf).pvalue > 1e-3
