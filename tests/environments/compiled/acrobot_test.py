"""Acrobot against Gymnasium's."""

import gymnasium as gym
import numpy as np
import tensorflow as tf
from scipy import stats

from pgtf.environments.compiled import CompiledAcrobot

ACROBOT = CompiledAcrobot(4)


def _may_begin(observation):
    angles = np.arctan2(observation[:, [1, 3]], observation[:, [0, 2]])
    return np.all(np.abs(np.hstack([angles, observation[:, 4:]])) <= 0.1 + 1e-6, axis=-1)


def _pump(rng, observation):
    """Pushes along the first link's swing, mostly: reaches the height within the limit."""
    along = np.where(observation[:, 4] > 0, 0, 2)
    return np.where(rng.random(len(along)) < 0.1, rng.integers(0, 3, len(along)), along)


def _random(rng, observation):
    return rng.integers(0, 3, len(observation))


def test_the_spaces_and_the_time_limit_are_gymnasiums():
    original = gym.make("Acrobot-v1")
    ours = CompiledAcrobot()
    assert ours.observation_space == original.observation_space
    assert ours.action_space == original.action_space
    assert ours.time_limit == gym.spec("Acrobot-v1").max_episode_steps


def test_a_step_from_any_state_is_gymnasiums(single_steps):
    rng = np.random.default_rng(1)
    high = np.array([[np.pi], [np.pi], [4 * np.pi], [9 * np.pi]])
    physics = rng.uniform(-high, high, (4, 3000)).astype(np.float32)
    # One Runge-Kutta step of 0.2 s from 28 rad/s multiplies rounding errors by some hundreds.
    ended = single_steps(ACROBOT, gym.make("Acrobot-v1"), physics, rng.integers(0, 3, 3000), 3e-4)
    assert 300 < ended < 2700


def test_a_step_from_a_state_of_play_is_gymnasiums(single_steps):
    rng = np.random.default_rng(2)
    high = np.array([[np.pi], [np.pi], [3.0], [5.0]])
    physics = rng.uniform(-high, high, (4, 3000)).astype(np.float32)
    single_steps(ACROBOT, gym.make("Acrobot-v1"), physics, rng.integers(0, 3, 3000), 5e-6)


def test_the_angles_stay_within_one_turn():
    acrobot = CompiledAcrobot(64)
    state, _ = acrobot.reset(tf.constant([1, 2]))
    spinning = state._replace(physics=tf.constant([[3.0], [-3.0], [9.0], [-20.0]]) + state.physics)
    after, _ = acrobot.step(spinning, tf.ones([64], tf.int32))
    assert np.abs(after.physics[:2]).max() <= np.pi + 1e-5
    assert np.abs(after.physics[:2] - spinning.physics[:2]).max() > np.pi


def test_episodes_are_gymnasiums_through_goals_and_resets(lockstep):
    seen = lockstep(ACROBOT, lambda: gym.make("Acrobot-v1"), _pump, _may_begin, 500, 1e-5, True)
    assert seen["terminated"] > 4
    assert seen["reset"] > 4


def test_the_time_limit_and_the_reset_after_it_are_gymnasiums(lockstep):
    seen = lockstep(ACROBOT, lambda: gym.make("Acrobot-v1"), _random, _may_begin, 520, 1e-5, True)
    assert seen["truncated"] >= 3
    assert seen["reset"] >= 3


def test_episodes_begin_uniformly_on_gymnasiums_interval(first_observations):
    for observation in first_observations(CompiledAcrobot(), np.int32(1)):
        angles = np.arctan2(observation[:, [1, 3]], observation[:, [0, 2]])
        for column in np.hstack([angles, observation[:, 4:]]).T:
            assert stats.kstest(column, stats.uniform(-0.1, 0.2).cdf).pvalue > 1e-3
