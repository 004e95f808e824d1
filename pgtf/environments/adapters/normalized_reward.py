"""Rewards in units of the deviation of the discounted return."""

from typing import Any

import gin
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Positive, Probability
from pgtf.environments.adapters.adapter import Adapter
from pgtf.environments.environment import Environment
from pgtf.graph.moments import RunningMoments
from pgtf.trajectory import TimeStep, Trajectory


@gin.register
class NormalizedReward(Adapter):
    """Divides rewards by the running deviation of the discounted return, and clips them.

    Within an episode G_t = γ G_{t-1} + r_t, and r_t is divided by σ(G), the standard deviation of G
    over all steps of all copies so far, as Stable-Baselines3's ``VecNormalize`` and Gymnasium's
    ``NormalizeReward`` do (Engstrom et al. 2020, arXiv:2005.12729, appendix A.1). Rewards are not
    centred, so that their signs stay. σ stands still during a rollout and moves after its update.
    The score is the environment's own.

    Args:
        environment: of any kind.
        discount: γ; bind it to that of the learner.
        clip: bound on the divided rewards, or None.
        epsilon: added to the variance.
    """

    @checked
    def __init__(
        self,
        environment: Environment | None = None,
        discount: Probability = 0.99,
        clip: Positive | None = 10.0,
        epsilon: Positive = 1e-8,
    ):
        super().__init__(environment)
        self.discount = discount
        self.clip = clip
        self.epsilon = epsilon
        self._returns = RunningMoments()
        self.statistics = list(self._returns.variables)

    def begin(self, observation: Any) -> tf.Tensor:
        """Returns a discounted return of 0, [B]."""
        return tf.zeros(tf.shape(tf.nest.flatten(observation)[0])[:1])

    def remember(self, memory: tf.Tensor, action: Any, step: TimeStep) -> tf.Tensor:
        """Returns the discounted return, [B]."""
        return self.discount * memory + step.reward

    def reward(self, memory: tf.Tensor, step: TimeStep) -> tf.Tensor:
        """Returns the divided rewards, [B]."""
        scaled = step.reward * tf.math.rsqrt(self._returns.values.variance + self.epsilon)
        return scaled if self.clip is None else tf.clip_by_value(scaled, -self.clip, self.clip)

    def note(self, memory: tf.Tensor, observation: Any, step: TimeStep) -> tf.Tensor:
        """Notes the discounted return, [B]."""
        return memory

    def learn(self, trajectory: Trajectory) -> None:
        """Adds the discounted returns of the steps."""
        self._returns.add(trajectory.notes, trajectory.mask)
