"""Acting: what a network and a distribution over its features make of an observation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pgtf.networks.network import Network
from pgtf.policies.head import Head


class Decision(NamedTuple):
    """The actions of B environments for one step.

    Attributes:
        action: nest of [B, ...], as sampled.
        log_prob: [B] log μ(a | s) under the policy that acted; () unless asked for.
        memory: nest of [B, ...] of the policy, for the next step; () without memory.
    """

    action: Any
    log_prob: Any = ()
    memory: Any = ()


class ActorMemory(NamedTuple):
    """The memory of a policy whose head remembers; of others it is the network's alone.

    Attributes:
        network: nest of [B, ...], () without memory.
        head: nest of [B, ...].
    """

    network: Any
    head: Any


def network_memory(memory: Any) -> Any:
    """Returns the network's part of a policy's memory, all that learning has to know of it."""
    return memory.network if isinstance(memory, ActorMemory) else memory


class Actor:
    """Everything a policy does beyond its distribution; ``distribution_of`` is what differs.

    Attributes:
        network: maps observations to features.
        head: maps features to distributions.
        trainable_variables: of both.
    """

    network: Network
    head: Head
    trainable_variables: Sequence[keras.Variable]

    def distribution_of(self, features: tf.Tensor) -> Any:
        """Returns π(· | s), of batch shape [...], for the network's features, [..., F]."""
        raise NotImplementedError

    def distribution(self, observation: Any) -> Any:
        """Returns π(· | s), of batch shape [...], for observations: a nest of [..., *shape].

        For networks without memory; ``unrolled`` serves all.
        """
        return self.distribution_of(self.network.features(observation))

    def unrolled(self, observation: Any, first: tf.Tensor, memory: Any) -> Any:
        """Returns π(· | s_t) along a rollout.

        Args:
            observation: nest of [T, B, *shape].
            first: [T, B] bool, rows on which an episode begins and memory starts afresh.
            memory: of the network before row 0, a nest of [B, ...]; () without memory.

        Returns:
            A distribution of batch shape [T, B].
        """
        return self.distribution_of(self.network.unroll(observation, first, memory))

    def evaluate(self, batch: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns log π(a | s) and H(π(· | s)) of a ``Batch``, each of its leading shape."""
        distribution = self.unrolled(batch.observation, batch.first, batch.memory)
        return distribution.log_prob(batch.action), distribution.entropy()

    def initial_memory(self, num_envs: int) -> Any:
        """Returns the policy's memory at the start of B episodes, a nest of [B, ...]."""
        network = self.network.initial_memory(num_envs)
        if not self.head.remembers:
            return network
        return ActorMemory(network, self.head.initial_memory(num_envs))

    def act(
        self, observation: Any, memory: Any, seed: tf.Tensor, with_log_prob: bool = False
    ) -> Decision:
        """Samples an action.

        Args:
            observation: nest of [..., *shape].
            memory: what the last ``Decision`` left; ``initial_memory`` at an episode's start.
            seed: int32 [2].
            with_log_prob: whether the decision holds log μ(a | s).
        """
        features, remembered = self.network.step(observation, network_memory(memory))
        distribution = self.distribution_of(features)
        action, memory = self.sampled(distribution, memory, seed)
        log_prob = distribution.log_prob(action) if with_log_prob else ()
        return Decision(action, log_prob, _with_network(memory, remembered))

    def sampled(self, distribution: Any, memory: Any, seed: tf.Tensor) -> tuple[Any, Any]:
        """Samples an action of each of B environments, by what the head remembers.

        Args:
            distribution: of batch shape [B].
            memory: the policy's.
            seed: int32 [2].

        Returns:
            The action, and the memory with the head's part as it is now.
        """
        if not self.head.remembers:
            return distribution.sample(seed=seed), memory
        action, head = self.head.sample(distribution, memory.head, seed)
        return action, memory._replace(head=head)

    def act_greedily(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        """Returns the mode of π(· | s); ``seed`` is not used. Arguments as for ``act``."""
        del seed
        features, remembered = self.network.step(observation, network_memory(memory))
        mode = self.distribution_of(features).mode()
        return Decision(mode, (), _with_network(memory, remembered))


def _with_network(memory: Any, network: Any) -> Any:
    return memory._replace(network=network) if isinstance(memory, ActorMemory) else network
