"""Acting whose log-probs and values are the ones that are differentiated.

On-policy, the forward pass of the rollout and that of the loss compute the same numbers. Under a
gradient tape that is open during the rollout the second one can be left out.
"""

from typing import Any

import tensorflow as tf

from pgtf.learning.critics import Estimates, VCritic
from pgtf.learning.learner import Learner
from pgtf.learning.objective import Evaluation


class TapedActing:
    """Acts for a learner and remembers what policy and critic said on the way.

    Made anew for each rollout, inside the tape, and for rollouts that are unrolled in the graph.

    Args:
        learner: one that ``supports`` it.
    """

    def __init__(self, learner: Learner):
        self._learner = learner
        self._log_probs: list[tf.Tensor] = []
        self._entropies: list[tf.Tensor] = []
        self._values: list[tf.Tensor] = []

    @staticmethod
    def supports(learner: Learner) -> bool:
        """Whether all the learner's loss needs can be said while acting."""
        return learner.critic is None or isinstance(learner.critic, VCritic)

    def __call__(self, observation: Any, seed: tf.Tensor) -> Any:
        """Samples an action, as ``Policy.act`` does."""
        distribution = self._learner.policy.distribution(observation)
        action = tf.nest.map_structure(tf.stop_gradient, distribution.sample(seed=seed))
        self._log_probs.append(distribution.log_prob(action))
        self._entropies.append(distribution.entropy())
        self._value(observation)
        return action

    def evaluation(self, last: Any) -> Evaluation:
        """Returns what was said about the rollout.

        Args:
            last: nest of [B, ...], the observation after the last action.
        """
        self._value(last)
        estimates = None
        if self._values:
            values = tf.stack(self._values)
            estimates = Estimates(values, values[:-1])
        return Evaluation(tf.stack(self._log_probs), tf.stack(self._entropies), estimates)

    def _value(self, observation: Any) -> None:
        if isinstance(self._learner.critic, VCritic):
            self._values.append(self._learner.critic.value(observation))
