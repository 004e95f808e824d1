"""Policies with memory are scored and filmed with it."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.gym import GymEnvironment
from pgtf.networks.network import Network
from pgtf.policies.policy import Policy
from pgtf.running.evaluation import Evaluation
from pgtf.running.film import film

LENGTH = 7


class Beat(gym.Env[Any, Any]):
    """Pays 1 for action 0 on even steps and 1 on odd ones; only a memory can count them."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None):
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        reward = float(action == self.time % 2)
        self.time += 1
        return np.zeros(1, np.float32), reward, self.time == LENGTH, False, {}

    def render(self) -> np.ndarray:
        return np.full((8, 8, 3), 10 * self.time, np.uint8)


if "Beat-v0" not in gym.registry:
    gym.register("Beat-v0", entry_point=f"{__name__}:Beat")


class Parity(Network):
    """Its memory is a nest: whether the step is even, and whether it is odd."""

    def build(self, space: gym.Space[Any]) -> None:
        self.space, self.num_features = space, 2

    def initial_memory(self, num_envs: int) -> dict[str, tf.Tensor]:
        return {"even": tf.ones((num_envs,)), "odd": tf.zeros((num_envs,))}

    def step(self, element: Any, memory: Any) -> tuple[tf.Tensor, Any]:
        features = tf.stack([memory["even"], memory["odd"]], axis=-1)
        return features, {"even": memory["odd"], "odd": memory["even"]}


@pytest.fixture
def policy() -> Policy:
    """One that always takes the paid action."""
    policy = Policy(Parity())
    policy.build(Beat.observation_space, Beat.action_space)
    policy.head.preferences.kernel.assign(50.0 * np.eye(2))
    return policy


@pytest.mark.parametrize("greedy", [True, False])
def test_every_episode_of_an_evaluation_begins_with_fresh_memory(
    policy: Policy, greedy: bool
) -> None:
    evaluation = Evaluation(num_envs=2, greedy=greedy)
    evaluation.build(policy, GymEnvironment("Beat-v0", 2), 0)
    score = evaluation.score(5)
    evaluation.close()
    np.testing.assert_array_equal(score.returns, LENGTH)


def test_film_shows_a_policy_that_remembers(policy: Policy, tmp_path: Path) -> None:
    total, steps = film(policy, GymEnvironment("Beat-v0"), tmp_path / "film.gif", 0, greedy=True)
    assert (total, steps) == (LENGTH, LENGTH)
