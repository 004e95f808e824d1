"""A compiled environment is drawn as the very task it is, or not at all."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import (
    REGISTRY,
    CompiledCatch,
    CompiledDeepSea,
    CompiledFourRooms,
    CompiledFreeway,
    CompiledFrozenLake,
    CompiledMountainCar,
    CompiledPendulum,
    CompiledTabular,
    CompiledUmbrellaChain,
    compiled_environment,
)
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError

SEED = tf.constant([1, 2])
ORIGINALS = [id for id in REGISTRY if compiled_environment(id).original]


def original(environment):
    """The one Gymnasium environment that stands for a compiled one."""
    drawn = environment.drawn()
    assert isinstance(drawn, GymEnvironment)
    assert drawn.num_envs == 1
    return drawn.make()


@pytest.mark.parametrize("id", ORIGINALS)
def test_every_task_that_gymnasium_has_is_drawn_with_the_same_spaces_and_limit(id):
    environment = compiled_environment(id, num_envs=3)
    drawn = environment.drawn()
    assert drawn.observation_space == environment.observation_space
    assert drawn.action_space == environment.action_space
    drawn.reset(SEED)
    assert drawn.render().shape[-1] == 3
    limits = [env._max_episode_steps for env in chain(original(environment)) if limited(env)]
    assert limits == [gym.spec(id).max_episode_steps]
    drawn.close()


@pytest.mark.parametrize("id", [id for id in REGISTRY if id not in {*ORIGINALS, "Catch-v0"}])
def test_a_task_with_a_picture_shows_where_it_is(id):
    """One copy moves as the environment itself does, and each step changes its picture."""
    environment = compiled_environment(id, num_envs=3, kwargs={"time_limit": 6})
    drawn = environment.drawn()
    assert drawn.num_envs == 1
    assert drawn.longest_episode == environment.longest_episode
    alone = environment.replicate(1)
    state, observation = drawn.reset(SEED)
    expected = alone.reset(SEED)
    np.testing.assert_array_equal(observation, expected[1])
    pictures = [drawn.render()]
    for _ in range(5):
        state, row = drawn.step(state, tf.constant([1]))
        expected = alone.step(expected[0], tf.constant([1]))
        np.testing.assert_array_equal(row.observation, expected[1].observation)
        pictures.append(drawn.render())
    assert {(p.dtype, p.shape[-1], p.ndim) for p in pictures} == {(np.dtype(np.uint8), 3, 3)}
    assert len({p.tobytes() for p in pictures}) > 3


def chain(env):
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env


def limited(env):
    return isinstance(env, gym.wrappers.TimeLimit)


def test_arguments_reach_the_picture():
    assert original(CompiledPendulum(g=3.5)).unwrapped.g == 3.5
    assert original(CompiledMountainCar(goal_velocity=0.01)).unwrapped.goal_velocity == 0.01
    assert not any(map(limited, chain(original(CompiledPendulum(time_limit=None)))))
    lake = original(compiled_environment("FrozenLake-v1", kwargs={"map_name": "8x8"}))
    assert lake.observation_space.n == 64
    lake = original(CompiledFrozenLake(desc=["SFG"], is_slippery=False, reward_schedule=(5, 0, -1)))
    lake.reset(seed=0)
    assert [lake.step(2)[1] for _ in range(2)] == [-1, 5]


def test_a_task_of_its_own_is_refused_in_one_sentence():
    class Heavy(CompiledPendulum):
        def transition(self, physics, action, noise):
            return super().transition(physics, 2 * action, noise)

    for environment in (
        CompiledCatch(),
        CompiledTabular(np.ones((1, 1, 1)), np.ones((1, 1)), [1.0]),
        Heavy(),
    ):
        with pytest.raises(ConfigurationError, match=r"^\S+ cannot be filmed: [^.]*\.$"):
            environment.drawn()


def test_a_subclass_with_the_same_rules_is_the_same_task():
    class Light(CompiledPendulum):
        def __init__(self):
            super().__init__(g=1.0)

    assert original(Light()).unwrapped.g == 1.0


def test_the_longest_episode_is_stated():
    assert CompiledCatch().longest_episode == 9
    assert CompiledCatch(rows=4).longest_episode == 3
    assert CompiledCatch(time_limit=5).longest_episode == 5
    assert CompiledPendulum().longest_episode == 200
    assert CompiledPendulum(time_limit=None).longest_episode is None
    assert CompiledFrozenLake().longest_episode == 100
    assert CompiledFrozenLake(time_limit=None).longest_episode is None
    assert CompiledDeepSea(size=6).longest_episode == 6
    assert CompiledUmbrellaChain(chain_length=30, time_limit=20).longest_episode == 20
    assert CompiledFourRooms().longest_episode == 500
    assert CompiledFreeway().longest_episode == 2501
    assert CompiledFreeway(time_limit=9).longest_episode == 9


@pytest.mark.parametrize(
    ("follows", "terminal", "longest"),
    [
        ([[1], [1]], [1], 1),  # at once
        ([[1], [2], [3], [3]], [3], 3),  # a line
        ([[1], [2], [1], [3]], [3], None),  # a circle
        ([[0]], [], None),
        ([[1], [2], [0], [3]], [3], None),  # a circle of three
    ],
)
def test_the_longest_path_through_a_table(follows, terminal, longest):
    table = np.zeros((len(follows), 1, len(follows)))
    for state, (after,) in enumerate(follows):
        table[state, 0, after] = 1.0
    start = np.eye(len(follows))[0]
    rewards = np.zeros((len(follows), 1))
    environment = CompiledTabular(table, rewards, start, terminal)
    assert environment.longest_episode == longest
    limited = CompiledTabular(table, rewards, start, terminal, time_limit=2)
    assert limited.longest_episode == min(longest or 2, 2)
