"""A user's own head, through every trainer."""

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import pgtf
from tests.extensions.my_head import Laplace
from tests.extensions.trainers import LOOP, POPULATION, WAYS, built, finished, trained

SCALE = 0.25  # as my_head.gin binds it


@pytest.mark.parametrize("way", WAYS)
def test_entropy_is_that_of_the_bound_scale_and_the_mean_is_learned(way: str) -> None:
    run = trained(way, ("my_head.gin",))

    assert run.episodes > 0
    expected = scipy.stats.laplace(scale=SCALE).entropy()
    for scalars in run.scalars:
        assert scalars["train/entropy"] == pytest.approx(expected, rel=1e-4)
        assert scalars["train/gradient_norm"] > 0
    for weights in run.weights:
        assert all(np.all(np.isfinite(x)) for x in weights)


@pytest.mark.parametrize("compiled", [False, True])
def test_population_acts_with_it(compiled: bool) -> None:
    files = ("es.gin", *["envs/compiled.gin"] * compiled, "my_head.gin")
    with built(files, *POPULATION, *(() if compiled else LOOP)) as trainer:
        report = trainer.iterate(10**6)
        count, returns, lengths = finished([report])
        # Four members play two episodes each, cut at 30 steps; each costs up to 16.3.
        assert (count, lengths) == (8, 8 * 30)
        assert -16.3 * lengths < returns < 0
        assert np.std(report.histograms["train/fitness"]) > 0
        assert len(trainer.policy.head.trainable_variables) == 2  # of the mean, none of the scale


def test_density_and_score_in_closed_form() -> None:
    """log p = Σ -|a - μ| / b - log 2b, and ∂ log p / ∂ μ = sign(a - μ) / b."""
    head = Laplace(scale=2.0)
    head.build(3, gym.spaces.Box(-1.0, 1.0, (2,)))
    features = tf.constant(np.random.default_rng(0).normal(size=(5, 3)), tf.float32)
    mean = head.mean(features).numpy()
    action = tf.constant(np.random.default_rng(1).normal(size=(5, 2)), tf.float32)
    with tf.GradientTape() as tape:
        log_prob = head.distribution(features).log_prob(action)
    expected = scipy.stats.laplace(mean, 2.0).logpdf(action).sum(axis=1)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)
    gradient = tape.gradient(log_prob, head.mean.bias.value)
    np.testing.assert_allclose(gradient, (np.sign(action - mean) / 2.0).sum(axis=0), rtol=1e-5)


def test_actions_it_does_not_fit_are_refused() -> None:
    with pytest.raises(pgtf.ConfigurationError, match=r"^Laplace needs a Box action space.*\.$"):
        Laplace().build(3, gym.spaces.Discrete(2))
