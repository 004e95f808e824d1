"""MountainCar against Gymnasium's."""

import gymnasium as gym
import numpy as np
import pytest
from scipy import stats

from pgtf.environments.compiled import CompiledMountainCar


def _may_begin(observation):
    position, velocity = observation.T
    return (position >= -0.6 - 1e-7) & (position <= -0.4) & (velocity == 0)


def _random(rng, observation):
    return rng.integers(0, 3, len(observation))


def _pump(rng, observation):
    """Pushes along the motion, which reaches the goal; every other car acts at random."""
    along = np.where(observation[:, 1] < 0, 0, 2)
    return np.where(np.arange(len(along)) % 2, rng.integers(0, 3, len(along)), along)


def test_the_spaces_and_the_time_limit_are_gymnasiums():
    original = gym.make("MountainCar-v0")
    ours = CompiledMountainCar()
    assert ours.observation_space == original.observation_space
    assert ours.action_space == original.action_space
    assert ours.time_limit == gym.spec("MountainCar-v0").max_episode_steps


@pytest.mark.parametrize("goal_velocity", [0.0, 0.03])
def test_a_step_from_any_state_is_gymnasiums(single_steps, goal_velocity):
    rng = np.random.default_rng(1)
    physics = rng.uniform([[-1.2], [-0.07]], [[0.6], [0.07]], (2, 4000)).astype(np.float32)
    physics[0, :50] = -1.2
    ended = single_steps(
        CompiledMountainCar(goal_velocity=goal_velocity),
        gym.make("MountainCar-v0", goal_velocity=goal_velocity),
        physics,
        rng.integers(0, 3, 4000),
        1e-6,
    )
    assert 50 < ended < 1000


def test_whole_episodes_are_gymnasiums(lockstep):
    seen = lockstep(
        CompiledMountainCar(8), lambda: gym.make("MountainCar-v0"), _pump, _may_begin, 650, 1e-4
    )
    assert seen["terminated"] > 8
    assert seen["truncated"] >= 12


def test_episodes_begin_uniformly_on_gymnasiums_interval(first_observations):
    for observation in first_observations(CompiledMountainCar(), np.int32(1)):
        assert stats.kstest(observation[:, 0], stats.uniform(-0.6, 0.2).cdf).pvalue > 1e-3
        assert np.all(observation[:, 1] == 0)
