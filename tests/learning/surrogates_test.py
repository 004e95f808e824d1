"""Surrogates against tables worked by hand, and what they say of the data's age."""

import re
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from pgtf import losses
from pgtf.errors import ConfigurationError
from pgtf.learning.critics import QCritic
from pgtf.learning.estimators import VTrace
from pgtf.learning.surrogates import ClippedSurrogate, ImportanceWeighted, Surrogate
from tests.trajectories import softmax, table_q, table_v, tables

STEPS = tf.constant(0, tf.int64)
# Ratios π/μ below, within and above 1 ± 0.2, each with an advantage of 1 and of -1.
RATIO = np.array([0.5, 1.0, 1.5, 0.5, 1.0, 1.5])
ADVANTAGE = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])


def taken(
    surrogate: Surrogate, ratio: npt.ArrayLike, advantage: Any, weight: Any, steps: Any = STEPS
) -> tuple[float, np.ndarray, dict[str, float]]:
    """The loss, minus its gradient by log π, and the scalars."""
    ratio = np.asarray(ratio, np.float64)
    behaviour = np.full(ratio.shape, -1.0)
    log_prob = tf.Variable(np.log(ratio) + behaviour, dtype=tf.float32)
    with tf.GradientTape() as tape:
        loss, scalars = surrogate.at(steps)(
            tf.convert_to_tensor(log_prob),
            tf.constant(behaviour, tf.float32),
            tf.constant(advantage, tf.float32),
            tf.constant(weight, tf.float32),
        )
    gradient = -tf.convert_to_tensor(tape.gradient(loss, log_prob)).numpy()
    return float(loss), gradient, {name: float(x) for name, x in scalars.items()}


def test_the_clip_by_hand() -> None:
    """min(r A, clip(r, 0.8, 1.2) A) and its derivative by log π, r A where it is not clipped."""
    objective = [0.5, 1.0, 1.2, -0.8, -1.0, -1.5]
    derivative = [0.5, 1.0, 0.0, 0.0, -1.0, -1.5]
    for i in range(6):
        loss, gradient, scalars = taken(
            ClippedSurrogate(0.2), RATIO[i : i + 1], ADVANTAGE[i : i + 1], [1.0]
        )
        assert loss == pytest.approx(-objective[i], rel=1e-5)
        assert gradient[0] == pytest.approx(derivative[i], rel=1e-5)
        assert (gradient[0] == 0.0) == (derivative[i] == 0.0)  # no gradient at all where clipped
        assert scalars["clip_fraction"] == float(RATIO[i] != 1.0)


def test_the_clip_follows_its_schedule_over_environment_steps() -> None:
    surrogate = ClippedSurrogate(keras.optimizers.schedules.PolynomialDecay(0.4, 100, 0.0))
    for steps, objective in ((0, 1.4), (50, 1.2), (75, 1.1)):
        loss, *_ = taken(surrogate, [1.5], [1.0], [1.0], tf.constant(steps, tf.int64))
        assert loss == pytest.approx(-objective, rel=1e-5)


@pytest.mark.parametrize(
    ("max_ratio", "kept"), [(None, [0.5, 1.0, 1.5]), (1.0, [0.5, 1.0, 1.0]), (0.7, [0.5, 0.7, 0.7])]
)
def test_importance_weights_are_truncated_and_constant(
    max_ratio: float | None, kept: list[float]
) -> None:
    """The gradient is min(c, r) A ∇ log π: a truncated step keeps its share."""
    _, gradient, _ = taken(ImportanceWeighted(max_ratio), RATIO, ADVANTAGE, np.full(6, 0.5))
    np.testing.assert_allclose(gradient, 0.5 * np.array(kept * 2) * ADVANTAGE, rtol=1e-5)


@pytest.mark.parametrize("surrogate", [ClippedSurrogate(0.2), ImportanceWeighted(1.2)])
def test_scalars_are_means_over_the_steps_that_are_learned_from(surrogate: Surrogate) -> None:
    ratio, weight = [0.5, 1.0, 3.0, 1e30], [1 / 3, 1 / 3, 1 / 3, 0.0]
    _, gradient, scalars = taken(surrogate, ratio, np.ones(4), weight)
    k3 = np.mean([r - 1 - np.log(r) for r in ratio[:3]])
    assert scalars["approx_kl"] == pytest.approx(k3, rel=1e-5)
    assert scalars["importance_weight_mean"] == pytest.approx(1.5, rel=1e-5)
    assert scalars["effective_sample_size"] == pytest.approx(4.5**2 / (3 * 10.25), rel=1e-5)
    outside = 2 / 3 if isinstance(surrogate, ClippedSurrogate) else 1 / 3
    assert scalars["clip_fraction"] == pytest.approx(outside, rel=1e-5)
    assert gradient[3] == 0.0


def test_the_estimated_kl_is_unbiased_by_enumeration() -> None:
    """Σ_a μ(a) k3(a) = KL(μ ‖ π)."""
    mu, pi = softmax([0.3, -0.7, 1.1]), softmax([-0.4, 0.2, 0.9])
    log_ratio = np.log(pi / mu)
    each = [float(losses.kl_estimate(tf.constant([x], tf.float32), tf.ones(1))) for x in log_ratio]
    assert mu @ each == pytest.approx(-(mu @ log_ratio), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClippedSurrogate(0.0), "ClippedSurrogate.clip must be positive, not 0.0."),
        (
            lambda: ImportanceWeighted(-1.0),
            "ImportanceWeighted.max_ratio must be positive or None, not -1.0.",
        ),
        (lambda: VTrace(rho_bar=0.0), "VTrace.rho_bar must be positive or None, not 0.0."),
        (lambda: VTrace(c_bar=-1.0), "VTrace.c_bar must be positive or None, not -1.0."),
        (lambda: VTrace(lambda_=1.5), "VTrace.lambda_ must be in [0, 1], not 1.5."),
        (
            lambda: tables([[0.0]], critic=table_v(), returns=VTrace()),
            "VTrace corrects values for data of another policy, and ScoreFunction leaves the"
            " policy's gradient as it is: bind Learner.surrogate = @ImportanceWeighted().",
        ),
        (
            lambda: tables(
                [[0.0]], critic=table_q(), returns=VTrace(), surrogate=ImportanceWeighted()
            ),
            f"VTrace estimates V(s), which {QCritic.__name__} cannot be fitted to: bind"
            " Learner.critic = @VCritic(), or Learner.returns = @LambdaReturn().",
        ),
    ],
)
def test_what_cannot_work_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        make()
