"""Acting: decisions hold what was sampled, its log-prob and the memory after it."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.targets import Batch
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.policies.policy import Policy
from tests.trajectories import random_trajectory

SEED = tf.constant([3, 4])
ACTIONS = {
    "Discrete": gym.spaces.Discrete(3),
    "Box": gym.spaces.Box(-1.0, 1.0, (2,)),
    "Dict": gym.spaces.Dict(a=gym.spaces.Discrete(2), b=gym.spaces.Box(-1.0, 1.0, (2,))),
}


class Clock(Network):
    """Remembers how many steps it has seen, and shows it beside the observation."""

    def build(self, space: gym.Space[Any]) -> None:
        self.space, self.num_features = space, 4

    def initial_memory(self, num_envs: int) -> tf.Tensor:
        return tf.zeros((num_envs, 1))

    def step(self, element: Any, memory: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.concat([tf.one_hot(element, 3), memory], axis=-1), memory + 1.0


def built(actions: gym.Space[Any], network: Network | None = None) -> Policy:
    policy = Policy(network or MLP((4,)))
    policy.build(gym.spaces.Discrete(3), actions)
    for variable in policy.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    return policy


@pytest.mark.parametrize("kind", ACTIONS)
def test_decision_is_a_sample_and_holds_its_log_prob_if_asked(kind: str) -> None:
    policy = built(ACTIONS[kind])
    observation = tf.constant([0, 1, 2, 2])
    plain = policy.act(observation, (), SEED)
    asked = policy.act(observation, (), SEED, with_log_prob=True)

    assert plain.log_prob == plain.memory == asked.memory == ()
    tf.nest.map_structure(np.testing.assert_array_equal, plain.action, asked.action)
    expected = policy.distribution(observation).log_prob(asked.action)
    np.testing.assert_allclose(asked.log_prob, expected, rtol=1e-5)
    other = policy.act(tf.repeat(observation, 20), (), SEED + 1).action
    first = policy.act(tf.repeat(observation, 20), (), SEED).action
    assert any(np.any(a != b) for a, b in zip(*map(tf.nest.flatten, (first, other)), strict=True))


@pytest.mark.parametrize("kind", ACTIONS)
def test_greedy_decision_is_the_most_likely_one(kind: str) -> None:
    policy = built(ACTIONS[kind])
    observation = tf.repeat(tf.constant([0, 1, 2]), 200)
    distribution = policy.distribution(observation)
    greedy = distribution.log_prob(policy.act_greedily(observation, (), SEED).action)
    sampled = distribution.log_prob(policy.act(observation, (), SEED).action)
    assert np.all(greedy >= sampled - 1e-4)
    assert np.any(greedy > sampled)


def test_memory_is_handed_on_and_unrolled_log_probs_are_those_of_acting() -> None:
    """Row by row from the memory before the rollout, which starts afresh after each reset."""
    policy, whole = built(ACTIONS["Discrete"], Clock()), random_trajectory(0, 12, 3)
    assert np.any(whole.mask == 0)
    memory = before = tf.constant([[5.0], [0.0], [2.0]])
    actions, log_probs = [], []
    for t in range(12):
        decision = policy.act(whole.observation[t], memory, SEED + t, with_log_prob=True)
        np.testing.assert_array_equal(decision.memory, memory + 1.0)
        actions.append(decision.action)
        log_probs.append(decision.log_prob)
        memory = tf.where(whole.mask[t, :, tf.newaxis] > 0, decision.memory, 0.0)
    whole = whole._replace(action=tf.stack(actions), memory=before)

    log_prob, entropy = policy.evaluate(Batch.whole(whole))
    np.testing.assert_allclose(log_prob, log_probs, rtol=1e-4, atol=1e-6)
    assert entropy.shape == (12, 3)
    afresh, _ = policy.evaluate(Batch.whole(whole._replace(memory=tf.zeros((3, 1)))))
    assert not np.allclose(afresh[0, 0], log_prob[0, 0], rtol=1e-3)
