"""The Gaussian policy against the lecture's closed forms."""

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
from pgtf.policies import Gaussian

FEATURES = np.array([[0.5, -1.0, 2.0]], np.float32)


def _head(shape: tuple[int, ...] = (2,), num_features: int = 3, **bindings: Any) -> Gaussian:
    head = Gaussian(**bindings)
    head.build(num_features, gym.spaces.Box(-1, 1, shape))
    return head


@pytest.mark.parametrize("scale", ["fixed", "learned", "state_dependent"])
def test_the_score_is_the_slides_corrected(scale: str, constant: Callable[..., Any]) -> None:
    """∇ log π = (a − μ)/σ² ∇μ, here with ∇_W μ_i = x ⊗ e_i; the slide has the sign turned round."""
    head = _head(scale=scale, initial_scale=0.7)
    if scale == "state_dependent":
        constant(head.raw_variance, [0, 0])  # keeps σ where it starts
    action = np.array([[1.3, -0.4]], np.float32)
    with tf.GradientTape() as tape:
        log_prob = head.distribution(FEATURES).log_prob(action)
    kernel, bias = tape.gradient(log_prob, [head.mean.kernel, head.mean.bias])
    score = ((action - FEATURES @ head.mean.kernel.numpy()) / 0.7**2)[0]
    np.testing.assert_allclose(kernel, np.outer(FEATURES, score), rtol=1e-5)
    np.testing.assert_allclose(bias, score, rtol=1e-5)


def test_the_score_of_a_learned_scale_is_its_closed_form() -> None:
    """∂ log π / ∂ log σ = ((a − μ)/σ)² − 1."""
    head = _head(scale="learned", initial_scale=0.7)
    action = np.array([[1.3, -0.4]], np.float32)
    with tf.GradientTape() as tape:
        log_prob = head.distribution(FEATURES).log_prob(action)
    deviation = ((action - FEATURES @ head.mean.kernel.numpy()) / 0.7)[0]
    np.testing.assert_allclose(tape.gradient(log_prob, head.log_scale), deviation**2 - 1, rtol=1e-5)


def test_a_fixed_scale_is_no_parameter() -> None:
    assert len(_head(scale="fixed").trainable_variables) == 2
    assert len(_head(scale="learned").trainable_variables) == 3
    assert len(_head(scale="state_dependent").trainable_variables) == 4


def test_a_state_dependent_variance_is_softplus_of_the_features() -> None:
    """σ² = softplus(W x + c) + 1e-6, where softplus(c) + 1e-6 is the initial variance."""
    head = _head(scale="state_dependent", initial_scale=0.5)
    np.testing.assert_allclose(head.components(0 * FEATURES).scale, [[0.5, 0.5]], rtol=1e-6)
    head.raw_variance.kernel.assign(np.arange(6).reshape(3, 2))
    raw = FEATURES @ np.arange(6).reshape(3, 2) + np.log(np.expm1(0.25 - 1e-6))
    variance = np.log1p(np.exp(raw)) + 1e-6
    np.testing.assert_allclose(head.components(FEATURES).scale, np.sqrt(variance), rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=["scalar", "one", "matrix"])
def test_the_log_prob_and_entropy_are_the_closed_forms(
    shape: tuple[int, ...], constant: Callable[..., Any]
) -> None:
    """log π = Σ_i log N(a_i; μ_i, σ_i²) and H = Σ_i ½ log(2πe σ_i²), for a Box of any shape."""
    rng = np.random.default_rng(0)
    head = _head(shape)
    mean, scale = rng.normal(size=shape), np.exp(rng.normal(size=shape))
    constant(head.mean, mean)
    head.log_scale.assign(np.log(scale))
    action = rng.normal(size=(4, *shape)).astype(np.float32)
    axes = tuple(range(1, action.ndim))
    distribution = head.distribution(np.zeros([4, 3], np.float32))
    expected = stats.norm.logpdf(action, mean, scale).sum(axes)
    np.testing.assert_allclose(distribution.log_prob(action), expected, rtol=1e-5)
    entropy = np.sum(0.5 * np.log(2 * np.pi * np.e * scale**2))
    np.testing.assert_allclose(distribution.entropy(), np.full(4, entropy), rtol=1e-5)
    np.testing.assert_allclose(distribution.mode(), np.broadcast_to(mean, action.shape), rtol=1e-6)


@pytest.mark.parametrize("scale", [0.05, 1.0, 20.0])
def test_the_density_integrates_to_one(scale: float, constant: Callable[..., Any]) -> None:
    head = _head((1,), scale="fixed", initial_scale=scale)
    constant(head.mean, [0.3])
    grid = np.linspace(0.3 - 8 * scale, 0.3 + 8 * scale, 2001, dtype=np.float32)
    log_prob = head.distribution(np.zeros([2001, 3], np.float32)).log_prob(grid[:, np.newaxis])
    assert integrate.trapezoid(np.exp(log_prob), grid) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("scale", ["fixed", "learned", "state_dependent"])
def test_samples_are_normal_and_their_dimensions_independent(
    scale: str,
    compiled: Callable[..., Any],
    constant: Callable[..., Any],
    assert_distributed: Callable[..., Any],
) -> None:
    head = _head(scale=scale, initial_scale=0.3)
    constant(head.mean, [2.0, -1.0])
    features = np.zeros([1, 3], np.float32)
    sample = compiled(lambda seed: head.distribution(features).sample(20_000, seed=seed))
    actions = sample(tf.constant([3, 4]))[:, 0].numpy()
    assert actions.dtype == np.float32
    assert_distributed(actions[:, 0], stats.norm(2.0, 0.3).cdf)
    assert_distributed(actions[:, 1], stats.norm(-1.0, 0.3).cdf)
    assert stats.pearsonr(actions[:, 0], actions[:, 1]).pvalue > 1e-4


def test_actions_are_not_clipped(constant: Callable[..., Any]) -> None:
    head = _head(scale="fixed", initial_scale=1.0)
    constant(head.mean, [5.0, 5.0])
    assert np.all(head.distribution(FEATURES).mode() == 5)
    assert np.any(head.distribution(FEATURES).sample(100, seed=[1, 2]) > 5)


def test_a_narrow_policy_far_from_zero_keeps_its_precision(constant: Callable[..., Any]) -> None:
    """x/σ − μ/σ, as tfp has it, cancels: with σ = 1e-5 around 8 it is wrong by hundreds of nats."""
    head = _head((1,), scale="fixed", initial_scale=1e-5)
    constant(head.mean, [8.0])
    action = np.array([[8.0 + 2.0**-16]], np.float32)
    log_prob = head.distribution(FEATURES).log_prob(action)
    np.testing.assert_allclose(log_prob, stats.norm.logpdf(2.0**-16, 0, 1e-5), rtol=1e-5)


@pytest.fixture(scope="module")
def everything() -> Callable[..., Any]:
    """log π, H, and the gradients of both with respect to μ and the parameter of σ."""
    heads = [_head((1,), 2, scale="learned"), _head((1,), 2, scale="state_dependent")]
    for head in heads:
        head.mean.kernel.assign([[1.0], [0.0]])
    heads[1].raw_variance.kernel.assign([[0.0], [1.0]])

    @tf.function(jit_compile=True)
    def compute(
        mean: tf.Tensor, log_scale: tf.Tensor, raw: tf.Tensor, action: tf.Tensor
    ) -> list[tf.Tensor]:
        results = []
        heads[0].log_scale.assign(log_scale[0])
        features = tf.concat([mean, raw], -1)
        for head in heads:
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(features)
                distribution = head.distribution(features)
                log_prob, entropy = distribution.log_prob(action), distribution.entropy()
            sources = [features, *head.trainable_variables]
            results += [log_prob, entropy, distribution.sample(seed=tf.constant([1, 2]))]
            gradients = [*tape.gradient(log_prob, sources), *tape.gradient(entropy, sources)]
            results += [gradient for gradient in gradients if gradient is not None]  # ∂H/∂μ
        return results

    return lambda *arguments: compute(*(tf.constant([[x]], tf.float32) for x in arguments))


@hypothesis.given(
    st.floats(-1e4, 1e4), st.floats(-6, 6), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)
)
@hypothesis.example(1e4, -6, -1e4, -1e4)
@hypothesis.example(-1e4, 6, 1e4, 1e4)
def test_extreme_parameters_stay_finite(
    everything: Callable[..., Any], mean: float, log10_scale: float, raw: float, action: float
) -> None:
    results = everything(mean, log10_scale * np.log(10), raw, action)
    assert all(np.all(np.isfinite(result)) for result in results)


def test_another_space_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        Gaussian().build(3, gym.spaces.Discrete(3))
    assert str(error.value) == (
        "Gaussian needs a Box action space, but this environment's is Discrete(3): "
        "bind Policy.head=@Softmax(), or leave Policy.head unbound."
    )


def test_impossible_scales_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Gaussian.scale must be one of"):
        _head(scale="diagonal")
    with pytest.raises(ConfigurationError, match=r"Gaussian.initial_scale must be positive"):
        _head(initial_scale=0.0)
    with pytest.raises(ConfigurationError, match=r"a number above 0.001"):
        _head(scale="state_dependent", initial_scale=1e-4)
