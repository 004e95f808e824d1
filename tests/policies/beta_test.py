"""The Beta policy against SciPy's Beta distribution."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from scipy import stats

from pgtf.errors import ConfigurationError
from pgtf.policies import Beta

LOW, HIGH = -1.0, 3.0
# α, β: flat, one-sided, symmetric, skewed, narrow.
CONCENTRATIONS = [(1.0, 1.0), (1.0, 4.0), (2.0, 2.0), (1.7, 6.0), (300.0, 200.0)]


def _head(low: Any = (LOW,), high: Any = (HIGH,), num_features: int = 1) -> Beta:
    head = Beta()
    low, high = np.array(low, np.float32), np.array(high, np.float32)
    head.build(num_features, gym.spaces.Box(low, high))
    return head


def _raw(concentration: Any) -> np.ndarray:
    """The layer's output that makes this concentration, 1 + softplus(output)."""
    excess = np.float64(concentration) - 1
    with np.errstate(divide="ignore"):
        return np.maximum(excess + np.log(-np.expm1(-excess)), -1e4)


@pytest.fixture
def policy(constant: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the distribution over n scalar actions in [LOW, HIGH] with the given α and β."""

    def make(alpha: float, beta: float, n: int = 1) -> Any:
        head = _head()
        constant(head.raw_p, [_raw(alpha)])
        constant(head.raw_q, [_raw(beta)])
        return head.distribution(np.zeros([n, 1], np.float32))

    return make


def _oracle(alpha: float, beta: float) -> Any:
    return stats.beta(alpha, beta, loc=LOW, scale=HIGH - LOW)


@pytest.mark.parametrize(("alpha", "beta"), CONCENTRATIONS)
def test_the_log_prob_is_scipys(policy: Callable[..., Any], alpha: float, beta: float) -> None:
    actions = np.linspace(LOW + 0.1, HIGH - 0.1, 9, dtype=np.float32)
    log_prob = policy(alpha, beta, 9).log_prob(actions[:, np.newaxis])
    np.testing.assert_allclose(log_prob, _oracle(alpha, beta).logpdf(actions), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=["scalar", "one", "matrix"])
def test_dimensions_are_independent_for_a_box_of_any_shape(
    shape: tuple[int, ...], constant: Callable[..., Any]
) -> None:
    rng = np.random.default_rng(0)
    low, high = rng.uniform(-3, -1, shape), rng.uniform(1, 4, shape)
    alpha, beta = rng.uniform(1, 5, shape), rng.uniform(1, 5, shape)
    head = _head(low, high)
    constant(head.raw_p, _raw(alpha))
    constant(head.raw_q, _raw(beta))
    action = rng.uniform(low, high, (4, *shape)).astype(np.float32)
    oracle = stats.beta(alpha, beta, loc=low, scale=high - low)
    axes = tuple(range(1, action.ndim))
    distribution = head.distribution(np.zeros([4, 1], np.float32))
    expected = oracle.logpdf(action).sum(axes)
    np.testing.assert_allclose(distribution.log_prob(action), expected, rtol=1e-4)
    entropy = np.full(4, np.sum(oracle.entropy()))
    np.testing.assert_allclose(distribution.entropy(), entropy, rtol=1e-4)


@pytest.mark.parametrize(("alpha", "beta"), CONCENTRATIONS)
def test_the_density_integrates_to_one(
    policy: Callable[..., Any], alpha: float, beta: float
) -> None:
    edges = np.linspace(LOW, HIGH, 10_001)
    middles = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    log_prob = policy(alpha, beta, len(middles)).log_prob(middles[:, np.newaxis])
    mass = np.exp(np.float64(log_prob)).sum() * (edges[1] - edges[0])
    assert mass == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize(("alpha", "beta"), CONCENTRATIONS)
def test_samples_have_the_density(
    policy: Callable[..., Any], alpha: float, beta: float, assert_distributed: Callable[..., Any]
) -> None:
    actions = policy(alpha, beta).sample(100_000, seed=[3, 4]).numpy()
    assert actions.dtype == np.float32
    assert np.all((actions > LOW) & (actions < HIGH))
    assert_distributed(actions, _oracle(alpha, beta).cdf)


def test_samples_have_the_density_under_xla(
    policy: Callable[..., Any], assert_distributed: Callable[..., Any]
) -> None:
    distribution = policy(1.7, 6.0)
    sample = tf.function(lambda seed: distribution.sample(100_000, seed=seed), jit_compile=True)
    assert_distributed(sample(tf.constant([3, 4])).numpy(), _oracle(1.7, 6.0).cdf)


def test_samples_of_the_dimensions_are_independent() -> None:
    actions = _head([-1, 10], [1, 30]).distribution(tf.zeros([1, 1])).sample(20_000, seed=[3, 4])
    actions = actions[:, 0].numpy()
    assert np.all((actions > [-1, 10]) & (actions < [1, 30]))
    assert stats.pearsonr(actions[:, 0], actions[:, 1]).pvalue > 1e-4


@pytest.mark.parametrize(("alpha", "beta"), CONCENTRATIONS)
def test_the_entropy_is_scipys(policy: Callable[..., Any], alpha: float, beta: float) -> None:
    np.testing.assert_allclose(
        policy(alpha, beta).entropy(), [_oracle(alpha, beta).entropy()], rtol=2e-4, atol=1e-5
    )


@pytest.mark.parametrize(("alpha", "beta"), CONCENTRATIONS[1:])
def test_the_mode_is_where_the_density_is_highest(
    policy: Callable[..., Any], alpha: float, beta: float
) -> None:
    grid = np.linspace(LOW, HIGH, 4001, dtype=np.float32)
    log_prob = policy(alpha, beta, len(grid)).log_prob(grid[:, np.newaxis])
    best = grid[np.argmax(log_prob)]
    np.testing.assert_allclose(policy(alpha, beta).mode(), [[best]], atol=2e-3)


def test_the_mode_of_a_flat_policy_is_the_middle(policy: Callable[..., Any]) -> None:
    np.testing.assert_allclose(policy(1.0, 1.0).mode(), [[(LOW + HIGH) / 2]])


@pytest.fixture(scope="module")
def everything() -> Callable[..., Any]:
    """log π, H, a sample, and the gradients of log π and H with respect to the parameters."""
    head = _head(num_features=2)
    head.raw_p.kernel.assign([[1.0], [0.0]])
    head.raw_q.kernel.assign([[0.0], [1.0]])

    @tf.function(jit_compile=True)
    def compute(raw: tf.Tensor, action: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(raw)
            distribution = head.distribution(raw)
            log_prob, entropy = distribution.log_prob(action), distribution.entropy()
        sample = distribution.sample(seed=tf.constant([1, 2]))
        gradients = [tape.gradient(log_prob, raw), tape.gradient(entropy, raw)]
        return [log_prob, entropy, distribution.log_prob(sample), *gradients], sample

    return lambda p, q, action: compute(tf.constant([[p, q]]), tf.constant([[action]]))


@hypothesis.given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(LOW, HIGH))
@hypothesis.example(0.0, 0.0, LOW)
@hypothesis.example(0.0, 0.0, HIGH)
@hypothesis.example(-1e4, -1e4, LOW)
@hypothesis.example(1e4, 1e4, HIGH)
@hypothesis.example(1e4, -1e4, LOW)
def test_extreme_parameters_and_actions_at_the_bounds_stay_finite(
    everything: Callable[..., Any], p: float, q: float, action: float
) -> None:
    results, sample = everything(p, q, action)
    assert all(np.all(np.isfinite(result)) for result in results)
    assert LOW < sample < HIGH


def test_a_box_without_finite_bounds_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        Beta().build(3, gym.spaces.Box(0, np.inf, (1,)))
    assert str(error.value) == (
        "Beta needs a Box action space with finite bounds, low < high, but this environment's is "
        "Box(0.0, inf, (1,), float32): bind Policy.head=@Gaussian(), or leave Policy.head unbound."
    )
