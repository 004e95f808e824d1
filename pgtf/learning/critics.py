"""Critics: estimates of the return that the policy gradient uses in place of sampled rewards."""

import abc
from typing import Any, NamedTuple

import gin
import gymnasium as gym
import keras
import tensorflow as tf
from gymnasium import spaces

from pgtf.errors import ConfigurationError
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.networks.keras_model import as_network
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.policies.policy import Policy
from pgtf.spaces import bounded
from pgtf.trajectory import Trajectory


class Estimates(NamedTuple):
    """What a critic says about a trajectory; both can be differentiated.

    Attributes:
        values: [T+1, B] estimates of V(s_t), to bootstrap from.
        prediction: [T, B] what is fitted to the returns, V(s_t) or Q(s_t, a_t).
    """

    values: tf.Tensor
    prediction: tf.Tensor


class Critic(keras.Layer):
    """Estimates values and is fitted to returns.

    Args:
        network: maps inputs to features, a Keras model for one; an ``MLP`` when unbound.
        fit: ``JointLoss`` with the policy (the default) or a ``Regression`` of its own.
    """

    def __init__(
        self,
        network: Network | keras.Model | None = None,
        fit: JointLoss | Regression | None = None,
    ):
        super().__init__()
        self.network = MLP() if network is None else as_network(network)
        self.fit = fit or JointLoss()

    @abc.abstractmethod
    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable for one environment's spaces."""

    @abc.abstractmethod
    def evaluate(self, trajectory: Trajectory, policy: Policy, seed: tf.Tensor) -> Estimates:
        """Evaluates a trajectory; ``seed`` is int32 [2], for critics that sample actions."""

    @abc.abstractmethod
    def predict(self, trajectory: Trajectory) -> tf.Tensor:
        """Returns [T, B] what is fitted to the returns."""

    @abc.abstractmethod
    def estimate(self, returns: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        """Returns [T, B] what multiplies ∇ log π, before a baseline is subtracted.

        Args:
            returns: [T, B] G_t.
            prediction: [T, B].
        """

    @abc.abstractmethod
    def adapt(self, trajectory: Trajectory, mask: tf.Tensor) -> None:
        """Moves running statistics of the network's input."""

    def _build_network(self, space: gym.Space, outputs: int) -> None:
        if not self.network.built:
            self.network.build(space)
        elif self.network.space != space:
            raise ConfigurationError(
                f"{type(self).__name__} cannot share a network with a part of another input:"
                f" bind {type(self).__name__}.network to one of its own."
            )
        self.output_layer = keras.layers.Dense(
            outputs, kernel_initializer=keras.initializers.Orthogonal(1.0)
        )
        self.output_layer.build((None, self.network.num_features))


@gin.register
class VCritic(Critic):
    """V_φ(s): returns are bootstrapped from it (advantage actor-critic)."""

    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable."""
        del action_space
        self._build_network(observation_space, 1)

    def value(self, observation: Any) -> tf.Tensor:
        """Returns V(s) [...] for a nest of [..., *shape]."""
        return self.output_layer(self.network.features(observation))[..., 0]

    def evaluate(self, trajectory: Trajectory, policy: Policy, seed: tf.Tensor) -> Estimates:
        """Evaluates every observation once."""
        del policy, seed
        values = self.value(trajectory.observation)
        return Estimates(values, values[:-1])

    def predict(self, trajectory: Trajectory) -> tf.Tensor:
        """Returns V(s_t), [T, B]."""
        return self.value(tf.nest.map_structure(lambda x: x[:-1], trajectory.observation))

    def estimate(self, returns: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        """Returns the (bootstrapped) return itself."""
        del prediction
        return returns

    def adapt(self, trajectory: Trajectory, mask: tf.Tensor) -> None:
        """Moves running statistics of the observations."""
        observation = tf.nest.map_structure(lambda x: x[:-1], trajectory.observation)
        self.network.adapt(observation, mask)


@gin.register
class QCritic(Critic):
    """Q_w(s, a): it takes the return's place, ∇ log π(a | s) · Q_w(s, a) (Q actor-critic).

    Discrete actions get one output each; any other action is an input beside the observation, as
    the environment receives it (clipped to its bounds). The targets are on-policy: with
    ``Learner.returns`` = ``TD0`` they are SARSA's or expected SARSA's, with ``LambdaReturn`` their
    λ-returns, with ``MonteCarlo`` the sampled ones.

    Args:
        network: maps inputs to features, a Keras model for one; an ``MLP`` when unbound.
        fit: ``JointLoss`` with the policy (the default) or a ``Regression`` of its own.
        bootstrap: 'expected' for Σ_b π(b|s) Q(s, b) (expected SARSA), 'sampled' for Q(s, a') of the
            next action taken (SARSA).
        num_samples: actions sampled for the expectation where actions are not Discrete.
    """

    def __init__(
        self,
        network: Network | keras.Model | None = None,
        fit: JointLoss | Regression | None = None,
        bootstrap: str = "expected",
        num_samples: int = 8,
    ):
        super().__init__(network, fit)
        if bootstrap not in ("expected", "sampled"):
            raise ConfigurationError(
                f"QCritic.bootstrap must be 'expected' or 'sampled', not {bootstrap!r}."
            )
        if num_samples < 1:
            raise ConfigurationError(f"QCritic.num_samples must be at least 1, not {num_samples}.")
        self.bootstrap = bootstrap
        self.num_samples = num_samples

    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable."""
        self.action_space = action_space
        self.discrete = isinstance(action_space, spaces.Discrete)
        if isinstance(action_space, spaces.Discrete):
            self._build_network(observation_space, int(action_space.n))
        else:
            self._build_network(spaces.Tuple((observation_space, action_space)), 1)

    def action_value(self, observation: Any, action: Any) -> tf.Tensor:
        """Returns Q(s, a) [...] for nests of [..., *shape]."""
        if self.discrete:
            return tf.gather(self.action_values(observation), action, batch_dims=len(action.shape))
        inputs = (observation, bounded(self.action_space, action))
        return self.output_layer(self.network.features(inputs))[..., 0]

    def action_values(self, observation: Any) -> tf.Tensor:
        """Returns Q(s, ·), [..., A], where actions are Discrete."""
        return self.output_layer(self.network.features(observation))

    def expected_value(self, observation: Any, policy: Policy, seed: tf.Tensor) -> tf.Tensor:
        """Returns Σ_b π(b|s) Q(s, b), [...]; a mean over samples if actions are not Discrete."""
        distribution = policy.distribution(observation)
        if self.discrete:
            probabilities = tf.stop_gradient(tf.nn.softmax(distribution.logits))
            return tf.reduce_sum(probabilities * self.action_values(observation), axis=-1)
        actions = tf.nest.map_structure(
            tf.stop_gradient, distribution.sample(self.num_samples, seed=seed)
        )
        repeated = tf.nest.map_structure(
            lambda x: tf.repeat(x[tf.newaxis], self.num_samples, axis=0), observation
        )
        return tf.reduce_mean(self.action_value(repeated, actions), axis=0)

    def evaluate(self, trajectory: Trajectory, policy: Policy, seed: tf.Tensor) -> Estimates:
        """Evaluates the actions taken, and each observation for the bootstrap."""
        prediction = self.predict(trajectory)
        if self.bootstrap == "expected":
            values = self.expected_value(trajectory.observation, policy, seed)
        else:
            last = tf.nest.map_structure(lambda x: x[-1:], trajectory.observation)
            final = self.action_value(last, policy.distribution(last).sample(seed=seed))
            values = tf.concat([prediction, final], axis=0)
        return Estimates(values, prediction)

    def predict(self, trajectory: Trajectory) -> tf.Tensor:
        """Returns Q(s_t, a_t), [T, B]."""
        observation = tf.nest.map_structure(lambda x: x[:-1], trajectory.observation)
        return self.action_value(observation, trajectory.action)

    def estimate(self, returns: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        """Returns Q(s_t, a_t) itself."""
        del returns
        return prediction

    def adapt(self, trajectory: Trajectory, mask: tf.Tensor) -> None:
        """Moves running statistics of the network's input."""
        observation = tf.nest.map_structure(lambda x: x[:-1], trajectory.observation)
        if self.discrete:
            self.network.adapt(observation, mask)
        else:
            action = bounded(self.action_space, trajectory.action)
            self.network.adapt((observation, action), mask)
