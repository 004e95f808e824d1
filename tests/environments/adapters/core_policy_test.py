"""A policy that was trained with adapters acts the same without an environment round it."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.adapters.core_policy import core_policy
from pgtf.environments.adapters.normalized_observation import NormalizedObservation
from pgtf.environments.adapters.normalized_reward import NormalizedReward
from pgtf.environments.compiled import CompiledPendulum
from pgtf.environments.environment import Environment
from pgtf.networks.network import Network
from pgtf.policies import Gaussian, Policy
from pgtf.policies.acting_graph import acting_graph, live_policy, save_graph, saved_policy
from pgtf.spaces import bounded
from pgtf.trajectory import TimeStep

SEED = tf.constant([3, 4])


class Slower(Adapter):
    """Does a half of what it is told, and shows what it was told last and two observations."""

    def __init__(self, environment: Environment):
        super().__init__(environment)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (7,), np.float32)

    def begin(self, observation: tf.Tensor) -> Any:
        return {"action": tf.zeros_like(observation[:, :1]), "two": (observation, observation)}

    def remember(self, memory: Any, action: tf.Tensor, step: TimeStep) -> Any:
        return {"action": action, "two": (memory["two"][1], step.observation)}

    def observe(self, memory: Any, observation: tf.Tensor) -> tf.Tensor:
        return tf.concat([memory["action"], *memory["two"]], axis=-1)

    def translate(self, action: tf.Tensor) -> tf.Tensor:
        return 0.5 * action


class Sum(Network):
    """Remembers the sum of all observations of an episode."""

    def build(self, space: gym.Space) -> None:
        assert isinstance(space, gym.spaces.Box)
        self.space = space
        self.num_features = space.shape[0]

    def initial_memory(self, num_envs: int) -> tf.Tensor:
        return tf.zeros((num_envs, self.num_features))

    def step(self, element: tf.Tensor, memory: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return memory + element, memory + element


def adapted() -> Environment:
    return NormalizedObservation(Slower(NormalizedReward(CompiledPendulum(1))))


@pytest.mark.parametrize("network", [None, Sum], ids=["forgets", "remembers"])
def test_it_acts_on_what_the_core_shows_as_the_policy_does_on_what_adapters_show(
    network: Any, tmp_path: Path
) -> None:
    environment = adapted()
    for variable in environment.variables:
        variable.assign(variable.value + 0.5)
    policy = Policy(network and network(), Gaussian(gain=0.3))
    policy.build(environment.observation_space, environment.action_space)
    alone, core = core_policy(policy, environment), environment.core
    spaces = (core.observation_space, core.action_space)
    graph = acting_graph(alone, *spaces)
    save_graph(graph, tmp_path / "policy")
    weights = [variable.numpy() for variable in alone.variables]
    saved = saved_policy(tmp_path / "policy", weights, *spaces)
    live = live_policy(graph, alone, *spaces)

    actions = set()
    for _ in range(2):
        state, seen = environment.reset(SEED)
        memory = policy.initial_memory(1)
        saved.reset()
        live.reset()
        for _ in range(5):
            action, _, memory = policy.act_greedily(seen, memory, SEED)
            shown = state.inner.inner.observation  # Of the innermost adapter.
            given = bounded(core.action_space, 0.5 * action)
            for one in (saved, live):
                np.testing.assert_allclose(one(shown.numpy()[0]), given[0], rtol=1e-4)
            actions.add(float(given[0, 0]))
            state, step = environment.step(state, action)
            seen = step.observation
    assert len(actions) > 3


def test_adapters_that_show_nothing_of_what_they_remember_need_no_memory() -> None:
    environment = NormalizedObservation(NormalizedReward(CompiledPendulum(2)))
    policy = Policy()
    policy.build(environment.observation_space, environment.action_space)
    assert core_policy(policy, environment).initial_memory(2) == ()


def test_without_adapters_the_policy_is_its_own() -> None:
    policy = Policy()
    assert core_policy(policy, CompiledPendulum(2)) is policy
