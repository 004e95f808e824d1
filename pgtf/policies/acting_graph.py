"""A policy as functions of weights, observation, memory and seed, which TensorFlow can save."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import gymnasium as gym
import keras
import numpy as np
import tensorflow as tf

from pgtf import spaces
from pgtf.graph.parameters import substituted
from pgtf.policies.decision import Decision
from pgtf.policies.harmless import refuse_effects
from pgtf.policies.numpy_policy import Acting, NumpyPolicy


class ActsAlone(Protocol):
    """The part of a ``Policy`` that a graph is made of."""

    @property
    def variables(self) -> Sequence[keras.Variable]:
        """All of them, trainable or not."""

    def initial_memory(self, num_envs: int) -> Any:
        """See ``Policy.initial_memory``."""

    def act(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        """See ``Policy.act``."""

    def act_greedily(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        """See ``Policy.act_greedily``."""


def acting_graph(
    policy: ActsAlone, observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> tf.Module:
    """Returns a module with the functions ``greedy``, ``sampled`` and ``initial_memory``.

    The first two map (weights, observation, memory, seed) to (action, memory), with an action that
    is in the action space; ``initial_memory`` maps (weights, N) to memory:

    - weights: a list of a value for each of ``policy.variables``,
    - observation: a nest of [N, *shape],
    - memory: a nest of [N, ...], () without memory,
    - seed: int32 [2],
    - action: a nest of [N, *shape].

    Args:
        policy: built for the spaces; the values of its own variables are not used.
        observation_space: the space of one observation.
        action_space: the space of one action.
    """
    weights = [tf.TensorSpec(variable.shape, variable.dtype) for variable in policy.variables]
    memory = policy.initial_memory(1)
    signature = [weights, *_signature(observation_space, memory)]

    def acting(method: Callable[..., Decision]) -> Any:
        def act(weights: list[tf.Tensor], observation: Any, memory: Any, seed: tf.Tensor) -> Any:
            with substituted(policy.variables, weights):
                decision = method(observation, memory, seed)
            return spaces.bounded(action_space, decision.action), decision.memory

        return tf.function(act, signature, autograph=False)

    def initial_memory(weights: list[tf.Tensor], count: tf.Tensor) -> Any:
        with substituted(policy.variables, weights):
            one = policy.initial_memory(1)
        return tf.nest.map_structure(lambda x: tf.repeat(x, count, axis=0), one)

    module = tf.Module()
    module.greedy = acting(policy.act_greedily)
    module.sampled = acting(policy.act)
    module.initial_memory = tf.function(
        initial_memory, [weights, tf.TensorSpec((), tf.int32)], autograph=False
    )
    return module


def save_graph(module: tf.Module, folder: Path) -> None:
    """Saves an acting graph as a SavedModel, whole or not at all.

    Raises:
        ValueError: an operation in it calls Python, which a file cannot hold.
        OSError: it cannot be written.
    """
    for function in (module.greedy, module.sampled, module.initial_memory):
        definition = function.get_concrete_function().graph.as_graph_def()
        nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
        if any("PyFunc" in node.op for node in nodes):
            raise ValueError("a part of it calls Python")
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    tf.saved_model.save(module, str(temporary))
    shutil.rmtree(folder, ignore_errors=True)  # What a killed run left unfinished.
    os.replace(temporary, folder)


def live_policy(
    graph: tf.Module,
    policy: ActsAlone,
    observation_space: gym.Space[Any],
    action_space: gym.Space[Any],
) -> NumpyPolicy:
    """Returns a policy that acts with the weights that ``policy`` has at each call.

    Args:
        graph: the policy's ``acting_graph``.
        policy: built for the spaces.
        observation_space: the space of one observation.
        action_space: the space of one action.
    """

    def bound(function: Any) -> Callable[..., Any]:
        return lambda *inputs: function([v.value for v in policy.variables], *inputs)

    acting = Acting(bound(graph.greedy), bound(graph.sampled), bound(graph.initial_memory))
    return NumpyPolicy(acting, observation_space, action_space)


def saved_policy(
    folder: Path,
    weights: Sequence[np.ndarray],
    observation_space: gym.Space[Any],
    action_space: gym.Space[Any],
) -> NumpyPolicy:
    """Returns a policy that acts by a graph that ``save_graph`` wrote.

    Args:
        folder: where the graph is.
        weights: a value for each variable.
        observation_space: the space of one observation.
        action_space: the space of one action.

    Raises:
        ValueError: there is no such graph, or it does more than compute.
        OSError: it cannot be read.
    """
    refuse_effects(folder)
    graph = tf.saved_model.load(str(folder))
    values = [tf.constant(value) for value in weights]

    def bound(function: Any, signature: list[Any]) -> Callable[..., Any]:
        # The weights as constants of the graph make a call three times faster.
        return tf.function(
            lambda *inputs: function(values, *inputs), signature, autograph=False
        ).get_concrete_function()

    initial = bound(graph.initial_memory, [tf.TensorSpec((), tf.int32)])
    signature = _signature(observation_space, initial(tf.constant(1)))
    acting = Acting(bound(graph.greedy, signature), bound(graph.sampled, signature), initial)
    return NumpyPolicy(acting, observation_space, action_space)


def _signature(observation_space: gym.Space[Any], memory: Any) -> list[Any]:
    """Specifications of a batch of observations, of the memory and of a seed."""

    def of_any_number(spec: Any, shape: Any) -> tf.TensorSpec:
        return tf.TensorSpec((None, *shape), spec.dtype)

    observations = tf.nest.map_structure(
        lambda spec: of_any_number(spec, spec.shape), spaces.specification(observation_space)
    )
    memories = tf.nest.map_structure(lambda x: of_any_number(x, x.shape[1:]), memory)
    return [observations, memories, tf.TensorSpec((2,), tf.int32)]
