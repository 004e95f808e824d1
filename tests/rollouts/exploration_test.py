"""Explorations: the distribution that acts, its log-prob, and its gradient in closed form."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from gymnasium import spaces

from pgtf.errors import ConfigurationError
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.policies import Beta, Gaussian, Head, MultiSoftmax, Policy, Softmax, TanhGaussian
from pgtf.policies.decision import Actor
from pgtf.rollouts.exploration import EpsilonMixture, Exploration, ExploringPolicy, ScaledNoise

LOGITS = np.array([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0], [40.0, -60.0, 0.0]], np.float32)
ACTION = np.array([1, 2, 1])


class Constant(Network):
    """A network whose features are given."""

    def __init__(self, features: tf.Tensor):
        super().__init__()
        self.given = features

    def features(self, element: Any) -> tf.Tensor:
        return self.given


class Fixed(Actor):
    """A policy whose features are its parameters."""

    trainable_variables = ()

    def __init__(self, head: Head, features: tf.Tensor):
        self.head = head
        self.network = Constant(features)

    def distribution_of(self, features: tf.Tensor) -> Any:
        return self.head.distribution(features)


def identity_head(head: Head, space: spaces.Space, num_features: int) -> Head:
    """A head whose first linear layer hands on its features."""
    head.build(num_features, space)
    layer = head.preferences if isinstance(head, Softmax) else head.mean
    layer.kernel.assign(np.eye(num_features))
    return head


def mixture(epsilon: float) -> np.ndarray:
    weights = np.exp(LOGITS.astype(np.float64) - LOGITS.max(-1, keepdims=True))
    return (1 - epsilon) * weights / weights.sum(-1, keepdims=True) + epsilon / 3


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.9])
def test_epsilon_mixes_the_uniform_distribution_in(epsilon: float) -> None:
    head = identity_head(Softmax(), spaces.Discrete(3), 3)
    explored = ExploringPolicy(
        Fixed(head, tf.constant(LOGITS)),
        EpsilonMixture((epsilon,)),
        tf.constant(epsilon),
    ).distribution(None)
    expected = mixture(epsilon)
    for action in range(3):
        log_prob = explored.log_prob(np.full(3, action))
        np.testing.assert_allclose(log_prob, np.log(expected[:, action]), rtol=1e-5)
    entropy = -np.sum(expected * np.log(expected), axis=-1)
    np.testing.assert_allclose(explored.entropy(), entropy, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(explored.mode(), LOGITS.argmax(-1))


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.9])
def test_the_score_of_a_mixture_is_that_of_the_closed_form(epsilon: float) -> None:
    """∂/∂h_b log m(a) = (1 - ε) π(a) (1[a = b] - π(b)) / m(a), also where π(a) is 1e-44."""
    head = identity_head(Softmax(), spaces.Discrete(3), 3)
    features = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(features)
        policy = Fixed(head, features)
        explored = ExploringPolicy(
            policy,
            EpsilonMixture((epsilon,)),
            tf.constant(epsilon),
        )
        log_prob = tf.reduce_sum(explored.distribution(None).log_prob(ACTION))
    pi, mixed = mixture(0.0), mixture(epsilon)
    row = np.arange(3)
    ratio = (1 - epsilon) * pi[row, ACTION] / mixed[row, ACTION]
    expected = ratio[:, np.newaxis] * (np.eye(3)[ACTION] - pi)
    np.testing.assert_allclose(tape.gradient(log_prob, features), expected, rtol=1e-4, atol=1e-6)


def test_samples_follow_the_mixture() -> None:
    """A χ² test of 20,000 samples; the seed is fixed, another would fail once in 1,000."""
    head = identity_head(Softmax(), spaces.Discrete(3), 3)
    policy = Fixed(head, tf.constant(np.repeat(LOGITS[:1], 20_000, axis=0)))
    explored = ExploringPolicy(
        policy,
        EpsilonMixture((0.5,)),
        tf.constant(0.5),
    )
    counts = np.bincount(explored.act(None, (), tf.constant([1, 2])).action, minlength=3)
    assert scipy.stats.chisquare(counts, 20_000 * mixture(0.5)[0]).pvalue > 1e-3


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_scaled_noise_is_a_normal_distribution_of_another_scale(scale: float) -> None:
    head = identity_head(Gaussian("fixed", 0.7), spaces.Box(-1.0, 1.0, (2,)), 2)
    mean = tf.constant([[0.2, -0.4]])
    action = np.array([[0.9, 0.1]], np.float32)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        explored = ExploringPolicy(
            Fixed(head, mean),
            ScaledNoise((scale,)),
            tf.constant(scale),
        ).distribution(None)
        log_prob = explored.log_prob(action)
    sigma = 0.7 * scale
    deviation = action - mean.numpy()
    expected = scipy.stats.norm.logpdf(deviation / sigma).sum() - 2 * np.log(sigma)
    np.testing.assert_allclose(log_prob, [expected], rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(log_prob, mean), deviation / sigma**2, rtol=1e-5)
    np.testing.assert_allclose(explored.mode(), mean)


def test_scaled_noise_of_a_squashed_gaussian_stays_inside_the_bounds() -> None:
    head = TanhGaussian("fixed", 1.0)
    head.build(1, spaces.Box(-2.0, 3.0, (1,)))
    features = tf.zeros((4000, 1))
    wide = TanhGaussian("fixed", 2.5)
    wide.build(1, spaces.Box(-2.0, 3.0, (1,)))
    wide.mean.kernel.assign(head.mean.kernel)
    explored = ScaledNoise((2.5,)).distribution(head, head.distribution(features), tf.constant(2.5))
    direct = wide.distribution(features)
    sample = explored.sample(seed=tf.constant([0, 1]))
    assert np.all((sample.numpy() > -2.0) & (sample.numpy() < 3.0))
    np.testing.assert_allclose(sample, direct.sample(seed=tf.constant([0, 1])), rtol=1e-6)
    np.testing.assert_allclose(explored.log_prob(sample), direct.log_prob(sample), rtol=1e-5)
    np.testing.assert_allclose(explored.entropy(), direct.entropy(), rtol=1e-5)


def test_workers_take_the_levels_in_turn() -> None:
    exploration = EpsilonMixture((0.4, 0.2, 0.0))
    assert [exploration.level(i) for i in range(5)] == [0.4, 0.2, 0.0, 0.4, 0.2]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_level_is_an_argument_of_the_graph(jit_compile: bool) -> None:
    policy = Policy(MLP(()))
    policy.build(spaces.Box(-1.0, 1.0, (2,)), spaces.Discrete(2))
    observation = tf.constant([[0.5, -0.5]])

    @tf.function(autograph=False, jit_compile=jit_compile)
    def entropy(level: tf.Tensor) -> tf.Tensor:
        return ExploringPolicy(policy, EpsilonMixture(), level).distribution(observation).entropy()

    policy.head.preferences.bias.assign([3.0, 0.0])
    values = [float(entropy(tf.constant(level))[0]) for level in (0.0, 0.5, 0.99)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(np.log(2.0), abs=1e-3)
    assert entropy.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    ("exploration", "head", "space", "named"),
    [
        (EpsilonMixture(), Gaussian(), spaces.Box(-1.0, 1.0, (1,)), "ScaledNoise"),
        (EpsilonMixture(), MultiSoftmax(), spaces.MultiDiscrete([2, 3]), "Softmax"),
        (ScaledNoise(), Softmax(), spaces.Discrete(2), "EpsilonMixture"),
        (ScaledNoise(), Beta(), spaces.Box(-1.0, 1.0, (1,)), "Gaussian"),
    ],
)
def test_an_exploration_that_does_not_fit_the_head_is_refused(
    exploration: Exploration, head: Head, space: spaces.Space, named: str
) -> None:
    head.build(2, space)
    with pytest.raises(ConfigurationError, match=r"AsynchronousTrainer\.exploration") as refusal:
        exploration.check(head)
    assert named in str(refusal.value)
    assert type(head).__name__ in str(refusal.value)


@pytest.mark.parametrize("levels", [(), (1.0,), (-0.1,), (float("nan"),)])
def test_epsilons_out_of_range_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"EpsilonMixture\.epsilons"):
        EpsilonMixture(levels)


@pytest.mark.parametrize("levels", [(), (0.0,), (-1.0,), (float("nan"),)])
def test_scales_out_of_range_are_refused(levels: tuple[float, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"ScaledNoise\.scales"):
        ScaledNoise(levels)
