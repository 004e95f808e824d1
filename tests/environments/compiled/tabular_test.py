"""Tabular environments: FrozenLake against Gymnasium's tables, others against their own."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.environments.compiled import CompiledFrozenLake, CompiledTabular, Noise
from pgtf.errors import ConfigurationError

_MAP = ["SFFSH", "FHFFF", "FFFHG"]


def _tables(original):
    """Gymnasium's P as dense transition, reward and termination tables."""
    states, actions = original.observation_space.n, original.action_space.n
    transition = np.zeros((states, actions, states))
    reward = np.full((states, actions, states), np.nan)
    ended = np.zeros((states, actions, states), bool)
    for s, a in np.ndindex(states, actions):
        for probability, successor, gain, terminated in original.get_wrapper_attr("P")[s][a]:
            transition[s, a, successor] += probability
            reward[s, a, successor] = gain
            ended[s, a, successor] = terminated
    return transition, reward, ended


def _steps(environment, num_steps, seed=0):
    """Rows (state, action, next state, reward, terminated, truncated, reset) of random actions."""
    rng = np.random.default_rng(seed)
    step = tf.function(environment.step, jit_compile=True)
    state, observation = environment.reset(tf.constant([seed, 1]))
    rows = []
    for _ in range(num_steps):
        action = rng.integers(0, environment.action_space.n, environment.num_envs)
        state, row = step(state, tf.constant(action))
        rows.append(
            (
                observation,
                action,
                row.observation,
                row.reward,
                row.terminated,
                row.truncated,
                1 - row.mask,
            )
        )
        observation = row.observation
    return [np.stack(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"map_name": "8x8"},
        {"is_slippery": False},
        {"desc": _MAP},
        {"desc": _MAP, "success_rate": 0.7, "reward_schedule": (5, -2, -0.25)},
    ],
)
def test_frozen_lakes_tables_are_gymnasiums(kwargs):
    original = gym.make("FrozenLake-v1", **kwargs)
    ours = CompiledFrozenLake(**kwargs)
    transition, reward, ended = _tables(original)
    np.testing.assert_allclose(ours.transition_table, transition, atol=1e-12)
    possible = transition > 0
    np.testing.assert_allclose(ours.reward_table[possible], reward[possible].astype(np.float32))
    np.testing.assert_array_equal(
        np.broadcast_to(ours.terminal, possible.shape)[possible], ended[possible]
    )
    np.testing.assert_allclose(ours.start, original.get_wrapper_attr("initial_state_distrib"))
    assert ours.observation_space == original.observation_space
    assert ours.action_space == original.action_space


def test_frozen_lakes_time_limit_is_gymnasiums():
    assert CompiledFrozenLake().time_limit == gym.spec("FrozenLake-v1").max_episode_steps


def test_frozen_lake_moves_as_its_tables_say():
    lake = CompiledFrozenLake(1024, time_limit=20, desc=_MAP, reward_schedule=(5, -2, -0.25))
    _, reward, _ = _tables(
        gym.make("FrozenLake-v1", desc=_MAP, reward_schedule=(5, -2, -0.25), is_slippery=True)
    )
    before, action, after, gain, terminated, truncated, reset = _steps(lake, 150)
    moved = reset == 0
    s, a, t = before[moved], action[moved], after[moved]
    np.testing.assert_array_equal(gain[moved], reward[s, a, t].astype(np.float32))
    np.testing.assert_array_equal(terminated[moved], np.isin(t, [4, 6, 13, 14]))
    assert np.all(reset[1:] == (terminated | truncated)[:-1])
    # How often each successor follows each state and action that came up often enough.
    counts = np.zeros_like(lake.transition_table)
    np.add.at(counts, (s, a, t), 1)
    total = counts.sum(-1, keepdims=True)
    expected = total * lake.transition_table
    assert np.all(counts[expected == 0] == 0)
    tested = np.broadcast_to(total > 200, counts.shape) & (expected > 0)
    statistic = ((counts - expected)[tested] ** 2 / expected[tested]).sum()
    freedom = tested.sum() - (total > 200).sum()
    assert freedom > 40
    assert stats.chi2.sf(statistic, freedom) > 1e-3
    # Both starts, equally often, at resets on the way too.
    begun = after[reset == 1]
    assert set(begun) == {0, 3}
    assert stats.binomtest(int((begun == 0).sum()), len(begun)).pvalue > 1e-3


def test_a_lake_that_is_not_slippery_is_gymnasiums_step_by_step():
    ours = CompiledFrozenLake(1, is_slippery=False)
    original = gym.make("FrozenLake-v1", is_slippery=False)
    before, action, after, reward, terminated, truncated, reset = (
        column[:, 0] for column in _steps(ours, 400)
    )
    observation, _ = original.reset(seed=0)
    assert observation == before[0]
    for i in range(400):
        if reset[i]:
            observation, _ = original.reset()
            assert (observation, 0.0, False, False) == (
                after[i],
                reward[i],
                terminated[i],
                truncated[i],
            )
        else:
            expected = original.step(int(action[i]))[:4]
            assert expected == (after[i], reward[i], terminated[i], truncated[i])
    assert reset.sum() > 20


def test_any_tables_are_sampled_as_they_say():
    rng = np.random.default_rng(0)
    transition = rng.dirichlet(np.full(7, 0.5), (7, 3))
    transition[2, 1] = np.eye(7)[5]
    transition[3, 0, [0, 6]] = 0
    transition /= transition.sum(-1, keepdims=True)
    reward = rng.normal(size=(7, 3)).astype(np.float32)
    start = np.array([0.0, 0.2, 0.0, 0.5, 0.0, 0.3, 0.0])
    chain = CompiledTabular(transition, reward, start, num_envs=2048, time_limit=5)
    before, action, after, gain, terminated, truncated, reset = _steps(chain, 60)
    moved = reset == 0
    s, a, t = before[moved], action[moved], after[moved]
    np.testing.assert_array_equal(gain[moved], reward[s, a])
    assert not terminated.any()
    assert truncated.any()
    counts = np.zeros_like(transition)
    np.add.at(counts, (s, a, t), 1)
    expected = counts.sum(-1, keepdims=True) * transition
    assert np.all(counts[transition == 0] == 0)
    tested = expected > 5
    statistic = ((counts - expected)[tested] ** 2 / expected[tested]).sum()
    assert stats.chi2.sf(statistic, tested.sum() - 21) > 1e-3
    begun = np.bincount(after[reset == 1], minlength=7)
    assert np.all(begun[start == 0] == 0)
    assert stats.chisquare(begun[start > 0], begun.sum() * start[start > 0]).pvalue > 1e-3


class _Largest(Noise):
    """Noise whose every number is the largest below 1."""

    def uniform(self, num, low=0.0, high=1.0):
        return [tf.fill([self.num_envs], 1 - 2.0**-24)] * num


def test_rounding_never_leads_past_a_rows_last_successor():
    # Rows whose sum is short of 1 by less than the tolerance, one of them with a 0 at its end.
    row = np.array([[0.3, 0.3, 0.4], [0.5, 0.5, 0.0]]) - [[0, 0, 4e-6], [0, 4e-6, 0]]
    transition = np.stack([row[0], row[1], row[0]])[:, None]
    chain = CompiledTabular(transition, np.zeros((3, 1)), row[1], num_envs=2)
    noise = _Largest(tf.constant([0, 0]), tf.constant(0), 2)
    state, _, _ = chain.transition(tf.constant([0, 1]), tf.constant([0, 0]), noise)
    np.testing.assert_array_equal(state, [2, 1])
    np.testing.assert_array_equal(chain.initial(noise), [1, 1])


def test_the_mean_return_is_the_chains_value():
    # Leaves state 0 for the terminal state 2 with probability 0.1: 10 steps of reward 1 on average.
    transition = np.zeros((3, 1, 3))
    transition[0, 0, [0, 2]] = 0.9, 0.1
    transition[1:, 0, 2] = 1
    chain = CompiledTabular(transition, np.ones((3, 1)), [1, 0, 0], [2], num_envs=1024)
    _, _, _, reward, terminated, _, reset = _steps(chain, 400)
    assert np.all(reward[reset == 0] == 1)
    assert np.all(reward[reset == 1] == 0)
    episodes = terminated.sum()
    # A geometric length has variance 0.9 / 0.01; unfinished episodes are a part in forty.
    mean = (reset == 0).sum() / episodes
    assert abs(mean - 10) < 5 * np.sqrt(90 / episodes) + 0.3 * 10 / 40


@pytest.mark.parametrize(
    ("arguments", "binding"),
    [
        ({"transition": np.ones((2, 2))}, "transition"),
        ({"transition": np.ones((2, 1, 2))}, "transition"),
        ({"transition": [[[1.5, -0.5]], [[0, 1]]]}, "transition"),
        ({"reward": np.zeros(3)}, "reward"),
        ({"start": [1.0]}, "start"),
        ({"start": [0.5, 0.4]}, "start"),
        ({"terminal": [2]}, "terminal"),
        ({"terminal": [-1]}, "terminal"),
    ],
)
def test_tables_that_are_no_process_are_refused(arguments, binding):
    good: dict[str, Any] = {
        "transition": np.full((2, 1, 2), 0.5),
        "reward": np.zeros((2, 1)),
        "start": [0.5, 0.5],
    }
    CompiledTabular(**good)
    with pytest.raises(ConfigurationError, match=f"CompiledTabular.{binding} "):
        CompiledTabular(**{**good, **arguments})


@pytest.mark.parametrize(
    ("arguments", "binding"),
    [
        ({"map_name": "5x5"}, "map_name"),
        ({"desc": ["SF", "FFG"]}, "desc"),
        ({"desc": ["SX"]}, "desc"),
        ({"desc": ["FG"]}, "desc"),
    ],
)
def test_maps_that_are_no_maps_are_refused(arguments, binding):
    with pytest.raises(ConfigurationError, match=f"CompiledFrozenLake.{binding} "):
        CompiledFrozenLake(**arguments)
