"""The Bernoulli policy against enumeration."""

import itertools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from scipy import special

from pgtf.errors import ConfigurationError
from pgtf.policies import Bernoulli

LOGITS = np.array([0.4, -1.0, 1.5])
ACTIONS = np.array(list(itertools.product([0, 1], repeat=3)))


def _head(n: Any = 3, num_features: int = 1) -> Bernoulli:
    head = Bernoulli()
    head.build(num_features, gym.spaces.MultiBinary(n))
    return head


def _probabilities() -> np.ndarray:
    """π of each of the eight actions: the product over bits of p or 1 − p."""
    p = special.expit(LOGITS)
    return np.prod(np.where(ACTIONS == 1, p, 1 - p), -1)


def test_probabilities_are_products_over_bits_and_sum_to_one(constant: Callable[..., Any]) -> None:
    head = _head()
    constant(head.logits, LOGITS)
    log_prob = head.distribution(np.zeros([8, 1], np.float32)).log_prob(ACTIONS)
    np.testing.assert_allclose(np.exp(log_prob), _probabilities(), rtol=1e-5)
    assert np.exp(log_prob).sum() == pytest.approx(1, abs=1e-6)


def test_samples_come_with_their_probabilities(
    compiled: Callable[..., Any],
    constant: Callable[..., Any],
    assert_frequencies: Callable[..., Any],
) -> None:
    """Over whole actions, so that the bits are found independent as well."""
    head = _head()
    constant(head.logits, LOGITS)
    sample = compiled(lambda seed: head.distribution(tf.zeros([1, 1])).sample(50_000, seed=seed))
    actions = sample(tf.constant([3, 4]))
    assert actions.dtype == tf.int32
    assert_frequencies(actions.numpy() @ [4, 2, 1], _probabilities())


def test_the_entropy_is_the_sum_of_the_bits(constant: Callable[..., Any]) -> None:
    head = _head()
    constant(head.logits, LOGITS)
    expected = special.entr(_probabilities()).sum()
    np.testing.assert_allclose(head.distribution(tf.zeros([1, 1])).entropy(), [expected], rtol=1e-5)


def test_the_mode_is_the_most_probable_action(constant: Callable[..., Any]) -> None:
    head = _head()
    constant(head.logits, LOGITS)
    mode = head.distribution(tf.zeros([1, 1])).mode()
    np.testing.assert_array_equal(mode, ACTIONS[[np.argmax(_probabilities())]])


def test_bits_may_have_any_shape(constant: Callable[..., Any]) -> None:
    head = _head((2, 3))
    constant(head.logits, [[9, -9, 9], [-9, 9, -9]])
    distribution = head.distribution(np.zeros([5, 1], np.float32))
    assert distribution.sample(seed=[1, 2]).shape == (5, 2, 3)
    np.testing.assert_array_equal(distribution.mode()[0], [[1, 0, 1], [0, 1, 0]])
    assert distribution.log_prob(distribution.mode()).shape == (5,)


@pytest.fixture(scope="module")
def everything() -> Callable[..., Any]:
    """log π of both actions, H, a sample's log π, and the gradients with respect to the logit."""
    head = _head(1)
    head.logits.kernel.assign([[1.0]])

    @tf.function(jit_compile=True)
    def compute(logit: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logit)
            distribution = head.distribution(tf.broadcast_to(logit, [2, 1]))
            log_prob, entropy = distribution.log_prob([[0], [1]]), distribution.entropy()
        of_sample = distribution.log_prob(distribution.sample(seed=tf.constant([1, 2])))
        gradients = [tape.gradient(log_prob, logit), tape.gradient(entropy, logit)]
        return log_prob, entropy, of_sample, *gradients

    return lambda logit: compute(tf.constant([[logit]], tf.float32))


@hypothesis.given(st.floats(-1e4, 1e4))
@hypothesis.example(-1e4)
@hypothesis.example(1e4)
def test_extreme_logits_stay_finite(everything: Callable[..., Any], logit: float) -> None:
    results = everything(logit)
    assert all(np.all(np.isfinite(result)) for result in results)
    _, entropy, of_sample, *_ = results
    assert np.all((entropy.numpy() >= -1e-6) & (entropy.numpy() <= np.log(2) + 1e-6))
    assert np.all(of_sample.numpy() > -30)


def test_another_space_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        Bernoulli().build(3, gym.spaces.MultiDiscrete([2, 2]))
    assert str(error.value) == (
        "Bernoulli needs a MultiBinary action space, but this environment's is "
        "MultiDiscrete([2 2]): bind Policy.head=@MultiSoftmax(), or leave Policy.head unbound."
    )
