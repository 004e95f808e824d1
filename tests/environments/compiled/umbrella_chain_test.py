"""UmbrellaChain against its rules and its expected returns."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import CompiledUmbrellaChain
from pgtf.errors import ConfigurationError
from tests.environments.compiled.given_noise import GivenNoise

CASES = np.array(list(itertools.product(*[range(2)] * 3, range(3), *[range(2)] * 2)))


def test_every_state_leads_where_the_rules_say():
    """All states of a chain of 3 with one distractor, both actions, all bits."""
    need, have, old, time, action, coin = CASES.T
    chain = CompiledUmbrellaChain(len(CASES), chain_length=3, n_distractor=1)
    new = 1 - coin  # the new distractor
    noise = GivenNoise(0.25 + 0.5 * np.stack([coin, new]))
    physics = tf.constant(np.stack([need, have, time, old]), tf.int32)
    after, reward, ended = chain.transition(physics, tf.constant(action, tf.int32), noise)

    held = np.where(time == 0, action, have)
    last = np.where(held == need, 1, -1)
    np.testing.assert_array_equal(after, [need, held, time + 1, new])
    np.testing.assert_array_equal(ended, time == 2)
    np.testing.assert_array_equal(reward, np.where(time == 2, last, 2 * coin - 1))
    seen = chain.observe(after).numpy()
    np.testing.assert_allclose(seen, np.stack([need, held, 1 - (time + 1) / 3, new], -1), atol=1e-6)


def returns(chain, choose):
    """Whole episodes: the sum of the rewards, and the last reward, of each copy."""
    step = tf.function(chain.step, jit_compile=True)
    state, observation = chain.reset(tf.constant([1, 2]))
    total = 0.0
    for t in range(chain.longest_episode):
        state, row = step(state, tf.constant(choose(observation.numpy())))
        observation = row.observation
        total = total + row.reward.numpy()
        assert np.all(row.terminated.numpy() == (t == chain.longest_episode - 1))
    return total, row.reward.numpy()


def test_the_best_expected_return_is_1_and_that_of_chance_is_0():
    """Its other steps are L - 1 coins, so that the mean of N returns errs by √(L / N)."""
    num, length = 2**14, 10
    chain = CompiledUmbrellaChain(num, chain_length=length)
    total, last = returns(chain, lambda o: o[:, 0].astype(np.int32))
    assert np.all(last == 1)
    assert abs(total.mean() - 1) < 4 * np.sqrt(length / num)
    assert abs(total.var() - (length - 1)) < 0.5
    rng = np.random.default_rng(0)
    total, last = returns(chain, lambda o: rng.integers(0, 2, num).astype(np.int32))
    assert abs(total.mean()) < 4 * np.sqrt(length / num)
    assert abs(last.mean()) < 4 / np.sqrt(num)


def test_bits_are_fair_and_independent_at_the_start_and_later():
    chain = CompiledUmbrellaChain(2**14, n_distractor=6)
    state, first = chain.reset(tf.constant([3, 4]))
    _, row = chain.step(state, tf.zeros([2**14], tf.int32))
    for bits in (np.delete(first, 2, axis=1), np.asarray(row.observation)[:, 3:]):
        np.testing.assert_allclose(bits.mean(0), 0.5, atol=0.02)
        np.testing.assert_allclose(np.corrcoef(bits.T), np.eye(bits.shape[1]), atol=0.04)


def test_the_spaces_are_the_chains():
    chain = CompiledUmbrellaChain(n_distractor=2)
    assert chain.observation_space == gym.spaces.Box(0, 1, (5,), np.float32)
    assert chain.action_space == gym.spaces.Discrete(2)


@pytest.mark.parametrize("arguments", [{"chain_length": 0}, {"n_distractor": -1}])
def test_chains_that_are_none_are_refused(arguments):
    with pytest.raises(ConfigurationError, match=f"CompiledUmbrellaChain.{next(iter(arguments))}"):
        CompiledUmbrellaChain(**arguments)
