"""A population as one batch plays what its members play one by one."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf.environments.adapters.normalized_observation import NormalizedObservation
from pgtf.environments.compiled import CompiledCartPole, CompiledPendulum
from pgtf.environments.environment import Environment
from pgtf.environments.groups import Groups, VectorisedGroups
from pgtf.environments.gym import GymEnvironment
from pgtf.evolution import population
from pgtf.graph import parameters
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies import (
    Bernoulli,
    Beta,
    Deterministic,
    Gaussian,
    Head,
    Joint,
    MultiSoftmax,
    Policy,
    Softmax,
    TanhGaussian,
)

N, E = 4, 2
SEEDS = tf.constant([[1, 2], [3, 4], [5, 6], [1, 2]])
BOX = spaces.Box(-1.0, 2.0, (2,), np.float32)


def built(environment: Environment, head: Head | None = None, **network: Any) -> Policy:
    made = Policy(MLP((8,), **network), head)
    made.build(environment.observation_space, environment.action_space)
    return made


def members(policy: Policy, count: int = N) -> tf.Tensor:
    """[N, D], far enough apart that their episodes differ."""
    start = parameters.flattened([v.value for v in policy.trainable_variables]).numpy()
    noise = np.random.default_rng(0).normal(size=(count, len(start)))
    return tf.constant(start + 0.7 * noise, tf.float32)


def become(policy: Policy, member: tf.Tensor) -> None:
    variables = policy.trainable_variables
    for variable, value in zip(variables, parameters.unflattened(member, variables), strict=True):
        variable.assign(value)


def one_by_one(
    environment: Environment, policy: Policy, thetas: tf.Tensor, max_steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns, lengths and all observations acted upon, with the policy's own variables."""
    returns, lengths = np.zeros((N, E)), np.zeros((N, E), int)
    seen = []
    for i in range(N):
        become(policy, thetas[i])
        state, observation = environment.reset(SEEDS[i])
        active = np.ones(E, bool)
        for t in range(max_steps):
            action = policy.act(observation, (), SEEDS[i] + tf.constant([1 + t, 0])).action
            seen.append(observation.numpy()[active])
            state, step = environment.step(state, action)
            returns[i] += active * step.reward.numpy()
            lengths[i] += active
            active &= ~(step.terminated | step.truncated).numpy()
            observation = step.observation
            if not active.any():
                break
    return returns, lengths, np.concatenate(seen)


def kinds(kind: str) -> tuple[Environment, Groups]:
    """The environment of one member, and those of all."""
    environment: Environment
    if kind == "compiled":
        environment = CompiledCartPole(E)
    elif kind == "compiled, continuous":
        environment = CompiledPendulum(E, time_limit=12)
    else:
        environment = GymEnvironment("CartPole-v1", E, vectorization="loop")
    return environment, environment.grouped(N)


def played(groups: Groups, policy: Policy, thetas: tf.Tensor, max_steps: int) -> Any:
    weights = parameters.unflattened(thetas, policy.trainable_variables)
    xla = isinstance(groups, VectorisedGroups)

    @tf.function(autograph=False, jit_compile=xla)
    def play() -> population.PlayedEpisodes:
        act = population.members_act(policy)
        return population.play(groups, policy, act, weights, SEEDS, max_steps)

    return play()


@pytest.mark.parametrize("kind", ["compiled", "compiled, continuous", "gym"])
@pytest.mark.parametrize("max_steps", [500, 9])
def test_the_population_as_a_batch_equals_its_members_one_by_one(kind: str, max_steps: int) -> None:
    environment, groups = kinds(kind)
    policy = built(environment)
    thetas = members(policy)
    episodes = played(groups, policy, thetas, max_steps)
    returns, lengths, _ = one_by_one(environment, policy, thetas, max_steps)
    np.testing.assert_allclose(episodes.returns, returns, rtol=2e-4)
    np.testing.assert_array_equal(episodes.lengths, lengths)
    assert len(np.unique(returns)) > (N if max_steps == 500 else 0)
    groups.close()


def test_members_with_equal_weights_and_seeds_meet_the_same_episodes() -> None:
    """Common random numbers: a softmax policy samples alike too."""
    environment, groups = kinds("compiled")
    policy = built(environment)
    thetas = tf.repeat(members(policy)[:1], N, axis=0)
    returns = played(groups, policy, thetas, 500).returns.numpy()
    np.testing.assert_array_equal(returns[0], returns[3])
    assert np.any(returns[0] != returns[1])


def test_running_statistics_move_by_the_steps_of_all_members() -> None:
    environment, groups = kinds("compiled")
    policy = built(environment, normalization=RunningNormalization())
    thetas = members(policy)
    before = [variable.numpy() for variable in policy.non_trainable_variables]
    episodes = played(groups, policy, thetas, 500)
    for variable, value in zip(policy.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    _, lengths, seen = one_by_one(environment, policy, thetas, 500)
    count, mean, variance = episodes.statistics
    assert float(count) == lengths.sum() == len(seen)
    np.testing.assert_allclose(mean, seen.mean(0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(variance, seen.var(0), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ["compiled", "gym"])
def test_adapters_learn_from_the_steps_of_all_members(kind: str) -> None:
    environment, plain = kinds(kind)
    plain.close()
    groups = NormalizedObservation(environment).grouped(N)
    policy = built(environment)
    thetas = members(policy)
    episodes = played(groups, policy, thetas, 500)
    assert groups.variables[0] == 0.0
    _, lengths, seen = one_by_one(environment, policy, thetas, 500)
    count, mean, variance = episodes.statistics
    assert float(count) == lengths.sum() == len(seen)
    np.testing.assert_allclose(mean, seen.mean(0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(variance, seen.var(0), rtol=1e-3, atol=1e-5)
    groups.close()


HEADS: dict[str, tuple[spaces.Space[Any], Any]] = {
    "Deterministic": (BOX, lambda: Deterministic(1.0)),
    "Deterministic, discrete": (spaces.Discrete(4), lambda: Deterministic(1.0)),
    "Softmax": (spaces.Discrete(4), Softmax),
    "Gaussian": (BOX, Gaussian),
    "Gaussian, state-dependent": (BOX, lambda: Gaussian("state_dependent")),
    "TanhGaussian": (BOX, TanhGaussian),
    "Beta": (BOX, Beta),
    "Bernoulli": (spaces.MultiBinary(3), Bernoulli),
    "MultiSoftmax": (spaces.MultiDiscrete([2, 3]), MultiSoftmax),
    "Joint": (
        spaces.Dict({"a": BOX, "b": spaces.Tuple((spaces.Discrete(3), spaces.MultiBinary(2)))}),
        Joint,
    ),
    "Joint with a deterministic part": (
        spaces.Tuple((spaces.Discrete(3), BOX)),
        lambda: Joint([None, Deterministic(1.0)]),
    ),
}


@pytest.mark.parametrize("head", HEADS)
def test_members_act_as_the_policy_with_their_weights(head: str) -> None:
    action_space, make = HEADS[head]
    policy = Policy(MLP((3,)), make())
    policy.build(spaces.Box(-1.0, 1.0, (3,)), action_space)
    thetas = members(policy)
    observation = tf.random.stateless_normal([N, E, 3], [1, 2])
    act = tf.function(population.members_act(policy), autograph=False, jit_compile=True)
    weights = parameters.unflattened(thetas, policy.trainable_variables)
    together, _ = act(weights, observation, (), SEEDS)
    # XLA's random numbers are not those of TensorFlow's kernels, which Joint splits its seed by.
    single = tf.function(policy.act, autograph=False, jit_compile=True)
    for i in range(N):
        become(policy, thetas[i])
        alone = single(observation[i], (), SEEDS[i]).action
        for ours, theirs in zip(tf.nest.flatten(together), tf.nest.flatten(alone), strict=True):
            np.testing.assert_allclose(ours[i], theirs, rtol=1e-4, atol=1e-5)
