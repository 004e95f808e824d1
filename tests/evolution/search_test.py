"""Search distributions: their score, their samples, their mirror images."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.errors import ConfigurationError
from pgtf.evolution.search import GaussianSearch

MEAN = np.array([0.3, -1.0, 2.0], np.float32)
SEED = tf.constant([3, 4], tf.int32)


def search(covariance: str, initial_scale: float = 0.2) -> GaussianSearch:
    made = GaussianSearch(covariance, "learned", initial_scale)  # type: ignore[arg-type]
    made.build(tf.constant(MEAN))
    return made


@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
def test_the_score_is_its_closed_form(covariance: str) -> None:
    """∇_μ log P = (θ − μ)/σ², and ∇ by log σ is (θ − μ)²/σ² − 1, summed where σ is one."""
    made = search(covariance)
    sigma = np.array(0.2, np.float32)
    if covariance == "diagonal":
        sigma = np.array([0.2, 0.5, 1.5], np.float32)
        made.log_scale.assign(np.log(sigma))
    theta = MEAN + np.array([0.1, -0.3, 0.7], np.float32)
    with tf.GradientTape() as tape:
        log_prob = made.distribution().log_prob(theta)
    by_mean, by_log_scale = tape.gradient(log_prob, [made.mean.value, made.log_scale.value])
    deviation = (theta - MEAN) / sigma
    np.testing.assert_allclose(by_mean, deviation / sigma, rtol=1e-5)
    expected = deviation**2 - 1
    expected = expected if covariance == "diagonal" else expected.sum()
    np.testing.assert_allclose(by_log_scale, expected, rtol=1e-5)
    density = stats.norm.logpdf(theta, MEAN, sigma * np.ones(3)).sum()
    np.testing.assert_allclose(log_prob, density, rtol=1e-5)


@pytest.mark.parametrize("antithetic", [False, True])
def test_members_have_the_distribution_in_every_parameter(antithetic: bool) -> None:
    """Kolmogorov–Smirnov, at a family-wise error rate below 0.001 (three tests each)."""
    made = search("diagonal")
    sigma = np.array([0.2, 0.5, 1.5], np.float32)
    made.log_scale.assign(np.log(sigma))
    members = made.sample(20_000, SEED, antithetic).numpy()
    # Mirror images are not independent: the test takes one of each pair.
    rows = (members - MEAN)[:10_000] / sigma
    for column in rows.T:
        assert stats.kstest(column, stats.norm.cdf).pvalue > 1e-4
    assert np.all(np.abs(np.corrcoef(rows.T) - np.eye(3)) < 0.05)


def test_antithetic_members_mirror_each_other_at_the_mean() -> None:
    members = search("isotropic").sample(10, SEED, True).numpy()
    np.testing.assert_allclose(members[:5] + members[5:], np.tile(2 * MEAN, (5, 1)), rtol=1e-6)
    assert len(np.unique(members, axis=0)) == 10
    plain = search("isotropic").sample(10, SEED, False).numpy()
    assert not np.any(np.isclose(plain[:5] + plain[5:], 2 * MEAN))


def test_a_fixed_scale_is_not_moved() -> None:
    fixed = GaussianSearch()
    fixed.build(tf.constant(MEAN))
    assert [v.name for v in fixed.trainable_variables] == ["mean"]
    assert [v.name for v in search("isotropic").trainable_variables] == ["mean", "log_scale"]
    assert float(fixed.sigma) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"covariance": "full"}, "covariance must be one of 'isotropic', 'diagonal'"),
        ({"scale": "free"}, "scale must be one of 'fixed', 'learned'"),
        ({"initial_scale": 0.0}, "initial_scale must be positive"),
    ],
)
def test_what_is_no_distribution_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        GaussianSearch(**arguments)
