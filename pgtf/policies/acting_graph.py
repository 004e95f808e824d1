"""A policy as two functions of weights, observation and seed, which TensorFlow can save."""

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
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.policies.policy import Policy


def acting_graph(
    policy: Policy, observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> tf.Module:
    """Returns a module with the functions ``greedy`` and ``sampled``.

    Each maps (weights, observation, seed) to an action that is in the action space:

    - weights: a list of a value for each of ``policy.variables``,
    - observation: a nest of [N, *shape],
    - seed: int32 [2],
    - action: a nest of [N, *shape].

    Args:
        policy: built for the spaces; the values of its own variables are not used.
        observation_space: the space of one observation.
        action_space: the space of one action.
    """
    weights = [tf.TensorSpec(variable.shape, variable.dtype) for variable in policy.variables]
    signature = [weights, *_signature(observation_space)]

    def greedy(weights: list[tf.Tensor], observation: Any, seed: tf.Tensor) -> Any:
        with substituted(policy.variables, weights):
            return spaces.bounded(action_space, policy.act_greedily(observation, (), seed).action)

    def sampled(weights: list[tf.Tensor], observation: Any, seed: tf.Tensor) -> Any:
        with substituted(policy.variables, weights):
            return spaces.bounded(action_space, policy.act(observation, (), seed).action)

    module = tf.Module()
    module.greedy = tf.function(greedy, signature, autograph=False)
    module.sampled = tf.function(sampled, signature, autograph=False)
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

    def greedy(observation: Any, seed: tf.Tensor) -> Any:
        return graph.greedy([v.value for v in policy.variables], observation, seed)

    def sampled(observation: Any, seed: tf.Tensor) -> Any:
        return graph.sampled([v.value for v in policy.variables], observation, seed)

    return NumpyPolicy(greedy, sampled, observation_space, action_space)


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

    def bound(function: Any) -> Callable[[Any, tf.Tensor], Any]:
        # The weights as constants of the graph make a call three times faster.
        return tf.function(
            lambda observation, seed: function(values, observation, seed),
            _signature(observation_space),
            autograph=False,
        ).get_concrete_function()

    return NumpyPolicy(bound(graph.greedy), bound(graph.sampled), observation_space, action_space)


def _signature(observation_space: gym.Space[Any]) -> list[Any]:
    """Specifications of a batch of observations and of a seed."""
    batch = tf.nest.map_structure(
        lambda spec: tf.TensorSpec((None, *spec.shape), spec.dtype),
        spaces.specification(observation_space),
    )
    return [batch, tf.TensorSpec((2,), tf.int32)]
