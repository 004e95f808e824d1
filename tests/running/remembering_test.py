"""Policies with memory where they are used: scored, filmed and called from Python."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.gym import GymEnvironment
from pgtf.networks.network import Network
from pgtf.policies.acting_graph import acting_graph, live_policy, save_graph, saved_policy
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.policies.policy import Policy
from pgtf.running.evaluation import Evaluation
from pgtf.running.film import film

LENGTH = 7


class Beat(gym.Env[np.ndarray, int]):
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

    def render(self) -> np.ndarray:  # type: ignore[override]
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
    policy.head.preferences.kernel.assign(50.0 * np.eye(2))  # type: ignore[attr-defined]
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


@pytest.fixture(params=["live", "saved"])
def numpy_policy(policy: Policy, tmp_path: Path, request: pytest.FixtureRequest) -> NumpyPolicy:
    spaces = (Beat.observation_space, Beat.action_space)
    graph = acting_graph(policy, *spaces)
    if request.param == "live":
        return live_policy(graph, policy, *spaces)
    save_graph(graph, tmp_path / "policy")
    weights = [variable.numpy() for variable in policy.variables]
    return saved_policy(tmp_path / "policy", weights, *spaces)


def test_policy_called_from_python_remembers_until_it_is_reset(numpy_policy: NumpyPolicy) -> None:
    env = Beat()
    for _ in range(2):
        observation, _ = env.reset()
        numpy_policy.reset()
        total, ended = 0.0, False
        while not ended:
            action = numpy_policy(observation, greedy=False)
            observation, reward, ended, _, _ = env.step(action)
            total += reward
        assert total == LENGTH
    assert numpy_policy(observation) == LENGTH % 2  # The next step, without a reset.


def test_batch_remembers_an_episode_a_row(numpy_policy: NumpyPolicy) -> None:
    batch = np.zeros((3, 1), np.float32)
    assert numpy_policy(batch).tolist() == [0, 0, 0]
    assert numpy_policy(batch).tolist() == [1, 1, 1]
    numpy_policy(batch)
    numpy_policy.reset(ended=np.array([False, True, False]))
    assert numpy_policy(batch).tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match=r"remembers 3 episodes and is given 1 observations"):
        numpy_policy(batch[0])
    numpy_policy.reset()
    assert numpy_policy(batch[0]) == 0
