"""DeepSea against its rules, written a second time, and against its best return in closed form."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.environments.compiled import CompiledDeepSea
from pgtf.errors import ConfigurationError
from tests.environments.compiled.given_noise import GivenNoise


def fields(size):
    """Row and column of each field, twice: once for each action."""
    row, column, action = (x.ravel() for x in np.indices((size, size, 2)))
    return np.stack([row, column]), action


def outcomes(sea, luck, number):
    """Rows, columns, rewards and ends from every field under both actions."""
    where, action = fields(sea.observation_space.shape[0])
    noise = GivenNoise(np.broadcast_to([[luck], [number]], where.shape))
    other = sea.replicate(len(action))
    physics, reward, ended = other.transition(tf.constant(where, tf.int32), action, noise)
    return *physics.numpy(), reward.numpy(), ended.numpy()


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("luck", [0.1, 0.5])
def test_every_field_leads_where_the_rules_say(deterministic, luck):
    """A move to the right fails for luck of 1/5 and less, where it can fail."""
    sea = CompiledDeepSea(size=5, deterministic=deterministic, unscaled_move_cost=0.2)
    number = 0.9
    rows, columns, rewards, ended = outcomes(sea, luck, number)
    seen = 0
    for (row, column), action, *outcome in zip(
        fields(5)[0].T, fields(5)[1], rows, columns, rewards, ended, strict=True
    ):
        if action != sea.right[row, column]:
            to, reward = max(column - 1, 0), 0.0
        else:
            fails = not deterministic and luck <= 1 / 5
            to = column if fails else min(column + 1, 4)
            reward = -0.2 / 5 + (column == 4)
        if not deterministic and (row, column) in ((4, 0), (4, 4)):
            reward += stats.norm.ppf(number)
            seen += 1
        np.testing.assert_allclose(outcome, (row + 1, to, reward, row == 4), atol=2e-6)
    assert seen == (0 if deterministic else 4)


def best(sea):
    """The value of the start under the best policy, from the transitions alone."""
    size = sea.observation_space.shape[0]
    luck = np.array([0.5 / size, 1 - 0.5 / size])
    mass = np.array([0.0, 1.0] if sea._deterministic else [1 / size, 1 - 1 / size])
    value = np.zeros((size + 1, size))
    results = [outcomes(sea, x, 0.5) for x in luck]
    for row in reversed(range(size)):
        q = np.zeros(size * size * 2)
        for weight, (rows, columns, rewards, ended) in zip(mass, results, strict=True):
            q += weight * (rewards + ~ended * value[rows, columns])
        value[row] = q.reshape(size, size, 2).max(-1)[row]
    return value[0, 0]


@pytest.mark.parametrize("size", [2, 7, 10])
def test_the_best_return_is_the_closed_form(size):
    assert best(CompiledDeepSea(size=size)) == pytest.approx(0.99, abs=1e-5)
    windy, p = CompiledDeepSea(size=size, deterministic=False), 1 - 1 / size
    assert best(windy) == pytest.approx(p ** (size - 1) - 0.01 * (1 - p**size), abs=1e-5)


def test_an_episode_to_the_right_earns_it_and_is_observed():
    sea = CompiledDeepSea(4, size=6)
    state, observation = sea.reset(tf.constant([1, 2]))
    step = tf.function(sea.step, jit_compile=True)
    total = np.zeros(4)
    for t in range(6):
        np.testing.assert_array_equal(np.argwhere(observation[0]), [[t, t]])
        state, row = step(state, tf.fill([4], int(sea.right[t, t])))
        observation = row.observation
        total += row.reward.numpy()
        assert np.all(row.terminated.numpy() == (t == 5))
    np.testing.assert_allclose(total, 0.99, atol=1e-6)
    assert not np.any(observation)  # the ground


def test_moves_fail_and_corners_are_noisy_as_often_as_stated():
    size, num = 4, 2**15
    sea = CompiledDeepSea(num, size=size, deterministic=False, randomize_actions=False)
    step = tf.function(sea.step, jit_compile=True)
    state, _ = sea.reset(tf.constant([1, 2]))
    moves = 0
    rewards = np.zeros(0)
    for t in range(size):
        corner = np.isin(state.physics[1], [0, size - 1]) & (t == size - 1)
        column = state.physics[1].numpy()
        state, row = step(state, tf.ones([num], tf.int32))
        moves += (state.physics[1].numpy() > column)[column < size - 1].sum()
        plain = (column == size - 1) - 0.01 / size
        rewards = np.append(rewards, (row.reward.numpy() - plain)[corner])
    # Those on the diagonal can fail in each row; who failed goes on the same way.
    assert abs(moves / ((size - 1) * num + np.sum(column < size - 1)) - 0.75) < 0.005
    assert len(rewards) > 1000
    assert stats.kstest(rewards, "norm").pvalue > 1e-3


def test_the_fields_actions_depend_on_their_seed_alone():
    one, same, other = (CompiledDeepSea(mapping_seed=seed).right for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
    assert 30 < one.sum() < 70
    assert np.all(CompiledDeepSea(randomize_actions=False).right == 1)


def test_a_sea_without_a_second_row_is_refused():
    with pytest.raises(ConfigurationError, match=r"CompiledDeepSea\.size"):
        CompiledDeepSea(size=1)
