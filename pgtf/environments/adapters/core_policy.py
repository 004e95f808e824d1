"""A policy together with the adapters of the environment it was trained in."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.policies.decision import Decision
from pgtf.policies.policy import Policy
from pgtf.spaces import specification


class Remembered(NamedTuple):
    """The memory of a policy and of adapters.

    Attributes:
        policy: nest of [N, ...], of the policy's network.
        sight: nest of [N, ...], of the adapters.
        action: nest of [N, ...], the last one, as the policy made it.
        started: [N] bool, whether there was one.
    """

    policy: Any
    sight: Any
    action: Any
    started: tf.Tensor


class CorePolicy:
    """Acts on what the core of an environment shows, as a policy that was trained with adapters.

    It has the part of ``Policy`` that ``acting_graph`` uses, for the spaces of the core. Adapters
    whose observations follow from rewards see NaN in their place.

    Args:
        policy: built for the environment.
        environment: with its adapters.

    Attributes:
        variables: the policy's, and what the adapters have learned.
    """

    def __init__(self, policy: Policy, environment: Environment):
        self._policy = policy
        self._environment = environment
        self.variables = [*policy.variables, *environment.variables]

    def initial_memory(self, num_envs: int) -> Any:
        """Returns the memory at the start of N episodes; see ``Policy.initial_memory``."""
        memory = self._policy.initial_memory(num_envs)
        nothing = tf.nest.map_structure(
            lambda spec: tf.zeros([num_envs, *spec.shape], spec.dtype),
            specification(self._environment.core.observation_space),
        )
        sight, seen = self._environment.first_sight(nothing)
        if not tf.nest.flatten(sight):
            return memory
        action = self._policy.act_greedily(seen, memory, tf.zeros([2], tf.int32)).action
        action = tf.nest.map_structure(tf.zeros_like, action)
        return Remembered(memory, sight, action, tf.zeros([num_envs], tf.bool))

    def act(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        """Samples an action; see ``Policy.act``."""
        return self._decide(self._policy.act, observation, memory, seed)

    def act_greedily(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        """Returns the mode; see ``Policy.act_greedily``."""
        return self._decide(self._policy.act_greedily, observation, memory, seed)

    def _decide(
        self, method: Callable[..., Decision], observation: Any, memory: Any, seed: tf.Tensor
    ) -> Decision:
        sight, seen = self._environment.first_sight(observation)
        if not tf.nest.flatten(sight):
            action, _, memory = method(seen, memory, seed)
            return Decision(self._environment.translated(action), (), memory)
        before, last_sight, last, started = memory
        later = self._environment.next_sight(last_sight, last, observation)
        sight, seen = tf.nest.map_structure(
            lambda new, first: tf.where(_along(started, first), new, first), later, (sight, seen)
        )
        action, _, after = method(seen, before, seed)
        memory = Remembered(after, sight, action, tf.ones_like(started))
        return Decision(self._environment.translated(action), (), memory)


def _along(condition: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    return tf.reshape(condition, [-1] + [1] * (len(like.shape) - 1))


def core_policy(policy: Policy, environment: Environment) -> Policy | CorePolicy:
    """Returns the policy for the spaces of ``environment.core``, itself where nothing adapts it."""
    return policy if environment.core is environment else CorePolicy(policy, environment)
