"""A user's own return estimator, which weighs by π/μ, through every trainer that learns."""

import math

import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.estimators import LambdaReturn
from tests.extensions.my_returns import TruncatedTrace
from tests.extensions.trainers import WAYS, assert_same_weights, trained
from tests.trajectories import random_trajectory

DISCOUNT = 0.9


@pytest.mark.parametrize("way", WAYS)
def test_on_fresh_data_v_trace_is_the_lambda_return(way: str) -> None:
    """That of λ = 1, as a2c.gin and a3c.gin bind it."""
    assert_same_weights(trained(way, ("my_returns.gin",)), trained(way, ()))


def example():
    rng = np.random.default_rng(1)
    whole = random_trajectory(0, 12, 3)
    assert tf.reduce_any(whole.truncated)
    assert tf.reduce_any(whole.terminated)
    return whole, tf.constant(rng.normal(size=(13, 3)), tf.float32), rng.normal(size=(12, 3))


def test_weights_of_one_leave_the_lambda_return() -> None:
    whole, values, _ = example()
    target, estimate = TruncatedTrace()(whole, values, DISCOUNT, tf.zeros((12, 3)))
    expected, _ = LambdaReturn(1.0)(whole, values, DISCOUNT)
    for actual in (target, estimate):
        np.testing.assert_allclose(
            actual[whole.mask > 0], expected[whole.mask > 0], rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("clip", [1.0, 1.5])
def test_target_is_the_paper_s_sum(clip: float) -> None:
    """v_s = V(s) + Σ_t γ^{t-s} (Π c_i) δ_t to the end of the episode, or of the rollout."""
    whole, values, log_ratio = example()
    target, _ = TruncatedTrace(clip)(whole, values, DISCOUNT, tf.constant(log_ratio, tf.float32))
    weight = np.minimum(np.exp(log_ratio), clip)
    ends = (whole.terminated | whole.truncated).numpy()
    v = values.numpy()
    for b in range(3):
        for s in np.flatnonzero(whole.mask[:, b]):
            last = next((t for t in range(s, 12) if ends[t, b]), 11)
            expected = v[s, b]
            for t in range(s, last + 1):
                after = 0.0 if whole.terminated[t, b] else v[t + 1, b]
                delta = float(whole.reward[t, b]) + DISCOUNT * after - v[t, b]
                weights = math.prod(weight[s : t + 1, b])
                expected += DISCOUNT ** (t - s) * weights * delta
            np.testing.assert_allclose(target[s, b], expected, rtol=1e-4, atol=1e-5)
