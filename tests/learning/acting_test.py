"""Taped acting: what it records is what the loss would evaluate a second time."""

from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.acting import TapedActing
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import QCritic, VCritic
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.policies.policy import Policy
from tests.trajectories import SEED, random_trajectory

STATES = gym.spaces.Discrete(3)
BOX = gym.spaces.Box(-1.0, 1.0, (2,))


def built(policy: Network, **parts: Any) -> Learner:
    keras.utils.set_random_seed(0)
    learner = Learner(Policy(policy), **parts)
    learner.build(STATES, BOX)
    for variable in learner.weights:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape))
    return learner


def shared() -> Learner:
    torso = MLP((4,))
    return built(torso, critic=VCritic(torso), baseline=StateValue())


@pytest.mark.parametrize(
    "make",
    [
        shared,
        lambda: built(MLP((4,)), critic=VCritic(MLP((5,))), baseline=StateValue()),
        lambda: built(MLP((4,))),
    ],
    ids=["shared network", "two networks", "no critic"],
)
def test_forward_pass_and_its_gradient_are_those_of_evaluating_again(make: Any) -> None:
    learner, whole = make(), random_trajectory(0, 6, 3)
    objective = learner.objective
    assert TapedActing.supports(objective)
    values = [variable.value for variable in learner.trainable_variables]
    with tf.GradientTape() as taped:
        acting = TapedActing(objective)
        actions = [acting(whole.observation[t], (), SEED + t).action for t in range(6)]
        noted = acting.forward_pass(whole.observation[-1])
        first = total(noted)
    whole = whole._replace(action=tf.stack(actions))
    with tf.GradientTape() as tape:
        evaluated = objective.evaluate(whole, SEED)
        second = total(evaluated)

    for one, other in zip(tf.nest.flatten(noted), tf.nest.flatten(evaluated), strict=True):
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    pairs = zip(taped.gradient(first, values), tape.gradient(second, values), strict=True)
    for one, other in pairs:
        # Also by what the samples depend on: they are constants.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def total(forward: Any) -> tf.Tensor:
    """A number that depends on all of a forward pass, each entry by a weight of its own."""
    leaves = [x for x in tf.nest.flatten(forward) if x is not None]
    sizes = [tf.cast(tf.reshape(tf.range(tf.size(x)), tf.shape(x)), tf.float32) for x in leaves]
    return tf.add_n([tf.reduce_sum(tf.sin(n) * x) for n, x in zip(sizes, leaves, strict=True)])


class Remembering(MLP):
    def initial_memory(self, num_envs: int) -> tf.Tensor:
        return tf.zeros((num_envs, 1))


def test_what_acting_does_not_evaluate_is_not_supported() -> None:
    remembering = Remembering((4,))
    for learner in (
        built(MLP((4,)), critic=QCritic(MLP((4,)))),
        built(remembering, critic=VCritic(remembering)),
    ):
        assert not TapedActing.supports(learner.objective)
