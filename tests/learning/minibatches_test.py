"""Minibatches: every step once an epoch, and weights that sum to those of the whole."""

import numpy as np
import pytest
import tensorflow as tf

from pgtf import losses
from pgtf.learning import minibatches
from pgtf.learning.targets import Batch, Targets
from tests.trajectories import SEED, random_trajectory


@pytest.mark.parametrize(("count", "parts"), [(12, 3), (13, 4), (5, 5), (7, 1)])
def test_each_step_appears_once_an_epoch(count: int, parts: int) -> None:
    index = minibatches.shuffled(count, 4, parts, SEED).numpy()
    assert index.shape == (4 * parts, -(-count // parts))
    epochs = index.reshape(4, -1)
    for epoch in epochs:
        assert sorted(epoch[epoch >= 0]) == list(range(count))
    assert len({tuple(epoch) for epoch in epochs}) > 1
    np.testing.assert_array_equal(index, minibatches.shuffled(count, 4, parts, SEED))
    assert np.any(index != minibatches.shuffled(count, 4, parts, SEED + 1))


def test_a_length_that_is_not_known_while_tracing_is_shuffled_alike() -> None:
    shuffled = tf.function(lambda n: minibatches.shuffled(n, 2, 3, SEED), autograph=False)
    np.testing.assert_array_equal(shuffled(tf.constant(10)), minibatches.shuffled(10, 2, 3, SEED))


def batch_of(sum_over_time: bool) -> Batch:
    whole = random_trajectory(0, 6, 3)
    if sum_over_time:
        weight = losses.sum_over_time(whole.mask, whole.time)
    else:
        weight = losses.mean_over_steps(whole.mask)
    numbers = [tf.reshape(tf.range(18.0), (6, 3)) + 100.0 * i for i in range(3)]
    return Batch.whole(
        whole,
        Targets(
            numbers[0], numbers[1], numbers[2], whole.mask, weight, tf.constant([0.2, 0.3, 0.5])
        ),
        (numbers[0],),
    )


@pytest.mark.parametrize("sum_over_time", [False, True])
def test_steps_are_cut_with_all_that_belongs_to_them(sum_over_time: bool) -> None:
    """The mean over steps becomes the one over the unmasked steps of the minibatch."""
    batch = batch_of(sum_over_time)
    index = tf.constant([17, 0, 4, 9, 5, -1])
    part = minibatches.steps(batch, index)
    for ours, theirs in (
        (part.observation, batch.observation),
        (part.action, batch.action),
        (part.first, batch.first),
        (part.targets.advantage, batch.targets.advantage),
        (part.values[0], batch.values[0]),
    ):
        np.testing.assert_array_equal(ours[:5], tf.gather(tf.reshape(theirs, [-1]), index[:5]))
    mask = np.append(batch.targets.mask.numpy().reshape(-1)[index[:5]], 0.0)
    total = batch.targets.weight.numpy().sum()
    np.testing.assert_array_equal(part.targets.mask, mask)
    np.testing.assert_allclose(part.targets.weight, mask * total / mask.sum(), rtol=1e-6)
    assert 0 < mask.sum() < 6


def test_whole_environments_are_cut_with_their_memory() -> None:
    batch = batch_of(False)._replace(memory={"h": tf.constant([[1.0], [2.0], [3.0]])})
    part = minibatches.environments(batch, tf.constant([2, -1]))
    np.testing.assert_array_equal(part.memory["h"][0], [3.0])
    np.testing.assert_array_equal(part.observation[:, 0], batch.observation[:, 2])
    np.testing.assert_array_equal(part.first[:, 0], batch.first[:, 2])
    mask = batch.targets.mask[:, 2]
    np.testing.assert_allclose(part.targets.weight[:, 0], mask / tf.reduce_sum(mask), rtol=1e-6)
    np.testing.assert_array_equal(part.targets.weight[:, 1], 0.0)
