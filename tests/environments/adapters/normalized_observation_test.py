"""Standardised observations, against NumPy."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.adapters.normalized_observation import NormalizedObservation
from pgtf.environments.compiled import CompiledCatch
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from tests.environments.adapters.tasks import rollouts, task

KINDS = pytest.mark.parametrize("kind", ["hosted", "compiled"])


class Parts(Adapter):
    """Shows two numbers, one of them with a category and bytes."""

    def __init__(self, environment: Environment):
        super().__init__(environment)
        number = gym.spaces.Box(-np.inf, np.inf, (), np.float64)
        rest = (number, gym.spaces.Discrete(3), gym.spaces.Box(0, 9, (2,), np.uint8))
        self.observation_space = gym.spaces.Dict(z=number, a=gym.spaces.Tuple(rest))

    def observe(self, memory: Any, observation: tf.Tensor) -> Any:
        x = observation[:, 0]
        category = tf.zeros_like(x, tf.int32)
        image = tf.zeros((self.num_envs, 2), tf.uint8)
        return {"z": 100.0 + 3.0 * x, "a": (x, category, image)}


@KINDS
def test_observations_are_standardised_by_all_that_were_acted_on_before(kind: str) -> None:
    adapter, plain = NormalizedObservation(task(kind)), task(kind)
    play, play_plain, seen = rollouts(adapter, 40), rollouts(plain, 40), []
    mean, deviation = 0.0, 1.0
    for _ in range(3):
        mine, raw = play(), play_plain()
        assert np.any(raw.mask == 0)
        expected = np.clip((raw.observation - mean) / deviation, -10.0, 10.0)
        # The first row was seen before the last update.
        np.testing.assert_allclose(mine.observation[1:], expected[1:], rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(mine.score, raw.score)
        assert adapter.observation_space.contains(mine.observation[3, 0])
        seen.append(raw.observation[:-1][raw.mask > 0])
        together = np.concatenate(seen).astype(np.float64)
        mean, deviation = together.mean(0), np.sqrt(together.var(0) + 1e-8)
        count, *moments = (variable.numpy() for variable in adapter.variables)
        assert count == len(together)
        np.testing.assert_allclose(moments[0], mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(np.sqrt(moments[1] + 1e-8), deviation, rtol=1e-4)
    adapter.close()
    plain.close()


def test_numbers_in_a_nest_are_standardised_each_and_the_rest_stays() -> None:
    adapter = NormalizedObservation(Parts(task("compiled")), clip=3.0)
    assert len(adapter.variables) == 6
    play = rollouts(adapter, 40)
    play()
    observation = play().observation
    number, category, image = observation["a"]
    # 100 + 3 x, standardised, is x standardised.
    np.testing.assert_allclose(observation["z"][1:], number[1:], atol=1e-3)
    assert np.abs(number).max() > 1.0
    assert np.all(category == 0)
    assert image.dtype == np.uint8
    space: Any = adapter.observation_space
    raw: Any = Parts(task("compiled")).observation_space
    assert space["z"] == gym.spaces.Box(-3.0, 3.0, (), np.float32)
    assert space["a"][1:] == raw["a"][1:]


def test_what_a_lower_adapter_learns_from_is_what_it_shows_itself() -> None:
    inner = NormalizedObservation(task("compiled"))
    outer = NormalizedObservation(inner)
    rollouts(outer, 40)()
    alone = NormalizedObservation(task("compiled"))
    rollouts(alone, 40)()
    for variable, same in zip(inner.variables, alone.variables, strict=True):
        np.testing.assert_array_equal(variable, same)


def test_frozen_copies_see_what_was_learned_and_learn_nothing() -> None:
    adapter = NormalizedObservation(task("compiled"))
    rollouts(adapter, 40)()
    learned = [variable.numpy() for variable in adapter.variables]
    frozen = adapter.replicate(2, frozen=True)
    observation = rollouts(frozen, 40)().observation
    raw = rollouts(task("compiled", 2), 40)().observation
    expected = (raw - learned[1]) / np.sqrt(learned[2] + 1e-8)
    np.testing.assert_allclose(observation, expected, rtol=1e-3, atol=1e-4)
    for variable, before in zip(adapter.variables, learned, strict=True):
        np.testing.assert_array_equal(variable, before)


def test_observations_without_numbers_are_refused() -> None:
    class Bytes(Adapter):
        def __init__(self) -> None:
            super().__init__(CompiledCatch(2))
            self.observation_space = gym.spaces.Box(0, 255, (2, 2), np.uint8)

    with pytest.raises(ConfigurationError, match=r"^NormalizedObservation standardises"):
        NormalizedObservation(Bytes())
    with pytest.raises(ConfigurationError, match=r"^NormalizedObservation\.clip must be positive"):
        NormalizedObservation(task("compiled"), clip=-1.0)
