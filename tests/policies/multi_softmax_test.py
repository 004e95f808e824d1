"""The product of softmaxes against enumeration, with unequal numbers of choices."""

import itertools
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
from pgtf.policies import MultiSoftmax

NVEC = [3, 2, 4]
LOGITS = [np.array([0.5, -0.5, 1.0]), np.array([0.2, -0.8]), np.array([0.0, 1.0, -1.0, 0.3])]
ACTIONS = np.array(list(itertools.product(*(range(n) for n in NVEC))))
PROBABILITIES = np.prod(
    [special.softmax(logits)[ACTIONS[:, i]] for i, logits in enumerate(LOGITS)], 0
)


def _head(nvec: Any, num_features: int = 1) -> MultiSoftmax:
    head = MultiSoftmax()
    head.build(num_features, gym.spaces.MultiDiscrete(nvec))
    return head


@pytest.fixture
def policy(constant: Callable[..., Any]) -> Callable[..., Any]:
    """Makes n rows of the distribution over ACTIONS."""

    def make(n: int = 1) -> Any:
        head = _head(NVEC)
        constant(head.preferences, np.concatenate(LOGITS))
        return head.distribution(np.zeros([n, 1], np.float32))

    return make


def test_probabilities_are_products_of_softmaxes_and_sum_to_one(policy: Callable[..., Any]) -> None:
    log_prob = policy(len(ACTIONS)).log_prob(ACTIONS)
    np.testing.assert_allclose(np.exp(log_prob), PROBABILITIES, rtol=1e-5)
    assert np.exp(log_prob).sum() == pytest.approx(1, abs=1e-6)


def test_samples_come_with_their_probabilities(
    policy: Callable[..., Any], compiled: Callable[..., Any], assert_frequencies: Callable[..., Any]
) -> None:
    """Over whole actions, so that the entries are found independent as well."""
    distribution = policy()
    sample = compiled(lambda seed: distribution.sample(50_000, seed=seed))
    actions = sample(tf.constant([3, 4]))
    assert actions.dtype == tf.int32
    assert np.all(actions.numpy() < NVEC)
    assert_frequencies(actions.numpy() @ [8, 4, 1], PROBABILITIES)


def test_the_entropy_is_the_sum_over_entries(policy: Callable[..., Any]) -> None:
    np.testing.assert_allclose(policy().entropy(), [special.entr(PROBABILITIES).sum()], rtol=1e-5)


def test_the_mode_is_the_most_probable_action(policy: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(policy().mode(), ACTIONS[[np.argmax(PROBABILITIES)]])


def test_every_weight_is_a_preference_of_some_choice() -> None:
    """Unequal entries are padded in the computation, and not by weights that nothing can move."""
    head = _head(NVEC, 5)
    with tf.GradientTape() as tape:
        log_prob = head.distribution(np.ones([1, 5], np.float32)).log_prob([[0, 0, 0]])
    for gradient in tape.gradient(log_prob, head.trainable_variables):
        assert gradient.shape[-1] == sum(NVEC)
        assert np.all(gradient.numpy() != 0)


def test_entries_may_have_any_shape(constant: Callable[..., Any]) -> None:
    head = _head([[3, 2], [4, 2]])
    # In the order of the entries: 3, 2, 4 and 2 choices.
    constant(head.preferences, [0, 0, 9, 9, 0, 0, 9, 0, 0, 0, 9])
    distribution = head.distribution(np.zeros([5, 1], np.float32))
    assert distribution.sample(seed=[1, 2]).shape == (5, 2, 2)
    assert distribution.entropy().shape == (5,)
    np.testing.assert_array_equal(distribution.mode()[0], [[2, 0], [1, 1]])


@pytest.fixture(scope="module")
def everything() -> Callable[..., Any]:
    """log π of two actions, H, a sample's log π, and the gradients of log π and H."""
    head = _head([3, 2], 5)
    head.preferences.kernel.assign(np.eye(5))

    @tf.function(jit_compile=True)
    def compute(logits: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            distribution = head.distribution(tf.broadcast_to(logits, [2, 5]))
            log_prob, entropy = distribution.log_prob([[0, 1], [2, 0]]), distribution.entropy()
        of_sample = distribution.log_prob(distribution.sample(seed=tf.constant([1, 2])))
        gradients = [tape.gradient(log_prob, logits), tape.gradient(entropy, logits)]
        return log_prob, entropy, of_sample, *gradients

    return compute


@hypothesis.given(arrays(np.float32, (1, 5), elements=st.floats(-1e4, 1e4, width=32)))
@hypothesis.example(np.array([[-1e4, -1e4, 1e4, -1e4, -1e4]], np.float32))
def test_extreme_preferences_stay_finite(
    everything: Callable[..., Any], logits: np.ndarray
) -> None:
    results = everything(logits)
    assert all(np.all(np.isfinite(result)) for result in results)
    _, entropy, of_sample, *_ = results
    assert np.all((entropy.numpy() >= -1e-6) & (entropy.numpy() <= np.log(6) + 1e-6))
    assert np.all(of_sample.numpy() > -60)


def test_another_space_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        MultiSoftmax().build(3, gym.spaces.Discrete(2))
    assert str(error.value) == (
        "MultiSoftmax needs a MultiDiscrete action space, but this environment's is "
        "Discrete(2): bind Policy.head=@Softmax(), or leave Policy.head unbound."
    )
