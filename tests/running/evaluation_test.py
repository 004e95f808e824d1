"""Evaluation: whole episodes of a policy that stands still, in environments of its own."""

import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.decision import Decision
from pgtf.policies.policy import Policy
from pgtf.policies.softmax import Softmax
from pgtf.rollouts.unroll import Behaviour, start, unroll
from pgtf.running.evaluation import Evaluation, Score
from tests.toy_environments import TWO, elements

COUNTING = "tests.toy_environments:Counting-v0"


def built(environment: Environment, head: Softmax | None = None) -> Policy:
    policy = Policy(MLP((8,), normalization=RunningNormalization()), head)
    policy.build(environment.observation_space, environment.action_space)
    return policy


def score(environment: Environment, policy: Policy, count: int, seed: int = 0, **kw: Any) -> Score:
    evaluation = Evaluation(**kw)
    evaluation.build(policy, environment, seed)
    try:
        return evaluation.score(count)
    finally:
        evaluation.close()


@pytest.mark.parametrize("count", [1, 4, 5, 12])
def test_a_score_is_made_of_exactly_so_many_whole_episodes(count: int) -> None:
    """Counting rewards 1 + … + L in the first episode after a seeded reset, which lasts L."""
    environment = GymEnvironment(COUNTING, 3)
    returns, lengths = score(environment, built(environment), count, num_envs=4)
    assert returns.shape == lengths.shape == (count,)
    assert lengths.min() >= 1
    np.testing.assert_array_equal(returns, lengths * (lengths + 1) / 2)


def test_short_episodes_are_not_favoured() -> None:
    """Lengths are uniform on 1 … 6; the test errs once in a thousand seeds, and this is one."""
    environment = GymEnvironment(COUNTING, 1)
    _, lengths = score(environment, built(environment), 600, num_envs=60)
    counts = np.bincount(lengths.astype(int), minlength=7)[1:]
    assert counts.sum() == 600
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_episodes_of_one_evaluation_are_all_different(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = GymEnvironment("CartPole-v1", 2, vectorization="loop")
    policy = built(environment)
    seen, seeds = [], []

    def remember(observation: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seen.append(observation.numpy())
        seeds.append(tuple(seed.numpy()))
        return tf.zeros(len(observation), tf.int32)

    monkeypatch.setattr(
        policy,
        "act",
        lambda o, m, s: Decision(tf.ensure_shape(tf.py_function(remember, [o, s], tf.int32), [3])),
    )
    score(environment, policy, 9, num_envs=3, greedy=False)
    starts = np.concatenate([o for o in seen if np.abs(o).max() <= 0.05])
    assert len(np.unique(starts, axis=0)) >= 9
    assert len(set(seeds)) == len(seeds) > 20


@pytest.mark.parametrize("greedy", [True, False])
def test_the_mode_acts_unless_a_sample_is_asked_for(greedy: bool) -> None:
    """The right action has probability 0.6: returns of 8 steps are 8, or binomial."""
    environment = GymEnvironment(
        "tests.toy_environments:Identity-v0", 1, {"action_space": TWO, "count": 1}
    )
    head = Softmax(gain=0.0)
    policy = built(environment, head)
    logits = np.zeros(2)
    logits[elements(TWO, 1)[0]] = np.log(0.6 / 0.4)
    head.preferences.bias.assign(logits)
    returns, lengths = score(environment, policy, 100, greedy=greedy, num_envs=50)
    np.testing.assert_array_equal(lengths, 8)
    if greedy:
        np.testing.assert_array_equal(returns, 8)
    else:
        assert scipy.stats.binomtest(int(returns.sum()), 800, 0.6).pvalue > 1e-3
        assert abs(returns.std() - np.sqrt(8 * 0.6 * 0.4)) < 0.4


@pytest.mark.parametrize(
    ("make", "greedy"),
    [
        (functools.partial(GymEnvironment, vectorization="loop"), True),
        (functools.partial(GymEnvironment, vectorization="loop"), False),
        (functools.partial(GymEnvironment, vectorization="vector_entry_point"), False),
        (CompiledCartPole, False),
    ],
    ids=["loop_greedy", "loop", "vector", "compiled"],
)
def test_a_seed_has_one_score(make: Callable[..., Environment], greedy: bool) -> None:
    environment = make(num_envs=2)
    policy = built(environment)
    evaluation = Evaluation(greedy=greedy, num_envs=5)
    evaluation.build(policy, environment, 1)
    first = evaluation.score(10)
    np.testing.assert_array_equal(first.returns, first.lengths)  # CartPole's reward is 1 a step
    assert first.lengths.min() >= 8  # nothing falls over sooner
    np.testing.assert_array_equal(first, evaluation.score(10))
    np.testing.assert_array_equal(
        first, score(environment, policy, 10, 1, num_envs=5, greedy=greedy)
    )
    other = score(environment, policy, 10, 2, num_envs=5, greedy=greedy)
    assert np.any(other.returns != first.returns)


def test_training_goes_on_as_if_there_had_been_no_evaluation() -> None:
    def run(evaluated: bool) -> Any:
        environment = GymEnvironment("CartPole-v1", 2, vectorization="loop")
        keras.utils.set_random_seed(0)
        policy = built(environment)
        policy.network.adapt(tf.random.normal([4, 2, 4]), tf.ones([4, 2]))
        step = tf.function(
            lambda c, s: unroll(environment, Behaviour(policy.act), c, 5, s), autograph=False
        )
        weights = [w.numpy() for w in policy.weights]
        carry, _, _ = step(start(environment, tf.constant([0, 0])), tf.constant([0, 1]))
        if evaluated:
            score(environment, policy, 4, num_envs=2)
        for before, after in zip(weights, policy.weights, strict=True):
            np.testing.assert_array_equal(before, after.numpy())
        return step(carry, tf.constant([0, 2]))

    for a, b in zip(tf.nest.flatten(run(True)), tf.nest.flatten(run(False)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_endless_episode_counts_as_it_stands() -> None:
    environment = GymEnvironment("tests.toy_environments:Endless-v0", 1)
    returns, lengths = score(environment, built(environment), 3, num_envs=2, max_steps=17)
    np.testing.assert_array_equal(returns, 17)
    np.testing.assert_array_equal(lengths, 17)


@pytest.mark.parametrize("name", ["every", "episodes", "final_episodes", "num_envs", "max_steps"])
def test_counts_that_are_not_positive_are_refused(name: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"Evaluation\.{name} must be at least 1( or None)?, not 0"
    ):
        Evaluation(**{name: 0})  # type: ignore[arg-type]


def test_nested_actions_and_observations_are_evaluated() -> None:
    environment = GymEnvironment("tests.toy_environments:Nested-v0", 2)
    assert isinstance(environment.action_space, gym.spaces.Dict)
    returns, lengths = score(environment, built(environment), 5, greedy=False)
    assert returns.shape == lengths.shape == (5,)
    assert np.all(np.isfinite(returns))
