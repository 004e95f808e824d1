"""Critics: estimates of the return that the policy gradient uses in place of sampled rewards."""

import abc
from typing import Any, Literal, NamedTuple

import gin
import gymnasium as gym
import keras
import tensorflow as tf
from gymnasium import spaces

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.errors import ConfigurationError
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.target_normalization import TargetNormalization
from pgtf.learning.targets import Batch
from pgtf.networks.keras_model import as_network
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.policies.decision import Actor
from pgtf.spaces import bounded
from pgtf.trajectory import Trajectory

Bootstrap = Literal["expected", "sampled"]


class Estimates(NamedTuple):
    """A critic's estimates for a trajectory, differentiable.

    Attributes:
        values: [T+1, B] estimates of V(s_t), to bootstrap from; () of a batch.
        prediction: [...] V(s_t) or Q(s_t, a_t), which is fitted to the returns.
    """

    values: Any
    prediction: tf.Tensor


class Critic(keras.Layer):
    """Estimates values and is fitted to returns.

    Attributes:
        values_actions: whether it estimates Q(s, a), and so has ``expected_value``.

    Args:
        network: maps inputs to features, a Keras model for one; an ``MLP`` when unbound.
        fit: ``JointLoss`` with the policy (the default) or a separate ``Regression``.
        normalization: gives the outputs the returns' own units; None for outputs that are values.
    """

    values_actions: bool = False

    @checked
    def __init__(
        self,
        network: Network | keras.Model | None = None,
        fit: JointLoss | Regression | None = None,
        normalization: TargetNormalization | None = None,
    ):
        super().__init__()
        self.network = MLP() if network is None else as_network(network)
        self.fit = fit or JointLoss()
        self.normalization = normalization

    @abc.abstractmethod
    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable for one environment's spaces."""

    @abc.abstractmethod
    def evaluate(
        self,
        trajectory: Trajectory,
        policy: Actor,
        seed: tf.Tensor,
        features: tf.Tensor | None = None,
    ) -> Estimates:
        """Evaluates a trajectory.

        Args:
            trajectory: T steps of B environments.
            policy: whose values are estimated.
            seed: int32 [2], for critics that sample actions.
            features: [T+1, B, F] the network's, where they are known already.
        """

    @abc.abstractmethod
    def predict(self, batch: Batch, features: tf.Tensor | None = None) -> tf.Tensor:
        """Returns what is fitted to the returns, of the batch's leading shape.

        Args:
            batch: steps.
            features: [..., F] the network's, where they are known already.
        """

    def estimate(self, estimate: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        """Returns the factor of ∇ log π before a baseline is subtracted, [T, B].

        Args:
            estimate: [T, B] the return estimator's; what is returned unless a critic knows better.
            prediction: [T, B].
        """
        del prediction
        return estimate

    @abc.abstractmethod
    def adapt(self, trajectory: Trajectory, mask: tf.Tensor) -> None:
        """Moves running statistics of the network's input."""

    def normalized(self, values: tf.Tensor) -> tf.Tensor:
        """Returns values or returns in the units in which they are fitted, [...]."""
        return values if self.normalization is None else self.normalization.normalized(values)

    def observe(self, returns: tf.Tensor, mask: tf.Tensor) -> None:
        """Moves running statistics of the returns after an update; both are [T, B]."""
        if self.normalization is not None:
            self.normalization.adapt(returns, mask, self.output_layer)

    def _outputs(self, features: tf.Tensor) -> tf.Tensor:
        """Values [..., n] for the network's features, [..., F]."""
        outputs = self.output_layer(features)
        return outputs if self.normalization is None else self.normalization(outputs)

    def _build_network(self, space: gym.Space, outputs: int) -> None:
        if not self.network.built:
            self.network.build(space)
        elif self.network.space != space:
            raise ConfigurationError(
                f"{type(self).__name__} cannot share a network with a part that has another input:"
                f" bind {type(self).__name__}.network to a network of its own."
            )
        self.output_layer = keras.layers.Dense(
            outputs, kernel_initializer=keras.initializers.Orthogonal(1.0)
        )
        self.output_layer.build((None, self.network.num_features))
        if self.normalization is not None:
            self.normalization.build()


@gin.register
class VCritic(Critic):
    """V_φ(s): returns are bootstrapped from it (advantage actor-critic)."""

    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable."""
        del action_space
        self._build_network(observation_space, 1)

    def value(self, observation: Any) -> tf.Tensor:
        """Returns V(s) [...] for a nest of [..., *shape]; for networks without memory."""
        return self.value_of(self.network.features(observation))

    def value_of(self, features: tf.Tensor) -> tf.Tensor:
        """Returns V [...] for the network's features, [..., F]."""
        return self._outputs(features)[..., 0]

    def evaluate(
        self,
        trajectory: Trajectory,
        policy: Actor,
        seed: tf.Tensor,
        features: tf.Tensor | None = None,
    ) -> Estimates:
        """Evaluates every observation once; see ``Critic.evaluate``."""
        del policy, seed
        if features is None:
            features = self.network.unroll(
                trajectory.observation, trajectory.first, trajectory.memory
            )
        values = self.value_of(features)
        return Estimates(values, values[:-1])

    def predict(self, batch: Batch, features: tf.Tensor | None = None) -> tf.Tensor:
        """Returns V(s), of the batch's leading shape."""
        if features is None:
            features = self.network.unroll(batch.observation, batch.first, batch.memory)
        return self.value_of(features)

    def adapt(self, trajectory: Trajectory, mask: tf.Tensor) -> None:
        """Moves running statistics of the observations."""
        self.network.adapt(trajectory.acted_on, mask)


@gin.register
class QCritic(Critic):
    """Q_w(s, a) in the place of the return, ∇ log π(a | s) · Q_w(s, a) (Q actor-critic).

    Discrete actions get one output each; any other action is an input next to the observation, as
    the environment receives it (clipped to its bounds). The targets are on-policy: SARSA's or
    expected SARSA's with ``Learner.returns`` = ``TD0``, their λ-returns with ``LambdaReturn``, the
    sampled returns with ``MonteCarlo``.

    Args:
        network: maps inputs to features, a Keras model for one; an ``MLP`` when unbound.
        fit: ``JointLoss`` with the policy (the default) or a separate ``Regression``.
        bootstrap: 'expected' for Σ_b π(b|s) Q(s, b) (expected SARSA), 'sampled' for Q(s, a') of the
            next action taken (SARSA).
        num_samples: actions sampled for the expectation where actions are not Discrete.
        normalization: gives the outputs the returns' own units; None for outputs that are values.
    """

    values_actions = True

    @checked
    def __init__(
        self,
        network: Network | keras.Model | None = None,
        fit: JointLoss | Regression | None = None,
        bootstrap: Bootstrap = "expected",
        num_samples: Count = 8,
        normalization: TargetNormalization | None = None,
    ):
        super().__init__(network, fit, normalization)
        self.bootstrap = bootstrap
        self.num_samples = num_samples

    def build(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        """Makes every variable."""
        if self.network.remembers:
            raise ConfigurationError(
                f"QCritic cannot use {type(self.network).__name__}, a network with memory: bind"
                " QCritic.network = @MLP()."
            )
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
        return self._outputs(self.network.features(inputs))[..., 0]

    def action_values(self, observation: Any) -> tf.Tensor:
        """Returns Q(s, ·), [..., A], where actions are Discrete."""
        return self._outputs(self.network.features(observation))

    def expected_value(
        self, observation: Any, distribution: Any, policy: Actor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Returns Σ_b π(b|s) Q(s, b), [...]; a mean over samples if actions cannot be enumerated.

        Args:
            observation: nest of [..., *shape].
            distribution: π(· | s) of the policy, of batch shape [...].
            policy: whose head knows the distribution.
            seed: int32 [2].
        """
        if self.discrete and policy.head.enumerates:
            probabilities = tf.stop_gradient(tf.exp(policy.head.log_probabilities(distribution)))
            return tf.reduce_sum(probabilities * self.action_values(observation), axis=-1)
        actions = tf.nest.map_structure(
            tf.stop_gradient, distribution.sample(self.num_samples, seed=seed)
        )
        repeated = tf.nest.map_structure(
            lambda x: tf.repeat(x[tf.newaxis], self.num_samples, axis=0), observation
        )
        return tf.reduce_mean(self.action_value(repeated, actions), axis=0)

    def evaluate(
        self,
        trajectory: Trajectory,
        policy: Actor,
        seed: tf.Tensor,
        features: tf.Tensor | None = None,
    ) -> Estimates:
        """Evaluates the actions taken, and each observation for the bootstrap."""
        del features
        prediction = self.action_value(trajectory.acted_on, trajectory.action)
        distribution = policy.unrolled(trajectory.observation, trajectory.first, trajectory.memory)
        if self.bootstrap == "expected":
            values = self.expected_value(trajectory.observation, distribution, policy, seed)
        else:
            last = tf.nest.map_structure(lambda x: x[-1:], trajectory.observation)
            sample = distribution.sample(seed=seed)
            final = self.action_value(last, tf.nest.map_structure(lambda x: x[-1:], sample))
            values = tf.concat([prediction, final], axis=0)
        return Estimates(values, prediction)

    def predict(self, batch: Batch, features: tf.Tensor | None = None) -> tf.Tensor:
        """Returns Q(s, a), of the batch's leading shape."""
        del features
        return self.action_value(batch.observation, batch.action)

    def estimate(self, estimate: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        """Returns Q(s_t, a_t) itself."""
        del estimate
        return prediction

    def adapt(self, trajectory: Trajectory, mask: tf.Tensor) -> None:
        """Moves running statistics of the network's input."""
        action = bounded(self.action_space, trajectory.action)
        inputs = trajectory.acted_on if self.discrete else (trajectory.acted_on, action)
        self.network.adapt(inputs, mask)
