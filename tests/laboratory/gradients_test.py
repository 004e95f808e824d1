"""The gradient of each trajectory: they add up to the learner's, and are those of each alone."""

from typing import Any, get_args

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.graph.compilation import Compilation
from pgtf.laboratory.gradients import trajectory_gradients
from pgtf.learning.gradient_rows import column_gradients, influences
from pgtf.learning.learner import Learner
from pgtf.learning.objective import Reduction
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.trajectory import Trajectory
from tests.trajectories import SEED, columns, gradients_of, loss_of, random_trajectory, trajectory

SPACES = {
    "Softmax": (gym.spaces.Discrete(3), gym.spaces.Discrete(2)),
    "Gaussian": (gym.spaces.Box(-1, 1, (3,)), gym.spaces.Box(-1, 1, (2,))),
}


def built(head: str, reduction: Reduction) -> Any:
    learner = Learner(Policy(MLP((5,))), reduction=reduction, max_gradient_norm=None)
    learner.build(*SPACES[head])
    return learner


def whole(head: str) -> Trajectory:
    if head == "Softmax":
        return random_trajectory(3, 9, 6)
    rng = np.random.default_rng(4)
    shape = (9, 6)
    return trajectory(
        rng.normal(size=(10, 6, 3)),
        rng.normal(size=(*shape, 2)),
        rng.normal(size=shape),
        rng.random(shape) < 0.2,
        rng.random(shape) < 0.2,
    )


def signal(learner: Any, rows: Trajectory) -> tuple[tf.Tensor, tf.Tensor]:
    """w A of the learner's own loss, and the shares."""
    _, metrics = loss_of(learner, rows, SEED)
    weight, share = learner.objective.step_weights(rows)
    return weight * metrics["advantage"], share


@pytest.mark.parametrize("head", SPACES)
@pytest.mark.parametrize("reduction", get_args(Reduction))
def test_the_gradients_of_the_trajectories_add_up_to_the_learners(
    head: str, reduction: Reduction
) -> None:
    learner, rows = built(head, reduction), whole(head)
    weighted, share = signal(learner, rows)
    each = column_gradients(learner.policy, rows, weighted).numpy()
    gradients, _ = gradients_of(learner, rows, SEED)
    batch = -np.concatenate([x.numpy().ravel() for x in gradients])
    assert np.abs(batch).max() > 0.01
    np.testing.assert_allclose(each.sum(0), batch, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(share.numpy().sum(), 1.0, rtol=1e-6)
    mean = influences(tf.constant(each), share).numpy().mean(0)
    np.testing.assert_allclose(mean, batch, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("head", SPACES)
def test_vectorised_is_one_at_a_time(head: str) -> None:
    learner, rows = built(head, "sum_over_time"), whole(head)
    weighted, _ = signal(learner, rows)
    together = column_gradients(learner.policy, rows, weighted).numpy()
    for b in range(6):
        log_prob_weight = weighted[:, b : b + 1]
        alone = columns(rows, b)
        with tf.GradientTape() as tape:
            observation = alone.observation[:-1]
            log_prob = learner.policy.distribution(observation).log_prob(alone.action)
            objective = tf.reduce_sum(log_prob_weight * log_prob)
        gradient = tape.gradient(
            objective,
            [v.value for v in learner.policy.trainable_variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        flat = np.concatenate([x.numpy().ravel() for x in gradient])
        np.testing.assert_allclose(together[b], flat, rtol=1e-4, atol=1e-6)


def test_parts_of_the_columns_are_put_together_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, rows = built("Softmax", "sum_over_time"), whole("Softmax")
    weighted, _ = signal(learner, rows)
    expected = column_gradients(learner.policy, rows, weighted).numpy()
    monkeypatch.setattr("pgtf.laboratory.gradients._STEPS_AT_A_TIME", 9 * 4)  # 6 = 4 + 2 columns
    compilation = Compilation(False, "VarianceLaboratory.jit_compile")
    parts = trajectory_gradients(learner.policy, compilation)(rows, weighted)
    np.testing.assert_allclose(parts, expected, rtol=1e-5, atol=1e-7)


def test_influences_have_the_covariance_of_a_ratio() -> None:
    """Σ g / Σ n over 200 columns, 4,000 times; its variance against that of the influences.

    The sample variance of 4,000 has a relative deviation of 2.2 %, the delta method's error is of
    the order of 1/200. Without the linearised divisor the variance would be 2.5 times as large.
    """
    rng = np.random.default_rng(0)
    count = rng.integers(1, 9, size=(4000, 200)).astype(np.float64)
    total = 2.0 * count + rng.normal(size=count.shape)
    ratios = total.sum(1) / count.sum(1)
    traces = []
    for g, n in zip(total[:50], count[:50], strict=True):
        rows = influences(tf.constant(g[:, None] / n.sum()), tf.constant(n / n.sum())).numpy()
        assert rows.mean() == pytest.approx(g.sum() / n.sum())
        traces.append(rows.var(ddof=1) / 200)
    assert np.mean(traces) == pytest.approx(ratios.var(ddof=1), rel=0.1)
