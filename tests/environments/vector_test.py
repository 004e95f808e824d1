"""B environments behind one step; Gymnasium's ``SyncVectorEnv`` is the oracle."""

import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.elements import environment_seeds
from pgtf.environments.environment_loop import EnvironmentLoop
from pgtf.environments.vector import LibraryVector
from pgtf.errors import ConfigurationError
from tests import toy_environments

SEED = np.array([3, -7], np.int32)

MAKERS: dict[str, Callable[[], gym.Env[Any, Any]]] = {
    "CartPole": functools.partial(gym.make, "CartPole-v1"),
    "Pendulum": functools.partial(gym.make, "Pendulum-v1", max_episode_steps=7),
    "FrozenLake": functools.partial(gym.make, "FrozenLake-v1"),
    "Blackjack": functools.partial(gym.make, "Blackjack-v1"),
    "Counting": toy_environments.Counting,
    "Nested": toy_environments.Nested,
}


def leaves(nest: Any) -> list[np.ndarray]:
    """The arrays of a nest, keys sorted."""
    if isinstance(nest, dict):
        return [leaf for key in sorted(nest) for leaf in leaves(nest[key])]
    if isinstance(nest, tuple):
        return [leaf for part in nest for leaf in leaves(part)]
    return [np.asarray(nest)]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_loop_moves_as_gymnasiums_own_vector_environment(
    make: Callable[[], gym.Env[Any, Any]],
) -> None:
    count = 5
    loop = EnvironmentLoop([make] * count)
    oracle = SyncVectorEnv([make] * count, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert loop.observation_space == oracle.single_observation_space
    assert loop.action_space == oracle.single_action_space
    expected, _ = oracle.reset(seed=list(environment_seeds(SEED, count)))
    for actual, leaf in zip(loop.reset(SEED), leaves(expected), strict=True):
        np.testing.assert_allclose(actual, leaf, rtol=1e-6)

    oracle.action_space.seed(0)
    ended = np.zeros(count, bool)
    resets = 0
    for _ in range(60):
        action = oracle.action_space.sample()
        expected, reward, terminated, truncated, _ = oracle.step(action)
        *observation, signals = loop.step(leaves(action))
        for actual, leaf in zip(observation, leaves(expected), strict=True):
            assert actual.shape == leaf.shape
            np.testing.assert_allclose(actual, leaf, rtol=1e-6)
        np.testing.assert_allclose(signals[0], reward, rtol=1e-6)
        np.testing.assert_array_equal(signals[1], terminated)
        np.testing.assert_array_equal(signals[2], truncated)
        np.testing.assert_array_equal(signals[3], ~ended)
        resets += int(ended.sum())
        ended = terminated | truncated
    assert resets > 5


def test_observations_have_the_types_of_the_specification() -> None:
    loop = EnvironmentLoop([toy_environments.Nested] * 3)
    assert [(leaf.dtype.type, leaf.shape) for leaf in loop.reset(SEED)] == [
        (np.int32, (3,)),  # gear, a choice
        (np.int32, (3, 2)),  # gear, bits
        (np.int32, (3, 2, 2)),  # lights
        (np.uint8, (3, 2, 3)),  # picture
        (np.float32, (3, 2)),  # torque
    ]


def test_observations_are_copies() -> None:
    class Overwriting(toy_environments.Counting):
        """Writes every observation into the same array."""

        buffer = np.zeros(4, np.float32)

        def _where(self, received: float) -> np.ndarray:
            self.buffer[:] = super()._where(received)
            return self.buffer

    loop = EnvironmentLoop([functools.partial(Overwriting, max_length=9)])
    first = loop.reset(SEED)[0]
    kept = first.copy()
    loop.step([np.array([1])])
    np.testing.assert_array_equal(first, kept)


def test_a_seed_repeats_every_environment_and_no_two_are_alike() -> None:
    loop = EnvironmentLoop([functools.partial(gym.make, "CartPole-v1")] * 16)
    first = loop.reset(SEED)[0]
    np.testing.assert_array_equal(loop.reset(SEED)[0], first)
    assert len(np.unique(first, axis=0)) == 16
    other = loop.reset(np.array([3, -6], np.int32))[0]
    assert len(np.unique(np.concatenate([first, other]), axis=0)) == 32


def test_held_environments_do_not_move() -> None:
    """With the rows in which it was held cut out, a copy went the way of one never held."""
    count, rows = 4, 80
    chance = np.random.default_rng(0)
    actions = chance.integers(0, 2, (rows, count))
    held = chance.random((rows, count)) < 0.4

    loop = EnvironmentLoop([toy_environments.Counting] * count)
    last = loop.reset(SEED)[0]
    seen: list[list[Any]] = [[] for _ in range(count)]
    for t in range(rows):
        observation, signals = loop.step([actions[t]], held[t])
        for i in range(count):
            if held[t, i]:
                np.testing.assert_array_equal(observation[i], last[i])
                np.testing.assert_array_equal(signals[:, i], 0.0)
            else:
                seen[i].append((*observation[i], *signals[:, i]))
        last = observation

    free = EnvironmentLoop([toy_environments.Counting] * count)
    free.reset(SEED)
    expected: list[list[Any]] = [[] for _ in range(count)]
    moves = [list(actions[~held[:, i], i]) for i in range(count)]
    for t in range(min(map(len, moves))):
        observation, signals = free.step([np.array([m[t] for m in moves])])
        for i in range(count):
            expected[i].append((*observation[i], *signals[:, i]))
    for i in range(count):
        assert len(expected[i]) > 30
        np.testing.assert_array_equal(seen[i][: len(expected[i])], expected[i])


def test_what_an_environment_raises_is_told_with_its_number() -> None:
    makers = [toy_environments.Endless, toy_environments.Broken]
    loop = EnvironmentLoop(makers)
    loop.reset(SEED)
    loop.step([np.array([0, 0])])
    loop.step([np.array([0, 0])])
    assert loop.failure is None
    message = "environment 1 raised RuntimeError: the wheel came off"
    with pytest.raises(EnvironmentFailure, match=f"{message} .* step 3 of its episode$") as raised:
        loop.step([np.array([0, 0])])
    assert loop.failure is raised.value


def test_closing_a_loop_closes_every_environment() -> None:
    closed = []

    class Closing(toy_environments.Endless):
        def close(self) -> None:
            closed.append(self)

    EnvironmentLoop([Closing] * 3).close()
    assert len(closed) == 3


def cartpoles(count: int) -> LibraryVector:
    return LibraryVector(
        gym.make_vec(
            "CartPole-v1", count, vectorization_mode="vector_entry_point", max_episode_steps=12
        )
    )


def test_a_vector_environment_of_its_own_is_masked_where_it_resets() -> None:
    count = 6
    envs = cartpoles(count)
    oracle = gym.make_vec(
        "CartPole-v1", count, vectorization_mode="vector_entry_point", max_episode_steps=12
    )
    (observation,) = envs.reset(SEED)
    expected, _ = oracle.reset(seed=environment_seeds(SEED, count)[0] & 0x7FFFFFFF)
    np.testing.assert_array_equal(observation, expected)
    assert np.abs(observation).max() <= 0.05

    ended = np.zeros(count, bool)
    seen = {"terminated": 0, "truncated": 0}
    chance = np.random.default_rng(0)
    for _ in range(80):
        action = chance.integers(0, 2, count)
        action[:2] = 1  # push the first two over, so that they terminate
        expected, _, terminated, truncated, _ = oracle.step(action)
        observation, signals = envs.step([action])
        np.testing.assert_array_equal(observation, expected)
        np.testing.assert_array_equal(signals[0], ~ended)  # CartPole's reward, none for a reset
        np.testing.assert_array_equal(signals[1], terminated)
        np.testing.assert_array_equal(signals[2], truncated)
        np.testing.assert_array_equal(signals[3], ~ended)
        assert np.all(np.abs(observation[ended]) <= 0.05)
        seen["terminated"] += int(terminated.sum())
        seen["truncated"] += int(truncated.sum())
        ended = terminated | truncated
    assert min(seen.values()) > 5


def test_a_reset_in_mid_episode_leaves_no_masked_row_behind() -> None:
    for envs in (cartpoles(2), EnvironmentLoop([functools.partial(gym.make, "CartPole-v1")] * 2)):
        envs.reset(SEED)
        ended = False
        while not ended:
            signals = envs.step([np.array([1, 1])])[-1]
            ended = bool(signals[1].any())
        envs.reset(SEED)
        np.testing.assert_array_equal(envs.step([np.array([1, 1])])[-1][3], 1.0)


def test_rows_of_a_vector_environment_that_should_be_held_are_masked() -> None:
    envs = cartpoles(3)
    envs.reset(SEED)
    for _ in range(30):
        signals = envs.step([np.array([1, 1, 0])], np.array([False, True, False]))[-1]
        np.testing.assert_array_equal(signals[:, 1], 0.0)


def test_another_kind_of_autoreset_is_refused() -> None:
    envs = SyncVectorEnv([MAKERS["CartPole"]], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ConfigurationError, match=r"GymEnvironment\.vectorization = 'loop'"):
        LibraryVector(envs)


def test_what_a_vector_environment_raises_is_told() -> None:
    envs = LibraryVector(SyncVectorEnv([toy_environments.Broken]))
    envs.reset(SEED)
    envs.step([np.array([0])])
    envs.step([np.array([0])])
    with pytest.raises(EnvironmentFailure, match="RuntimeError: the wheel came off"):
        envs.step([np.array([0])])


def test_actions_reach_a_vector_environment_in_the_types_of_its_space() -> None:
    """`Nested` asserts that its space contains them, and shows what it received."""
    envs = LibraryVector(SyncVectorEnv([toy_environments.Nested] * 2))
    envs.reset(SEED)
    gear = (np.array([-1, 1], np.int32), np.array([[0, 1], [1, 1]], np.int32))
    torque = np.array([[0.5, -1.0], [1.0, 0.25]], np.float32)
    shown = envs.step([*gear, torque])
    structure = {
        "gear": (0, 0), "lights": 0, "picture": 0, "torque": 0, "~signals": 0
    }  # fmt: skip
    seen = tf.nest.pack_sequence_as(structure, shown)
    np.testing.assert_array_equal(seen["gear"][0], gear[0])
    np.testing.assert_array_equal(seen["gear"][1], gear[1])
    np.testing.assert_array_equal(seen["torque"], torque)
    np.testing.assert_allclose(seen["~signals"][0], [-10.5, 11.25])
