"""A user's own surrogate, which asks for behaviour log-probs, through every trainer that learns."""

import numpy as np
import pytest
import tensorflow as tf

from tests.extensions.my_surrogate import Clipped
from tests.extensions.trainers import WAYS, assert_same_weights, trained


@pytest.mark.parametrize("way", WAYS)
def test_on_fresh_data_the_clipped_surrogate_is_the_score_function(way: str) -> None:
    """π is μ there, so that its gradient is ∇π/μ A = ∇ log π A and nothing is clipped."""
    clipped, plain = trained(way, ("my_surrogate.gin",)), trained(way, ())

    assert_same_weights(clipped, plain)
    for scalars in clipped.scalars:
        assert scalars["train/clip_fraction"] == 0
        assert scalars["train/log_ratio_max"] < 1e-4


def test_by_hand() -> None:
    """Ratios ½, 1 and 2 with advantages of both signs: ε = 0.2 stops the pull away from μ."""
    ratio = np.array([0.5, 1.0, 2.0, 0.5, 1.0, 2.0])
    advantage = tf.constant([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
    log_prob = tf.Variable(np.log(ratio), dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss, scalars = Clipped(0.2)(log_prob, tf.zeros(6), advantage, tf.fill([6], 0.1))

    np.testing.assert_allclose(loss, -0.1 * (0.5 + 1.0 + 1.2 - 0.8 - 1.0 - 2.0), rtol=1e-5)
    gradient = tape.gradient(loss, log_prob)
    np.testing.assert_allclose(gradient, [-0.05, -0.1, 0.0, 0.0, 0.1, 0.2], rtol=1e-5)
    np.testing.assert_allclose(scalars["clip_fraction"], 4 / 6)
