"""The deterministic policy: one action, no score."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.policies import (
    Bernoulli,
    Beta,
    Deterministic,
    Gaussian,
    Head,
    Joint,
    MultiSoftmax,
    Softmax,
    TanhGaussian,
)

FEATURES = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def _head(space: gym.Space) -> Deterministic:
    head = Deterministic(gain=1.0)
    head.build(3, space)
    return head


@pytest.mark.parametrize("shape", [(), (1,), (2, 2)], ids=["scalar", "one", "matrix"])
def test_an_action_in_a_box_is_linear_in_the_features_and_not_clipped(
    shape: tuple[int, ...], constant: Callable[..., Any]
) -> None:
    head = _head(gym.spaces.Box(-1, 1, shape))
    actions = head.distribution(FEATURES).mode()
    kernel = head.linear.kernel.numpy()
    np.testing.assert_allclose(actions, (FEATURES @ kernel).reshape(4, *shape), rtol=1e-5)
    constant(head.linear, np.full(shape, 7.0))
    assert np.all(head.distribution(FEATURES).mode() == 7)


def test_a_discrete_action_is_the_most_preferred() -> None:
    head = _head(gym.spaces.Discrete(5))
    actions = head.distribution(FEATURES).mode()
    assert actions.dtype == tf.int32
    np.testing.assert_array_equal(actions, np.argmax(FEATURES @ head.linear.kernel.numpy(), -1))


@pytest.mark.parametrize("space", [gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(5)])
def test_the_same_observation_gives_the_same_action(
    space: gym.Space, compiled: Callable[..., Any]
) -> None:
    head = _head(space)
    sample = compiled(lambda seed: head.distribution(FEATURES).sample(seed=seed))
    mode = head.distribution(FEATURES).mode().numpy()
    for seed in ([1, 2], [3, 4]):
        np.testing.assert_allclose(sample(tf.constant(seed)), mode, rtol=1e-5)
    several = head.distribution(FEATURES).sample(3, seed=[1, 2])
    np.testing.assert_array_equal(several, np.stack([mode] * 3))


def test_it_alone_has_no_score() -> None:
    others: list[type[Head]] = [
        Softmax,
        Gaussian,
        TanhGaussian,
        Beta,
        Bernoulli,
        MultiSoftmax,
        Joint,
    ]
    assert all(head.has_score for head in others)
    assert not Deterministic.has_score
    distribution = _head(gym.spaces.Discrete(5)).distribution(FEATURES)
    for ask in (lambda: distribution.log_prob([0] * 4), distribution.entropy):
        with pytest.raises(ConfigurationError, match=r"bind train.trainer=@EvolutionTrainer"):
            ask()


def test_another_space_is_refused() -> None:
    with pytest.raises(ConfigurationError) as error:
        Deterministic().build(3, gym.spaces.MultiBinary(2))
    assert str(error.value) == (
        "Deterministic needs a Box or Discrete action space, but this environment's is "
        "MultiBinary(2): bind Policy.head=@Bernoulli(), or leave Policy.head unbound."
    )
