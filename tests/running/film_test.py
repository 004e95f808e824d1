"""A film shows the task itself, from the first observation to the last."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.policies.decision import Decision
from pgtf.running.film import film
from pgtf.trajectory import TimeStep

LENGTH = 5


class Slide(Environment):
    """A picture that brightens with each of five steps, the last of which ends the episode."""

    observation_space = gym.spaces.Box(0.0, 5.0, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)
    num_envs = 1
    name = "Slide"

    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        self.time = 0
        return (), tf.zeros((1, 1))

    def step(self, state: Any, action: Any, held: Any = None) -> tuple[Any, TimeStep]:
        self.time += 1
        no, yes = tf.constant([False]), tf.constant([self.time == LENGTH])
        reward, score = tf.constant([7.0]), tf.constant([2.0])
        observation = tf.fill((1, 1), float(self.time))
        return (), TimeStep(observation, reward, yes, no, tf.ones((1,)), score)

    def replicate(self, num_envs: int, frozen: bool = False) -> "Slide":
        return self

    def drawn(self) -> "Slide":
        return self

    def render(self) -> Any:
        return np.full((8, 8, 3), 40 * self.time, np.uint8)


class Idle:
    """Acts by doing nothing."""

    def initial_memory(self, num_envs: int) -> Any:
        return ()

    def act(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        return Decision(tf.zeros((1,), tf.int32))

    act_greedily = act


@pytest.mark.parametrize(
    ("name", "kind"), [("a.gif", "GIF"), ("a.webp", "WEBP"), ("a.PNG", "PNG"), ("a.apng", "PNG")]
)
def test_an_episode_of_n_steps_has_n_and_1_frames_of_the_kind_its_name_says(
    name: str, kind: str, tmp_path: Path
) -> None:
    policy: Any = Idle()
    total, steps = film(policy, Slide(), tmp_path / name, 0, greedy=False)

    # What is told is the score, not what is learned from.
    assert (total, steps) == (10.0, LENGTH)
    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind
        brightness = []
        for i in range(getattr(picture, "n_frames", 1)):
            picture.seek(i)
            brightness.append(int(np.asarray(picture.convert("RGB"))[4, 4, 0]))
    np.testing.assert_allclose(brightness, [40 * t for t in range(LENGTH + 1)], atol=8)


@pytest.mark.parametrize("name", ["film.mp4", "film"])
def test_a_name_of_another_kind_is_refused_before_anything_is_played(
    name: str, tmp_path: Path
) -> None:
    policy: Any = None
    with pytest.raises(ConfigurationError, match=r"^--film=.* \.gif, \.webp or \.png\.$"):
        film(policy, Slide(), tmp_path / name, 0, greedy=True)
    assert not list(tmp_path.iterdir())
