"""Acting that keeps its log-probs and values for the loss.

On-policy, the forward pass of the rollout computes the same numbers as that of the loss. Under a
gradient tape that is open during the rollout, the second pass can be skipped.
"""

from typing import Any

import tensorflow as tf

from pgtf.learning.critics import Estimates
from pgtf.learning.objective import ForwardPass, Objective
from pgtf.policies.decision import Decision


class TapedActing:
    """Acts for an objective and records what the loss needs on the way.

    Made for each rollout, inside the tape, and for rollouts that are unrolled in the graph.

    Args:
        objective: one that ``supports`` it.
    """

    def __init__(self, objective: Objective):
        self._objective = objective
        self._log_probs: list[tf.Tensor] = []
        self._entropies: list[tf.Tensor] = []
        self._values: list[tf.Tensor] = []

    @staticmethod
    def supports(objective: Objective) -> bool:
        """Whether acting computes everything the loss needs."""
        critic = objective.critic
        networks = [objective.policy.network, *(part.network for part in objective.regressors)]
        return (critic is None or not critic.values_actions) and not any(
            network.remembers for network in networks
        )

    def __call__(self, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        """Samples an action, as ``Policy.act`` does."""
        features = self._objective.policy.network.features(observation)
        distribution = self._objective.policy.distribution_of(features)
        action, memory = self._objective.policy.sampled(distribution, memory, seed)
        action, memory = tf.nest.map_structure(tf.stop_gradient, (action, memory))
        log_prob = distribution.log_prob(action)
        self._log_probs.append(log_prob)
        self._entropies.append(distribution.entropy())
        self._value(observation, features)
        return Decision(action, (), memory)

    def forward_pass(self, last: Any) -> ForwardPass:
        """Returns the rollout's forward pass.

        Args:
            last: nest of [B, ...], the observation after the last action.
        """
        self._value(last)
        estimates = None
        if self._values:
            values = tf.stack(self._values)
            estimates = Estimates(values, values[:-1])
        return ForwardPass(tf.stack(self._log_probs), tf.stack(self._entropies), estimates)

    def _value(self, observation: Any, features: tf.Tensor | None = None) -> None:
        critic = self._objective.critic
        if critic is None:
            return
        if features is None or critic.network is not self._objective.policy.network:
            features = critic.network.features(observation)
        self._values.append(critic.value_of(features))
