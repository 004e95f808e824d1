"""MountainCarContinuous against Gymnasium's."""

import gymnasium as gym
import numpy as np
from scipy import stats

from pgtf.environments.compiled import CompiledMountainCarContinuous


def _may_begin(observation):
    position, velocity = observation.T
    return (position >= -0.6 - 1e-7) & (position <= -0.4) & (velocity == 0)


def _pump(rng, observation):
    """Pushes along the motion, often beyond the bounds; every other car acts at random."""
    noise = rng.uniform(-2, 2, len(observation))
    along = np.where(observation[:, 1] < 0, -1.0, 1.0) + 0.2 * noise
    return np.where(np.arange(len(along)) % 2, noise, along)[:, None].astype(np.float32)


def test_the_spaces_and_the_time_limit_are_gymnasiums():
    original = gym.make("MountainCarContinuous-v0")
    ours = CompiledMountainCarContinuous()
    assert ours.observation_space == original.observation_space
    assert ours.action_space == original.action_space
    assert ours.time_limit == gym.spec("MountainCarContinuous-v0").max_episode_steps


def test_a_step_from_any_state_is_gymnasiums_with_the_action_clipped(single_steps):
    rng = np.random.default_rng(1)
    physics = rng.uniform([[-1.2], [-0.07]], [[0.6], [0.07]], (2, 4000)).astype(np.float32)
    physics[0, :50] = -1.2
    action = rng.uniform(-2, 2, (4000, 1)).astype(np.float32)
    ended = single_steps(
        CompiledMountainCarContinuous(), gym.make("MountainCarContinuous-v0"), physics, action, 1e-6
    )
    assert 100 < ended < 1000


def test_whole_episodes_are_gymnasiums(lockstep):
    seen = lockstep(
        CompiledMountainCarContinuous(4),
        lambda: gym.make("MountainCarContinuous-v0"),
        _pump,
        _may_begin,
        1020,
        1e-4,
    )
    assert seen["terminated"] > 8
    assert seen["truncated"] >= 1


def test_episodes_begin_uniformly_on_gymnasiums_interval(first_observations):
    for observation in first_observations(CompiledMountainCarContinuous(), np.zeros(1, np.float32)):
        assert stats.kstest(observation[:, 0], stats.uniform(-0.6, 0.2).cdf).pvalue > 1e-3
        assert np.all(observation[:, 1] == 0)
