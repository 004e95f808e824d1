"""Baselines: subtracted from the return, they lower the gradient's variance and keep its mean."""

from typing import Any

import gin
import gymnasium as gym
import keras
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_memory
from pgtf.configuration.ranges import Count, ProbabilityBelowOne
from pgtf.errors import ConfigurationError
from pgtf.learning.critics import Critic, Estimates, VCritic
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.target_normalization import TargetNormalization
from pgtf.learning.targets import Batch
from pgtf.losses import mean_over_steps
from pgtf.networks.network import Network
from pgtf.policies.decision import Actor
from pgtf.trajectory import Trajectory


class Baseline(keras.Layer):
    """b in ∇ log π(a | s) (G - b).

    Attributes:
        regressor: the baseline's own ``VCritic``, which has to be fitted, or None.
    """

    regressor: VCritic | None = None

    def build(
        self, observation_space: gym.Space, action_space: gym.Space, critic: Critic | None
    ) -> None:
        """Makes every variable.

        Args:
            observation_space: the space of one environment's observations.
            action_space: the space of one environment's actions.
            critic: the learner's, already built.

        Raises:
            ConfigurationError: the baseline needs another critic.
        """
        raise NotImplementedError

    def values(
        self, trajectory: Trajectory, estimates: Estimates | None, policy: Actor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns b_t, [T, B].

        Args:
            trajectory: T steps of B environments.
            estimates: the critic's, or None without one.
            policy: the one whose gradient is estimated.
            seed: int32 [2].
        """
        raise NotImplementedError

    def update(self, trajectory: Trajectory, returns: tf.Tensor, mask: tf.Tensor) -> None:
        """Moves running statistics after an update; ``returns`` and ``mask`` are [T, B]."""


@gin.register
class Constant(Baseline):
    """A running mean of the returns of all earlier batches, one number for every step.

    The current batch is not in it, which keeps the gradient unbiased.

    Args:
        decay: weight of the past in each update; the start is bias-corrected, as in Adam.
    """

    @checked
    def __init__(self, decay: ProbabilityBelowOne = 0.9):
        super().__init__()
        self.decay = decay

    def build(
        self, observation_space: gym.Space, action_space: gym.Space, critic: Critic | None
    ) -> None:
        """Makes the running mean."""
        del observation_space, action_space, critic
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean")
        self.weight = self.add_weight(shape=(), initializer="zeros", trainable=False, name="weight")

    def values(
        self, trajectory: Trajectory, estimates: Estimates | None, policy: Actor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns the running mean, [T, B]."""
        del estimates, policy, seed
        mean = tf.math.divide_no_nan(self.mean.value, self.weight.value)
        return tf.fill(tf.shape(trajectory.reward), mean)

    def update(self, trajectory: Trajectory, returns: tf.Tensor, mask: tf.Tensor) -> None:
        """Adds the mean return of a batch."""
        del trajectory
        batch = tf.reduce_sum(mean_over_steps(mask) * returns)
        rate = tf.where(tf.reduce_sum(mask) > 0, 1.0 - self.decay, 0.0)
        self.mean.assign_add(rate * (batch - self.mean.value))
        self.weight.assign_add(rate * (1.0 - self.weight.value))


@gin.register
class TimeDependent(Baseline):
    """A running mean of the returns from each step of the episode on, b_t = mean over i of G_t^i.

    The slide's sum lacks the 1/N. As with ``Constant``, only earlier batches are in it.

    Args:
        max_time: steps with a mean of their own; all later ones share the last.
        decay: weight of the past in each update, for the steps that the batch reached.
    """

    @checked
    def __init__(self, max_time: Count = 1000, decay: ProbabilityBelowOne = 0.9):
        super().__init__()
        self.max_time = max_time
        self.decay = decay

    def build(
        self, observation_space: gym.Space, action_space: gym.Space, critic: Critic | None
    ) -> None:
        """Makes the table of running means."""
        del observation_space, action_space, critic
        shape = (self.max_time,)
        require_memory(8 * self.max_time, f"TimeDependent.max_time = {self.max_time}")
        self.mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="mean")
        self.weight = self.add_weight(
            shape=shape, initializer="zeros", trainable=False, name="weight"
        )

    def values(
        self, trajectory: Trajectory, estimates: Estimates | None, policy: Actor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns the mean for each row's step of the episode, [T, B]."""
        del estimates, policy, seed
        table = tf.math.divide_no_nan(self.mean.value, self.weight.value)
        return tf.gather(table, self._slot(trajectory))

    def update(self, trajectory: Trajectory, returns: tf.Tensor, mask: tf.Tensor) -> None:
        """Adds the mean return of a batch at each step of the episode."""
        slot = tf.reshape(self._slot(trajectory), (-1,))
        weight = tf.reshape(mask, (-1,))
        total = weight * tf.reshape(returns, (-1,))
        counts = tf.math.unsorted_segment_sum(weight, slot, self.max_time)
        batch = tf.math.divide_no_nan(
            tf.math.unsorted_segment_sum(total, slot, self.max_time), counts
        )
        rate = tf.where(counts > 0, 1.0 - self.decay, 0.0)
        self.mean.assign_add(rate * (batch - self.mean.value))
        self.weight.assign_add(rate * (1.0 - self.weight.value))

    def _slot(self, trajectory: Trajectory) -> tf.Tensor:
        return tf.minimum(trajectory.time, self.max_time - 1)


@gin.register
class StateValue(Baseline):
    """V(s): the critic's, or one with its own network.

    Args:
        network: features for its own value function. When unbound it uses the critic's values: the
            ``VCritic``'s, which makes G - V the advantage of A2C, or the ``QCritic``'s mean over
            actions, as in ``ExpectedQ``.
        fit: how its own network is fitted to the returns; ``JointLoss`` when unbound.
        normalization: gives its own network's outputs the returns' units; None for none.
    """

    @checked
    def __init__(
        self,
        network: Network | keras.Model | None = None,
        fit: JointLoss | Regression | None = None,
        normalization: TargetNormalization | None = None,
    ):
        super().__init__()
        self.critic: Critic | None = None
        for name, bound in (("fit", fit), ("normalization", normalization)):
            if network is None and bound is not None:
                raise ConfigurationError(
                    f"StateValue.{name} is for StateValue's own network, and there is none: bind"
                    f" StateValue.network = @MLP(), or VCritic.{name} for the one it shares."
                )
        self.regressor = None if network is None else VCritic(network, fit, normalization)

    def build(
        self, observation_space: gym.Space, action_space: gym.Space, critic: Critic | None
    ) -> None:
        """Makes every variable."""
        if self.regressor is not None:
            self.regressor.build(observation_space, action_space)
        elif critic is None:
            raise ConfigurationError(
                "StateValue without a network of its own shares the critic's, and there is none:"
                " bind StateValue.network = @MLP(), or Learner.critic = @VCritic()."
            )
        elif critic.values_actions:
            self.critic = critic

    def values(
        self, trajectory: Trajectory, estimates: Estimates | None, policy: Actor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns V(s_t), [T, B]."""
        if self.regressor is not None:
            return self.regressor.predict(Batch.whole(trajectory))
        if self.critic is not None:
            return _expected_q(self.critic, trajectory, policy, seed)
        assert estimates is not None
        return estimates.prediction


@gin.register
class ExpectedQ(Baseline):
    """Σ_b π(b|s) Q(s, b), the value of a ``QCritic`` under the policy.

    Where actions are not Discrete it is a mean over sampled actions.
    """

    def build(
        self, observation_space: gym.Space, action_space: gym.Space, critic: Critic | None
    ) -> None:
        """Checks the critic."""
        del observation_space, action_space
        if critic is None or not critic.values_actions:
            raise ConfigurationError(
                "ExpectedQ averages the action values of a QCritic, and there is none: bind"
                " Learner.critic = @QCritic(), or another baseline."
            )
        self.critic = critic

    def values(
        self, trajectory: Trajectory, estimates: Estimates | None, policy: Actor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns Σ_b π(b|s_t) Q(s_t, b), [T, B]."""
        del estimates
        return _expected_q(self.critic, trajectory, policy, seed)


def _expected_q(critic: Any, trajectory: Trajectory, policy: Actor, seed: tf.Tensor) -> tf.Tensor:
    observation = trajectory.acted_on
    distribution = policy.unrolled(observation, trajectory.first[:-1], trajectory.memory)
    return critic.expected_value(observation, distribution, policy, seed)
