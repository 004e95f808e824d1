"""The softmax policy against the lecture's closed forms."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special

from pgtf.errors import ConfigurationError
from pgtf.policies import Softmax

LOGITS = np.array([0.3, -1.2, 2.0, 0.0, 0.7], np.float32)


def _head(n: int, num_features: int) -> Softmax:
    head = Softmax()
    head.build(num_features, gym.spaces.Discrete(n))
    return head


def test_the_score_is_the_slides(identity: Callable[..., Any]) -> None:
    """∇ log π(a|s) = ∇h(s, a) − Σ_b π(b|s) ∇h(s, b), here with ∇_W h(s, b) = x(s) ⊗ e_b."""
    rng = np.random.default_rng(0)
    head = _head(3, 4)
    head.preferences.kernel.assign(rng.normal(size=(4, 3)))
    features = rng.normal(size=(1, 4)).astype(np.float32)
    probabilities = special.softmax(features @ head.preferences.kernel.numpy(), -1)[0]
    for action in range(3):
        with tf.GradientTape() as tape:
            log_prob = head.distribution(features).log_prob([action])
        kernel, bias = tape.gradient(log_prob, head.trainable_variables)
        score = np.eye(3)[action] - probabilities
        np.testing.assert_allclose(kernel, np.outer(features, score), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(bias, score, rtol=1e-5, atol=1e-6)


def test_a_one_hot_state_moves_only_its_own_preferences() -> None:
    head = _head(3, 4)
    with tf.GradientTape() as tape:
        log_prob = head.distribution(tf.one_hot([2], 4)).log_prob([0])
    kernel = tape.gradient(log_prob, head.preferences.kernel).numpy()
    assert np.all(kernel[[0, 1, 3]] == 0)
    assert np.all(kernel[2] != 0)


def test_the_entropy_and_its_gradient_are_the_closed_forms(identity: Callable[..., Any]) -> None:
    """H = −Σ π log π, and ∂H/∂h_b = −π_b (log π_b + H)."""
    head = _head(5, 5)
    identity(head.preferences)
    logits = tf.constant(LOGITS[np.newaxis])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        entropy = head.distribution(logits).entropy()
    probabilities = special.softmax(LOGITS.astype(np.float64))
    expected = special.entr(probabilities).sum()
    np.testing.assert_allclose(entropy, [expected], rtol=1e-6)
    np.testing.assert_allclose(
        tape.gradient(entropy, logits)[0],
        -probabilities * (np.log(probabilities) + expected),
        atol=1e-6,
    )


def test_probabilities_are_the_softmax_and_sum_to_one(identity: Callable[..., Any]) -> None:
    head = _head(5, 5)
    identity(head.preferences)
    log_probs = head.distribution(np.tile(LOGITS, (5, 1))).log_prob(np.arange(5))
    np.testing.assert_allclose(np.exp(log_probs), special.softmax(LOGITS), rtol=1e-5)
    assert np.exp(log_probs).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("n", [2, 5, 40], ids=["two", "few", "many"])
def test_samples_come_with_their_probabilities(
    n: int,
    compiled: Callable[..., Any],
    identity: Callable[..., Any],
    assert_frequencies: Callable[..., Any],
) -> None:
    """Both ways to sum, for few and for many actions; some actions are impossible."""
    logits = np.linspace(-1.5, 1.5, n, dtype=np.float32)
    logits[3::7] = -1e4
    head = _head(n, n)
    identity(head.preferences)
    sample = compiled(lambda seed: head.distribution(logits[np.newaxis]).sample(50_000, seed=seed))
    actions = sample(tf.constant([3, 4]))
    assert actions.dtype == tf.int32
    assert_frequencies(actions.numpy(), special.softmax(logits.astype(np.float64)))


def test_rows_and_seeds_are_independent(
    compiled: Callable[..., Any],
    identity: Callable[..., Any],
    assert_frequencies: Callable[..., Any],
) -> None:
    """One action for each of 4 rows from each of 5000 neighbouring seeds, as in a rollout."""
    head = _head(5, 5)
    identity(head.preferences)
    rows = np.tile(LOGITS / 2, (4, 1))
    draw = compiled(
        lambda seeds: tf.map_fn(
            lambda i: head.distribution(rows).sample(seed=tf.stack([9, i])), seeds
        )
    )
    actions = draw(tf.range(5000)).numpy()
    probabilities = special.softmax(LOGITS.astype(np.float64) / 2)
    pairs = np.outer(probabilities, probabilities).ravel()
    assert_frequencies(actions, probabilities)
    assert_frequencies(actions[:, 0] * 5 + actions[:, 1], pairs)
    assert_frequencies(actions[:-1:2, 2] * 5 + actions[1::2, 2], pairs)


def test_the_mode_is_the_most_probable_action(identity: Callable[..., Any]) -> None:
    head = _head(5, 5)
    identity(head.preferences)
    mode = head.distribution(np.stack([LOGITS, -LOGITS])).mode()
    assert mode.dtype == tf.int32
    np.testing.assert_array_equal(mode, [2, 1])


def test_the_first_policy_is_nearly_uniform_in_every_state() -> None:
    head = _head(4, 64)
    features = np.tanh(np.random.default_rng(0).normal(size=(100, 64))).astype(np.float32)
    probabilities = head.distribution(features).probs_parameter().numpy()
    np.testing.assert_allclose(probabilities, 0.25, atol=0.03)
    assert np.ptp(probabilities) > 1e-3


@pytest.fixture(scope="module")
def everything() -> Callable[..., Any]:
    """log π of every action, H, and the gradients of both with respect to the preferences."""
    head = _head(4, 4)
    head.preferences.kernel.assign(np.eye(4))

    @tf.function(jit_compile=True)
    def compute(logits: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            distribution = head.distribution(tf.broadcast_to(logits, [4, 4]))
            log_probs = distribution.log_prob(tf.range(4))
            entropy = distribution.entropy()
        action = distribution.sample(seed=tf.constant([1, 2]))
        return (
            log_probs,
            entropy,
            tape.gradient(log_probs, logits),
            tape.gradient(entropy, logits),
            distribution.log_prob(action),
        )

    return compute


@hypothesis.given(arrays(np.float32, 4, elements=st.floats(-1e4, 1e4, width=32)))
@hypothesis.example(np.array([1e4, -1e4, -1e4, -1e4], np.float32))
@hypothesis.example(np.array([-1e4, -1e4, -1e4, -1e4], np.float32))
def test_extreme_preferences_stay_finite(
    everything: Callable[..., Any], logits: np.ndarray
) -> None:
    log_probs, entropy, *gradients, of_sample = everything(logits)
    assert np.all(np.isfinite(log_probs))
    assert np.all(log_probs.numpy() <= 0)
    assert np.all((entropy.numpy() >= -1e-6) & (entropy.numpy() <= np.log(4) + 1e-6))
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)
    assert np.all(of_sample.numpy() > -30)  # an action of negligible probability is never sampled


def test_actions_count_from_zero_whatever_the_start() -> None:
    head = Softmax()
    head.build(2, gym.spaces.Discrete(3, start=5))
    actions = head.distribution(tf.zeros([1, 2])).sample(100, seed=[1, 2]).numpy()
    assert set(actions.ravel()) == {0, 1, 2}


def test_another_space_is_refused() -> None:
    box = gym.spaces.Box(-2.0, 2.0, (1,))
    with pytest.raises(ConfigurationError) as error:
        Softmax().build(3, box)
    assert str(error.value) == (
        "Softmax needs a Discrete action space, but this environment's is "
        "Box(-2.0, 2.0, (1,), float32): bind Policy.head=@Gaussian(), "
        "or leave Policy.head unbound."
    )
