"""Rewards in units of the deviation of the discounted return, against NumPy and Gymnasium."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from pgtf.environments.adapters.normalized_reward import NormalizedReward
from pgtf.errors import ConfigurationError
from pgtf.trajectory import Trajectory
from tests.environments.adapters.tasks import Costly, rollouts, task

KINDS = pytest.mark.parametrize("kind", ["hosted", "compiled"])
DISCOUNT = 0.9


class Returns:
    """G_t = γ G_{t-1} + r_t of B copies, from 0 in each episode."""

    def __init__(self, num_envs: int):
        self.now = np.zeros(num_envs)
        self.all: list[float] = []

    def add(self, trajectory: Trajectory) -> None:
        for score, mask in zip(trajectory.score, trajectory.mask, strict=True):
            self.now = np.where(mask > 0, DISCOUNT * self.now + score, 0.0)
            self.all += list(self.now[mask > 0])


@KINDS
def test_rewards_are_divided_by_the_deviation_of_the_returns_before(kind: str) -> None:
    adapter = NormalizedReward(task(kind), DISCOUNT, clip=None)
    play, returns, deviation = rollouts(adapter, 40), Returns(4), 1.0
    for _ in range(3):
        trajectory = play()
        assert np.any(trajectory.mask == 0)
        np.testing.assert_allclose(trajectory.reward, trajectory.score / deviation, rtol=1e-4)
        returns.add(trajectory)
        deviation = float(np.std(returns.all))
        count, mean, variance = (variable.numpy() for variable in adapter.variables)
        assert count == len(returns.all)
        np.testing.assert_allclose(mean, np.mean(returns.all), rtol=1e-4)
        np.testing.assert_allclose(np.sqrt(variance), deviation, rtol=1e-4)
    adapter.close()


@KINDS
def test_clipping_is_after_the_division_and_spares_the_score(kind: str) -> None:
    adapter = NormalizedReward(task(kind), clip=0.25)
    adapter.variables[2].assign(4.0)  # A deviation of 2.
    trajectory = rollouts(adapter, 40)()
    np.testing.assert_allclose(
        trajectory.reward, np.clip(trajectory.score / 2.0, -0.25, 0.25), rtol=1e-5
    )
    assert np.abs(trajectory.score).max() > 0.5
    adapter.close()


class Recorded(gym.vector.VectorEnv[Any, Any, Any]):
    """Gives rewards [T, B], one row a step."""

    def __init__(self, rewards: np.ndarray):
        self.num_envs = rewards.shape[1]
        self.rows = iter(rewards)

    def step(self, actions: Any) -> Any:
        no = np.zeros(self.num_envs, bool)
        return np.zeros((self.num_envs, 1)), next(self.rows), no, no, {}


def test_the_deviation_is_gymnasiums_where_no_episode_ends() -> None:
    adapter = NormalizedReward(Costly(3, time_limit=None), DISCOUNT)
    trajectory = rollouts(adapter, 40)()
    assert np.all(trajectory.mask == 1)
    theirs = gym.wrappers.vector.NormalizeReward(Recorded(trajectory.score), gamma=DISCOUNT)
    for _ in range(40):
        theirs.step(np.zeros(3))
    np.testing.assert_allclose(adapter.variables[2], theirs.return_rms.var, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"discount": 1.5}, r"discount must be in \[0, 1\]"),
        ({"clip": 0.0}, "clip must be positive"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^NormalizedReward\.{message}"):
        NormalizedReward(task("compiled"), **arguments)
