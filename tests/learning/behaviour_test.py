"""Behaviour log-probs: which parts ask for them, and how they reach a surrogate."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.estimators import MonteCarlo
from pgtf.learning.optimization import OneUpdate
from pgtf.learning.surrogates import Surrogate
from tests.trajectories import SEED, loss_of, random_trajectory, softmax, tables

PREFERENCES = np.array([[0.5, -1.0], [0.0, 2.0], [1.0, 1.0]])


class Importance(Surrogate):
    """- Σ w π/μ A (Schulman et al. 2015, eq. 14), with nothing clipped."""

    uses_behaviour = True

    def __call__(
        self,
        log_prob: tf.Tensor,
        behaviour_log_prob: tf.Tensor | None,
        advantage: tf.Tensor,
        weight: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        ratio = tf.exp(log_prob - behaviour_log_prob)
        return -tf.reduce_sum(weight * ratio * advantage), {"ratio_max": tf.reduce_max(ratio)}


def test_behaviour_log_probs_of_the_trajectory_reach_the_surrogate() -> None:
    """A uniform μ: π/μ is 2 π(a|s)."""
    whole = random_trajectory(0, 8, 3)
    whole = whole._replace(log_prob=tf.fill(whole.reward.shape, np.float32(np.log(0.5))))
    learner = tables(PREFERENCES, surrogate=Importance())
    loss, found = loss_of(learner, whole, SEED)

    ratio = 2.0 * softmax(PREFERENCES)[whole.observation[:-1], whole.action]
    expected = -np.sum(found["weight"] * ratio * found["advantage"])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(found["policy_loss"], expected, rtol=1e-5)
    np.testing.assert_allclose(found["ratio_max"], ratio.max(), rtol=1e-5)


class Weighing(MonteCarlo):
    uses_behaviour = True


class Epochs(OneUpdate):
    uses_behaviour = True


@pytest.mark.parametrize(
    ("parts", "asked"),
    [
        ({}, False),
        ({"surrogate": Importance()}, True),
        ({"returns": Weighing()}, True),
        ({"optimization": Epochs()}, True),
    ],
)
def test_any_part_may_ask_for_behaviour_log_probs(parts: dict[str, Any], asked: bool) -> None:
    assert tables(PREFERENCES, **parts).uses_behaviour is asked
