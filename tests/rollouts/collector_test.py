"""Collectors: rollouts follow from the parameters, where the environments stand and the seed."""

from typing import Any

import numpy as np
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.policies.decision import Decision
from pgtf.rollouts.collector import Collector, stream
from pgtf.rollouts.steps import Rollouts


def act(values: Any, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
    """The action that the parameters say; memory counts the steps of the episode."""
    action = tf.fill((observation.shape[0],), values)
    return Decision(action, tf.cast(memory, tf.float32), memory + 1)


def collector(num_steps: int, seed: list[int]) -> Collector:
    return Collector(CompiledCartPole(3), Rollouts(num_steps), act, tf.zeros(3, tf.int32), seed)


def collected(num_steps: int, times: int, value: int = 1) -> list[Any]:
    one = collector(num_steps, stream(0))
    carry, rollouts = one.start(tf.constant(0)), []
    for _ in range(times):
        carry, trajectory, _ = one.collect(tf.constant(value), carry, one.seed(tf.constant(0)))
        rollouts.append(trajectory)
    return rollouts


def test_rollouts_go_on_where_the_last_one_stopped() -> None:
    """CartPole is deterministic but for its resets, the first of which is before the rollouts."""
    (whole,) = collected(8, 1)
    halves = collected(4, 2)
    assert tf.reduce_all(whole.mask == 1)
    joined = tf.concat([half.observation[:-1] for half in halves], axis=0)
    np.testing.assert_allclose(joined, whole.observation[:-1], rtol=1e-5)
    np.testing.assert_array_equal(tf.concat([h.time for h in halves], 0), whole.time)


def test_memory_before_a_rollout_is_in_it_and_starts_afresh_with_each_episode() -> None:
    rollouts = collected(12, 3)
    assert any(np.any(rollout.mask == 0) for rollout in rollouts)
    for rollout in rollouts:
        np.testing.assert_array_equal(rollout.memory, rollout.time[0])
        # The log-prob stands for the memory that each decision was made with.
        np.testing.assert_array_equal(rollout.log_prob, rollout.time)


def test_parameters_are_handed_to_whoever_acts() -> None:
    for value in (0, 1):
        (rollout,) = collected(4, 1, value)
        assert np.all(rollout.action == value)


def test_every_rollout_of_every_stream_has_a_seed_of_its_own() -> None:
    seeds = [
        tuple(collector(1, stream(seed, number)).seed(tf.constant(count)).numpy())
        for seed in range(3)
        for number in range(3)
        for count in range(20)
    ]
    assert len(set(seeds)) == len(seeds)
