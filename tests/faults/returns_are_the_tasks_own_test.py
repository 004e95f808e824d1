"""Wrappers change what is learned from; what is reported are the returns of the task itself."""

from typing import Any

import gymnasium as gym
import pytest
import tensorflow as tf
from gymnasium.wrappers import (
    ClipReward,
    NormalizeObservation,
    NormalizeReward,
    TransformReward,
)

from pgtf.environments.gym import GymEnvironment, Vectorization
from pgtf.errors import ConfigurationError

COUNTING = "tests.toy_environments:Counting-v0"
ENDLESS = "tests.toy_environments:Endless-v0"
SEED = tf.constant([1, 2])


class Twice(gym.Wrapper[Any, Any, Any, Any]):
    """Takes two steps for one, unless the episode ends with the first; only the last one counts."""

    def step(self, action: Any) -> Any:
        result = self.env.step(action)
        return result if result[2] else self.env.step(action)


@pytest.mark.parametrize("vectorization", ["loop", "async"])
def test_the_score_is_counted_beneath_wrappers(vectorization: Vectorization) -> None:
    wrappers = [Twice, lambda env: ClipReward(env, -1.0, 0.5)]
    environment = GymEnvironment(ENDLESS, 2, {"terminates_after": 5}, wrappers, vectorization)
    try:
        state, _ = environment.reset(SEED)
        rows = []
        for _ in range(5):
            state, row = environment.step(state, tf.constant([0, 1]))
            rows.append((row.reward.numpy().tolist(), row.score.numpy().tolist()))
    finally:
        environment.close()
    two, one, reset = ([0.5] * 2, [2.0] * 2), ([0.5] * 2, [1.0] * 2), ([0.0] * 2, [0.0] * 2)
    assert rows == [two, two, one, reset, two]


def test_without_wrappers_no_rollout_carries_the_score_twice() -> None:
    state, _ = (environment := GymEnvironment(COUNTING, 2)).reset(SEED)
    _, row = environment.step(state, tf.constant([0, 1]))
    assert row.score is row.reward


class Mine(NormalizeObservation[Any, Any, Any]):
    """A user's own, as of a subclass."""


@pytest.mark.parametrize(
    ("wrapper", "instead"),
    [
        (NormalizeObservation, r"MLP\.normalization = @RunningNormalization\(\)"),
        (Mine, r"^Mine .*MLP\.normalization = @RunningNormalization\(\)"),
        (NormalizeReward, r"^NormalizeReward .*Learner\.reward_scale"),
    ],
)
def test_wrappers_with_statistics_of_their_own_are_refused(wrapper: Any, instead: str) -> None:
    def outermost(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        return TransformReward(env, lambda reward: reward)

    with pytest.raises(ConfigurationError, match=instead):
        GymEnvironment(COUNTING, 1, wrappers=[wrapper, outermost])
