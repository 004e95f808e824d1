"""The squashed Gaussian against the change of variables, done in float64 by SciPy."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from scipy import integrate, stats

from pgtf.errors import ConfigurationError
from pgtf.policies import TanhGaussian

LOW, HIGH = -1.0, 3.0


def _head(
    low: Any = (LOW,), high: Any = (HIGH,), num_features: int = 1, **bindings: Any
) -> TanhGaussian:
    head = TanhGaussian(**bindings)
    low, high = np.array(low, np.float32), np.array(high, np.float32)
    head.build(num_features, gym.spaces.Box(low, high))
    return head


def _deviate(action: np.ndarray) -> np.ndarray:
    """u, where action = LOW + (HIGH − LOW)(1 + tanh u)/2."""
    return np.arctanh(2 * (np.float64(action) - LOW) / (HIGH - LOW) - 1)


@pytest.fixture
def policy(constant: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the distribution over n scalar actions in [LOW, HIGH] with the given μ and σ."""

    def make(mean: float, scale: float, n: int = 1) -> Any:
        head = _head(scale="fixed", initial_scale=scale)
        constant(head.mean, [mean])
        return head.distribution(np.zeros([n, 1], np.float32))

    return make


@pytest.mark.parametrize("scale", ["fixed", "learned", "state_dependent"])
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=["scalar", "one", "matrix"])
def test_the_log_prob_is_the_change_of_variables(
    scale: str, shape: tuple[int, ...], constant: Callable[..., Any]
) -> None:
    """log π = Σ_i log N(u_i; μ_i, σ²) − log(½ length_i) − log(1 − tanh² u_i)."""
    rng = np.random.default_rng(0)
    low, high = rng.uniform(-3, -1, shape), rng.uniform(1, 4, shape)
    head = _head(low, high, scale=scale, initial_scale=0.8)
    mean, u = rng.normal(size=shape), rng.normal(size=(5, *shape))
    constant(head.mean, mean)
    if scale == "state_dependent":
        constant(head.raw_variance, np.zeros(shape))
    action = (low + (high - low) * (1 + np.tanh(u)) / 2).astype(np.float32)
    expected = stats.norm.logpdf(u, mean, 0.8) - np.log((high - low) / 2 / np.cosh(u) ** 2)
    log_prob = head.distribution(np.zeros([5, 1], np.float32)).log_prob(action)
    np.testing.assert_allclose(log_prob, expected.sum(tuple(range(1, u.ndim))), rtol=1e-4)


@pytest.mark.parametrize(("mean", "scale"), [(0, 1), (0.5, 0.1), (-1.5, 0.6), (0.3, 1.5)])
def test_the_density_integrates_to_one(
    policy: Callable[..., Any], mean: float, scale: float
) -> None:
    edges = np.linspace(LOW, HIGH, 40_001)
    middles = ((edges[1:] + edges[:-1]) / 2).astype(np.float32)
    log_prob = policy(mean, scale, len(middles)).log_prob(middles[:, np.newaxis])
    mass = np.exp(np.float64(log_prob)).sum() * (edges[1] - edges[0])
    assert mass == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize(("mean", "scale"), [(0, 1), (0.5, 0.1), (-1.5, 2)])
def test_samples_have_the_density(
    policy: Callable[..., Any],
    mean: float,
    scale: float,
    compiled: Callable[..., Any],
    assert_distributed: Callable[..., Any],
) -> None:
    distribution = policy(mean, scale)
    sample = compiled(lambda seed: distribution.sample(20_000, seed=seed))
    actions = sample(tf.constant([3, 4])).numpy()
    assert actions.dtype == np.float32
    assert np.all((actions > LOW) & (actions < HIGH))
    assert_distributed(actions, lambda a: stats.norm.cdf(_deviate(a), mean, scale))


@pytest.mark.parametrize("mean", [0, 0.3, -2, 5])
@pytest.mark.parametrize(("scale", "error"), [(0.01, 2e-5), (1, 2e-5), (3, 2e-5), (5, 2e-3)])
def test_the_entropy_is_the_integral_within_the_stated_error(
    policy: Callable[..., Any], mean: float, scale: float, error: float
) -> None:
    """H = ½ log(2πe σ²) + log(½ length) + E[log(1 − tanh² u)], the last by 10⁵ points."""
    z = np.linspace(-10, 10, 100_001)
    u = np.abs(mean + scale * z)
    slope = 2 * (np.log(2) - u - np.log1p(np.exp(-2 * u)))
    expectation = integrate.trapezoid(stats.norm.pdf(z) * slope, z)
    expected = 0.5 * np.log(2 * np.pi * np.e * scale**2) + np.log((HIGH - LOW) / 2) + expectation
    rounding = 1e-6 * (1 + np.abs(expected))
    assert abs(policy(mean, scale).entropy().numpy()[0] - expected) < error + rounding


def test_the_greedy_action_is_the_squashed_mean(policy: Callable[..., Any]) -> None:
    expected = LOW + (HIGH - LOW) * (1 + np.tanh(0.5)) / 2
    np.testing.assert_allclose(policy(0.5, 2.0).mode(), [[expected]], rtol=1e-6)


def test_dimensions_have_their_own_bounds_and_noise(compiled: Callable[..., Any]) -> None:
    head = _head([-1, 10], [1, 30])
    sample = compiled(lambda seed: head.distribution(tf.zeros([1, 1])).sample(20_000, seed=seed))
    actions = sample(tf.constant([3, 4]))[:, 0].numpy()
    assert np.all((actions > [-1, 10]) & (actions < [1, 30]))
    np.testing.assert_allclose(actions.mean(0), [0, 20], atol=0.3)
    assert stats.pearsonr(actions[:, 0], actions[:, 1]).pvalue > 1e-4


@pytest.fixture(scope="module")
def everything() -> Callable[..., Any]:
    """log π, H, a sample, and the gradients of log π and H with respect to μ, σ and the action."""
    head = _head(scale="learned")
    head.mean.kernel.assign([[1.0]])

    @tf.function(jit_compile=True)
    def compute(
        mean: tf.Tensor, log_scale: tf.Tensor, action: tf.Tensor
    ) -> tuple[list[tf.Tensor], tf.Tensor]:
        head.log_scale.assign(log_scale[0])
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([mean, action])
            distribution = head.distribution(mean)
            log_prob, entropy = distribution.log_prob(action), distribution.entropy()
        sample = distribution.sample(seed=tf.constant([1, 2]))
        return [
            log_prob,
            entropy,
            distribution.log_prob(sample),
            *tape.gradient(log_prob, [mean, head.log_scale, action]),
            *tape.gradient(entropy, [mean, head.log_scale]),
        ], sample

    return lambda *arguments: compute(*(tf.constant([[x]], tf.float32) for x in arguments))


@hypothesis.given(st.floats(-1e4, 1e4), st.floats(-6, 6), st.floats(LOW, HIGH))
@hypothesis.example(0, 0, LOW)
@hypothesis.example(0, 0, HIGH)
@hypothesis.example(1e4, -6, LOW)
@hypothesis.example(-1e4, 6, HIGH)
def test_extreme_parameters_and_actions_at_the_bounds_stay_finite(
    everything: Callable[..., Any], mean: float, log10_scale: float, action: float
) -> None:
    results, sample = everything(mean, log10_scale * np.log(10), action)
    assert all(np.all(np.isfinite(result)) for result in results)
    assert LOW < sample < HIGH


@pytest.mark.parametrize(
    "space",
    [gym.spaces.Box(-np.inf, 1, (1,)), gym.spaces.Box(1, 1, (1,))],
    ids=["infinite", "empty"],
)
def test_a_box_without_finite_bounds_is_refused(space: gym.Space) -> None:
    with pytest.raises(ConfigurationError) as error:
        TanhGaussian().build(3, space)
    assert str(error.value) == (
        "TanhGaussian needs a Box action space with finite bounds, low < high, but this "
        f"environment's is {space}: bind Policy.head=@Gaussian(), or leave Policy.head unbound."
    )


def test_another_space_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"TanhGaussian needs a bounded Box .*@Softmax"):
        TanhGaussian().build(3, gym.spaces.Discrete(3))
