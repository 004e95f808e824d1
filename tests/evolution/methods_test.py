"""Search gradients and the cross-entropy method on fitness functions with a known answer.

For Gaussian P and quadratic F(θ) = c·θ − ½ (θ − a)ᵀA(θ − a), the derivatives of U = E[F(θ)] are
∇_μ U = c − A(μ − a) and ∇ by log σ_j of −σ_j² A_jj.
"""

import itertools
from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.evolution.methods import CrossEntropyMethod, EvolutionStrategy, SearchMethod
from pgtf.evolution.search import GaussianSearch
from pgtf.evolution.shaping import centred_ranks
from pgtf.learning.schedules import Horizon
from tests.lecture.confidence import p_value

MEAN = np.array([0.5, -1.0], np.float32)
TARGET = np.array([2.0, 1.0], np.float32)
SLOPE = np.array([3.0, -2.0], np.float32)
CURVATURE = np.array([[2.0, 0.6], [0.6, 1.0]], np.float32)
SIGMA = np.array([0.3, 0.8], np.float32)


def fitness(members: tf.Tensor, curved: bool) -> tf.Tensor:
    linear = tf.linalg.matvec(members, SLOPE)
    distance = members - TARGET
    return linear - curved * 0.5 * tf.reduce_sum(distance * (distance @ CURVATURE), axis=-1)


def gradient(curved: bool, covariance: str) -> np.ndarray:
    """∇U by μ and log σ, one vector."""
    sigma = SIGMA if covariance == "diagonal" else SIGMA[:1] * np.ones(2)
    by_mean = SLOPE - curved * CURVATURE @ (MEAN - TARGET)
    by_log_scale = -curved * sigma**2 * np.diag(CURVATURE)
    if covariance == "isotropic":
        by_log_scale = by_log_scale.sum(keepdims=True)
    return np.concatenate([by_mean, by_log_scale])


def made(
    method: SearchMethod, covariance: str = "diagonal", scale: str = "learned"
) -> GaussianSearch:
    search = GaussianSearch(covariance, scale, float(SIGMA[0]))  # type: ignore[arg-type]
    search.build(tf.constant(MEAN))
    if covariance == "diagonal":
        search.log_scale.assign(np.log(SIGMA))
    method.build(search, tf.Variable(0, dtype=tf.int64), Horizon())
    return search


def ascent(method: EvolutionStrategy, members: tf.Tensor, shaped: tf.Tensor) -> np.ndarray:
    return -np.concatenate([np.ravel(g) for g in method.gradients(members, shaped)])


def quadrature(sigma: np.ndarray) -> tf.Tensor:
    """36 members whose mean of any polynomial to degree 5 is the expectation (Gauss–Hermite)."""
    nodes = np.sqrt(3.0) * np.array([0, 0, 0, 0, 1, -1])
    noise = np.array(list(itertools.product(nodes, nodes)))
    return tf.constant(MEAN + sigma * noise, tf.float32)


@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
@pytest.mark.parametrize("curved", [False, True], ids=["linear", "quadratic"])
def test_the_search_gradient_is_the_derivative_of_the_expectation(
    curved: bool, covariance: str
) -> None:
    """Exactly, with members that stand for the whole distribution."""
    method = EvolutionStrategy()
    search = made(method, covariance)
    members = quadrature(search.sigma.numpy())
    found = ascent(method, members, fitness(members, curved))
    np.testing.assert_allclose(found, gradient(curved, covariance), rtol=1e-4, atol=1e-4)


def estimates(covariance: str, curved: bool, antithetic: bool, constant: float) -> np.ndarray:
    """[400, …] gradients, each estimated from 64 sampled members."""
    method = EvolutionStrategy()
    search = made(method, covariance)

    @tf.function(autograph=False)
    def estimate(i: tf.Tensor) -> tf.Tensor:
        members = search.sample(64, tf.stack([7, i]), antithetic)
        gradients = method.gradients(members, fitness(members, curved) + constant)
        return -tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)

    return np.stack([estimate(tf.constant(i)) for i in range(400)])


@pytest.mark.parametrize("antithetic", [False, True])
@pytest.mark.parametrize("covariance", ["isotropic", "diagonal"])
@pytest.mark.parametrize("curved", [False, True], ids=["linear", "quadratic"])
def test_sampled_gradients_are_unbiased(curved: bool, covariance: str, antithetic: bool) -> None:
    """Hotelling's test, error rate 0.001 for each of eight."""
    sampled = estimates(covariance, curved, antithetic, 1.0)
    assert p_value(sampled, gradient(curved, covariance)) > 1e-3


@pytest.mark.parametrize("curved", [False, True], ids=["linear", "quadratic"])
def test_antithetic_pairs_cancel_what_is_even_in_the_fitness(curved: bool) -> None:
    """A constant of 20 adds nothing to their variance, and (20/σ)²/N to that without pairs.

    A pair's estimate is ε/σ times the odd part of F, which is (c − A(μ − a))·σε. With g for that
    slope times σ, 32 pairs have the covariance (|g|² I + g gᵀ) / 32, divided by σ σᵀ.
    """
    plain = estimates("diagonal", curved, False, 20.0)[:, :2]
    paired = estimates("diagonal", curved, True, 20.0)[:, :2]
    assert np.trace(np.cov(paired.T)) < 0.25 * np.trace(np.cov(plain.T))
    g = SIGMA * gradient(curved, "diagonal")[:2]
    expected = ((g @ g) * np.eye(2) + np.outer(g, g)) / 32 / np.outer(SIGMA, SIGMA)
    # The trace of 400 rows has a relative standard error of about √(2/400) = 0.07.
    assert np.trace(np.cov(paired.T)) == pytest.approx(np.trace(expected), rel=0.28)


def test_a_search_gradient_leads_to_the_optimum() -> None:
    """μ* = a + A⁻¹c, whatever σ: the mean of a quadratic is quadratic."""
    optimum = TARGET + np.linalg.solve(CURVATURE, SLOPE)
    for shaping in (None, centred_ranks):
        method = EvolutionStrategy(shaping, keras.optimizers.SGD(0.2 if shaping is None else 0.4))
        search = made(method, scale="fixed")

        @tf.function(autograph=False)
        def step(i: tf.Tensor, method: EvolutionStrategy, search: GaussianSearch) -> None:
            members = search.sample(256, tf.stack([1, i]), True)
            method.update(members, fitness(members, True))

        for i in range(80):
            step(tf.constant(i), method, search)
        np.testing.assert_allclose(search.mean, optimum, atol=0.15)


def test_a_learned_scale_narrows_where_the_fitness_is_curved() -> None:
    method = EvolutionStrategy(optimizer=keras.optimizers.Adam(0.05))
    search = made(method)
    search.mean.assign(TARGET + np.linalg.solve(CURVATURE, SLOPE))
    for i in range(30):
        members = search.sample(128, tf.constant([2, i]), True)
        method.update(members, fitness(members, True))
    assert np.all(search.sigma.numpy() < 0.5 * SIGMA)


def test_an_optimizers_weight_decay_pulls_the_mean_and_not_the_scale() -> None:
    method = EvolutionStrategy(optimizer=keras.optimizers.SGD(0.1, weight_decay=0.5))
    search = made(method)
    method.update(search.sample(4, tf.constant([1, 2]), True), tf.zeros([4]))
    np.testing.assert_allclose(search.mean, MEAN * (1 - 0.1 * 0.5), rtol=1e-6)
    np.testing.assert_allclose(search.sigma, SIGMA, rtol=1e-6)


def test_a_schedule_of_the_learning_rate_counts_environment_steps() -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 1_000, 0.0)
    method = EvolutionStrategy(optimizer=keras.optimizers.SGD(schedule))
    search = GaussianSearch()
    search.build(tf.constant(MEAN))
    steps = tf.Variable(0, dtype=tf.int64)
    method.build(search, steps, Horizon())
    steps.assign(250)
    metrics = method.update(search.sample(4, tf.constant([1, 2]), True), tf.range(4.0))
    assert float(metrics["learning_rate"]) == pytest.approx(0.75)


MEMBERS = np.array([[0.0, 1.0], [4.0, 3.0], [9.0, 9.0], [2.0, 1.0], [-9.0, 0.0]], np.float32)
RANKED = np.array([3.0, 5.0, 1.0, 4.0, 2.0], np.float32)


@pytest.mark.parametrize(
    ("covariance", "scale", "step", "extra", "mean", "sigma"),
    [
        # The elite is [4, 3], [2, 1], [0, 1]: mean [2, 5/3], variances 8/3 and 8/9.
        ("diagonal", "learned", 1.0, 0.0, [2, 5 / 3], [(8 / 3) ** 0.5, (8 / 9) ** 0.5]),
        ("isotropic", "learned", 1.0, 0.0, [2, 5 / 3], (16 / 9) ** 0.5),
        ("isotropic", "learned", 1.0, 2.0, [2, 5 / 3], (16 / 9 + 4) ** 0.5),
        ("isotropic", "learned", 0.5, 0.0, [1.25, 1 / 3], 0.5 * (0.3 + 4 / 3)),
        ("isotropic", "fixed", 1.0, 0.0, [2, 5 / 3], 0.3),
    ],
)
def test_the_cross_entropy_method_by_hand(
    covariance: str, scale: str, step: float, extra: float, mean: list, sigma: list
) -> None:
    method = CrossEntropyMethod(0.6, step, extra)
    search = made(method, covariance, scale)
    method.update(tf.constant(MEMBERS), tf.constant(RANKED))
    np.testing.assert_allclose(search.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(search.sigma, sigma, rtol=1e-5)


def test_the_cross_entropy_method_finds_the_optimum_of_a_quadratic() -> None:
    optimum = TARGET + np.linalg.solve(CURVATURE, SLOPE)
    method = CrossEntropyMethod(0.2)
    search = made(method)
    search.log_scale.assign(np.log([3.0, 3.0]))
    for i in range(20):
        members = search.sample(200, tf.constant([1, i]), False)
        method.update(members, fitness(members, True))
    np.testing.assert_allclose(search.mean, optimum, atol=0.01)
    assert np.all(search.sigma.numpy() < 0.01)


def test_extra_scale_follows_its_schedule_over_environment_steps() -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(2.0, 1_000, 0.0)
    method = CrossEntropyMethod(1.0, extra_scale=schedule)
    search = GaussianSearch("isotropic", "learned")
    search.build(tf.constant(MEAN))
    steps = tf.Variable(500, dtype=tf.int64)
    method.build(search, steps, Horizon())
    equal = tf.constant(np.tile(MEAN, (4, 1)))
    assert float(method.update(equal, tf.zeros(4))["extra_sigma"]) == pytest.approx(1.0)
    assert float(search.sigma) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossEntropyMethod(0.0), "elite_fraction must be above 0"),
        (lambda: CrossEntropyMethod(step=1.5), "step must be above 0 and at most 1"),
        (lambda: CrossEntropyMethod(extra_scale=-1.0), "extra_scale must be at least 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: Callable, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
