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
        memory: nest of [B, ...] of the network, for the next step; () without memory.
    """

    action: Any
    log_prob: Any = ()
    memory: Any = ()


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
        """Returns the network's memory at the start of B episodes, a nest of [B, ...]."""
        return self.network.initial_memory(num_envs)

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
        features, memory = self.network.step(observation, memory)
        distribution = self.distribution_of(features)
        action = distribution.sample(seed=seed)
        log_prob = distribution.log_prob(action) if with_log_prob else ()
        return Decision(action, log_prob, memory)

    def act_greedily(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        """Returns the mode of π(· | s); ``seed`` is not used. Arguments as for ``act``."""
        del seed
        features, memory = self.network.step(observation, memory)
        return Decision(self.distribution_of(features).mode(), (), memory)
