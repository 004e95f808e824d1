"""Exploration: how a worker's policy differs from the shared one.

On-policy learning needs no replay when the workers see different parts of the task, and exploring
differently makes them do so (Mnih et al. 2016, section 4). The exploring policy acts, and its own
log-prob is differentiated: the gradient stays on-policy.
"""

import abc
from collections.abc import Sequence
from typing import Annotated, Any

import gin
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NOT_EMPTY, Positive, ProbabilityBelowOne
from pgtf.errors import ConfigurationError
from pgtf.policies.categorical import Categorical
from pgtf.policies.decision import Actor
from pgtf.policies.head import Head


class Exploration(abc.ABC):
    """Turns a policy's distribution into the one that a worker acts with.

    Attributes:
        levels: how much each worker explores; worker i takes number i modulo their count.
    """

    levels: tuple[float, ...]

    def level(self, worker: int) -> float:
        """Returns the level of a worker, counted from 0."""
        return self.levels[worker % len(self.levels)]

    @abc.abstractmethod
    def check(self, head: Head) -> None:
        """Checks that this exploration fits the policy's head.

        Raises:
            ConfigurationError: it does not.
        """

    @abc.abstractmethod
    def distribution(self, head: Head, distribution: Any, level: tf.Tensor) -> Any:
        """Returns the distribution that acts, differentiable in the parameters of the policy.

        Args:
            head: the policy's, which knows its distributions.
            distribution: the policy's, of any batch shape.
            level: scalar.
        """

    def refusal(self, head: Head, needs: str, other: str) -> ConfigurationError:
        """Returns the error that says this exploration does not fit a head.

        Args:
            head: the policy's.
            needs: the heads it fits, as in "a Softmax head".
            other: an exploration for other heads.
        """
        return ConfigurationError(
            f"{type(self).__name__} needs {needs}, but the policy's is {type(head).__name__}: bind"
            f" AsynchronousTrainer.exploration = @{other}(), or leave it unbound."
        )


@gin.register
class EpsilonMixture(Exploration):
    """(1 - ε) π(a|s) + ε / n: with probability ε one of the n actions at random, else the policy's.

    Args:
        epsilons: ε of the workers, each in [0, 1).
    """

    @checked
    def __init__(
        self, epsilons: Annotated[Sequence[ProbabilityBelowOne], NOT_EMPTY] = (0.0, 0.05, 0.2)
    ):
        self.levels = tuple(float(epsilon) for epsilon in epsilons)

    def check(self, head: Head) -> None:
        """Refuses heads whose actions cannot be enumerated."""
        if not head.enumerates:
            raise self.refusal(head, "a Softmax head", "ScaledNoise")

    def distribution(self, head: Head, distribution: Any, level: tf.Tensor) -> Categorical:
        """Returns the mixture, a categorical distribution."""
        log_prob = head.log_probabilities(distribution)
        uniform = tf.math.log(level / log_prob.shape[-1]) * tf.ones_like(log_prob)
        # Both terms stay logarithms, so that no action's probability underflows where ε is 0.
        logits = tf.reduce_logsumexp(tf.stack([log_prob + tf.math.log1p(-level), uniform]), 0)
        return Categorical(logits=logits)


@gin.register
class ScaledNoise(Exploration):
    """N(μ, (c σ)²): the scale of a Gaussian policy, squashed ones too, times a factor.

    Args:
        scales: c of the workers, each positive.
    """

    @checked
    def __init__(self, scales: Annotated[Sequence[Positive], NOT_EMPTY] = (1.0, 0.5, 2.0)):
        self.levels = tuple(float(scale) for scale in scales)

    def check(self, head: Head) -> None:
        """Refuses heads without a scale."""
        if not head.has_scale:
            raise self.refusal(head, "a Gaussian or TanhGaussian head", "EpsilonMixture")

    def distribution(self, head: Head, distribution: Any, level: tf.Tensor) -> Any:
        """Returns the same kind of distribution with another scale."""
        return head.scaled(distribution, level)


class ExploringPolicy(Actor):
    """A policy seen through an exploration; it takes a ``Policy``'s place in an objective.

    Args:
        policy: the shared one; its network and head, and their variables, are used.
        exploration: what changes its distribution.
        level: scalar, how much.
    """

    def __init__(self, policy: Actor, exploration: Exploration, level: tf.Tensor):
        self._policy = policy
        self._exploration = exploration
        self._level = level
        self.network = policy.network
        self.head = policy.head
        self.trainable_variables = policy.trainable_variables

    def distribution_of(self, features: tf.Tensor) -> Any:
        """Returns what acts, of batch shape [...], for the network's features, [..., F]."""
        distribution = self._policy.distribution_of(features)
        return self._exploration.distribution(self.head, distribution, self._level)
