"""Deliveries of several actors become one: their gradients, and rollouts of different lengths."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pgtf import losses
from pgtf.learning.baselines import StateValue
from pgtf.learning.entropy import EntropyBonus
from pgtf.trainers.ray.delivery import beside, side_by_side, weighted
from pgtf.trajectory import Trajectory
from tests.trajectories import SEED, columns, random_trajectory, table_v, tables

PREFERENCES = np.array([[0.3, -0.2], [0.5, 0.1], [-0.4, 0.2]])


def test_a_mean_of_means_is_the_mean_over_all_steps() -> None:
    values = np.arange(10, dtype=np.float32)
    parts = [values[:3], values[3:4], values[4:]]

    together = weighted([np.mean(x, keepdims=True) for x in parts], [len(x) for x in parts])

    np.testing.assert_allclose(together, [np.mean(values)], rtol=1e-6)
    assert weighted([np.ones(2, np.float32)], [0.0]).tolist() == [0.0, 0.0]


def numpy_of(trajectory: Trajectory) -> Trajectory:
    arrays: Trajectory = tf.nest.map_structure(lambda x: x.numpy(), trajectory)
    return arrays


def gradient(learner: Any, trajectory: Trajectory) -> np.ndarray:
    tensors = tf.nest.map_structure(tf.convert_to_tensor, trajectory)
    gradients, _, _ = learner.gradients(tensors, SEED)
    return np.concatenate([x.numpy().ravel() for x in gradients])


def learner_with(reduction: str) -> Any:
    return tables(
        PREFERENCES,
        critic=table_v(),
        baseline=StateValue(),
        entropy_bonus=EntropyBonus(0.1),
        reduction=reduction,
    )


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
def test_gradients_of_parts_add_up_to_that_of_the_whole_batch(reduction: str) -> None:
    learner = learner_with(reduction)
    whole = random_trajectory(3, 7, 5)
    parts = [columns(whole, 0, 1), columns(whole, 2), columns(whole, 3, 4)]
    counted = [
        float(
            tf.reduce_sum(
                part.mask
                if reduction == "mean_over_steps"
                else losses.first_steps(part.mask, part.time)
            )
        )
        for part in parts
    ]
    assert len(set(counted)) > 1

    together = weighted([gradient(learner, part) for part in parts], counted)

    np.testing.assert_allclose(together, gradient(learner, whole), rtol=1e-4, atol=1e-6)


def test_shorter_rollouts_count_as_far_as_they_go() -> None:
    learner = learner_with("mean_over_steps")
    parts = [numpy_of(random_trajectory(4, 6, 2)), numpy_of(random_trajectory(5, 3, 1))]
    # Whole episodes, so that nothing is bootstrapped from beyond a rollout's end.
    parts = [p._replace(terminated=p.terminated.copy(), mask=p.mask.copy()) for p in parts]
    for part in parts:
        part.terminated[-1] = True
        part.mask[-1] = 1.0
    counted = [float(part.mask.sum()) for part in parts]

    together = beside(parts)

    assert together.observation.shape == (7, 3)
    assert together.reward.shape == (6, 3)
    assert together.mask.sum() == sum(counted)
    apart = weighted([gradient(learner, part) for part in parts], counted)
    np.testing.assert_allclose(gradient(learner, together), apart, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(together.reward, side_by_side([part.reward for part in parts]))
