"""A policy as functions of weights, observation, memory and seed, which TensorFlow can save."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf import spaces
from pgtf.graph.parameters import substituted
from pgtf.policies.decision import Decision
from pgtf.policies.numpy_policy import Acting, NumpyPolicy
from pgtf.policies.policy import Policy


def acting_graph(
    policy: Policy, observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> tf.Module:
    """Returns a module with the functions ``greedy``, ``sampled`` and ``initial``.

    The first two map (weights, observation, memory, seed) to an action that is in the action space
    and the memory after it:

    - weights: a list of a value for each of ``policy.variables``,
    - observation: a nest of [N, *shape],
    - memory: a list of [N, ...], the leaves of the network's; empty without memory,
    - seed: int32 [2],
    - action: a nest of [N, *shape].

    ``initial`` maps nothing to the memory at the start of one episode, a list of [1, ...].

    Args:
        policy: built for the spaces; the values of its own variables are not used.
        observation_space: the space of one observation.
        action_space: the space of one action.
    """
    weights = [tf.TensorSpec(variable.shape, variable.dtype) for variable in policy.variables]
    structure = policy.initial_memory(1)
    first = [tf.convert_to_tensor(leaf) for leaf in tf.nest.flatten(structure)]
    signature = [weights, *_signature(observation_space, first)]

    def function(act: Callable[[Any, Any, tf.Tensor], Decision]) -> Any:
        def decide(
            weights: list[tf.Tensor], observation: Any, memory: list[tf.Tensor], seed: tf.Tensor
        ) -> tuple[Any, list[tf.Tensor]]:
            with substituted(policy.variables, weights):
                packed = tf.nest.pack_sequence_as(structure, memory)
                decision = act(observation, packed, seed)
            action = spaces.bounded(action_space, decision.action)
            return action, tf.nest.flatten(decision.memory)

        return tf.function(decide, signature, autograph=False)

    module = tf.Module()
    module.greedy = function(policy.act_greedily)
    module.sampled = function(policy.act)
    module.initial = tf.function(lambda: first, [], autograph=False)
    return module


def save_graph(module: tf.Module, folder: Path) -> None:
    """Saves an acting graph as a SavedModel, whole or not at all.

    Raises:
        ValueError: an operation in it calls Python, which a file cannot hold.
        OSError: it cannot be written.
    """
    for function in (module.greedy, module.sampled):
        definition = function.get_concrete_function().graph.as_graph_def()
        nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
        if any("PyFunc" in node.op for node in nodes):
            raise ValueError("a part of it calls Python")
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    tf.saved_model.save(module, str(temporary))
    os.replace(temporary, folder)


def live_policy(
    graph: tf.Module,
    policy: Policy,
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

    def live(function: Any) -> Acting:
        return lambda *inputs: function([v.value for v in policy.variables], *inputs)

    return NumpyPolicy(
        live(graph.greedy),
        live(graph.sampled),
        observation_space,
        action_space,
        memory=graph.initial(),
    )


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
    """
    graph = tf.saved_model.load(str(folder))
    values = [tf.constant(value) for value in weights]

    initial = graph.initial()

    def bound(function: Any) -> Acting:
        # The weights as constants of the graph make a call three times faster.
        return tf.function(
            lambda observation, memory, seed: function(values, observation, memory, seed),
            _signature(observation_space, initial),
            autograph=False,
        ).get_concrete_function()

    return NumpyPolicy(
        bound(graph.greedy),
        bound(graph.sampled),
        observation_space,
        action_space,
        memory=initial,
    )


def _signature(observation_space: gym.Space[Any], memory: Sequence[tf.Tensor]) -> list[Any]:
    """Specifications of a batch of observations, of the memory and of a seed."""
    batch = tf.nest.map_structure(
        lambda spec: tf.TensorSpec((None, *spec.shape), spec.dtype),
        spaces.specification(observation_space),
    )
    leaves = [tf.TensorSpec((None, *leaf.shape[1:]), leaf.dtype) for leaf in memory]
    return [batch, leaves, tf.TensorSpec((2,), tf.int32)]
