"""Targets and batches: the steps of a trajectory, and which of them count."""

import numpy as np
import tensorflow as tf

from pgtf.learning.targets import Batch
from tests.trajectories import SEED, loss_of, random_trajectory, tables


def test_whole_batch_holds_the_steps_that_were_acted_on() -> None:
    whole = random_trajectory(0, 6, 2)._replace(log_prob=tf.ones((6, 2)), memory=tf.ones((2, 3)))
    batch = Batch.whole(whole)
    np.testing.assert_array_equal(batch.observation, whole.observation[:-1])
    np.testing.assert_array_equal(batch.action, whole.action)
    np.testing.assert_array_equal(batch.log_prob, whole.log_prob)
    np.testing.assert_array_equal(batch.memory, whole.memory)
    # Memory starts afresh on the row after a reset, and goes on from ``memory`` on row 0.
    assert not np.any(batch.first[0])
    np.testing.assert_array_equal(batch.first[1:], whole.mask[:-1] == 0)


def test_mask_marks_the_steps_with_a_weight() -> None:
    """Monte Carlo leaves out resets and what has not ended, under either reduction."""
    whole = random_trajectory(1, 10, 3)
    ended = np.logical_or.accumulate((whole.terminated | whole.truncated).numpy()[::-1])[::-1]
    for reduction in ("mean_over_steps", "sum_over_time"):
        learner = tables(np.zeros((3, 2)), reduction=reduction)
        targets = learner.objective.whole_loss(whole, SEED).targets
        np.testing.assert_array_equal(targets.mask, (whole.mask.numpy() > 0) & ended)
        assert 0 < np.sum(targets.mask) < np.size(targets.mask)


def test_shares_of_the_environments_add_up() -> None:
    """Those of steps, and those of the trajectories that begin."""
    whole = random_trajectory(2, 10, 3)
    for reduction in ("mean_over_steps", "sum_over_time"):
        _, found = loss_of(tables(np.zeros((3, 2)), reduction=reduction), whole)
        np.testing.assert_allclose(np.sum(found["share"]), 1.0, rtol=1e-6)
    counted = found["weight"].numpy() > 0
    begins = counted & np.vstack([counted[:1], whole.time[1:].numpy() == 0])
    np.testing.assert_allclose(found["share"], begins.sum(0) / begins.sum(), rtol=1e-6)
