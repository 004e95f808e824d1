"""The deterministic policy a = π(s)."""

from typing import Any, NoReturn

import gin
import gymnasium as gym
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import NonNegative
from pgtf.errors import ConfigurationError
from pgtf.policies.head import Head
from pgtf.policies.output import Output


class PointMass:
    """All probability on one action: it can be sampled but has no log-prob to differentiate.

    Args:
        action: [..., *shape].
    """

    def __init__(self, action: tf.Tensor) -> None:
        self._action = action

    def sample(self, sample_shape: Any = (), seed: Any = None) -> tf.Tensor:
        """Returns the action, [*sample_shape, ..., *shape], whatever the seed."""
        shape = tf.concat(
            [tf.reshape(tf.cast(sample_shape, tf.int32), [-1]), tf.shape(self._action)], 0
        )
        return tf.broadcast_to(self._action, shape)

    def mode(self) -> tf.Tensor:
        """Returns the action, [..., *shape]."""
        return self._action

    def log_prob(self, action: Any) -> NoReturn:
        """Raises ConfigurationError: there is no score function."""
        raise ConfigurationError(
            "Deterministic has no log-prob and no entropy, so only evolution can train it: "
            "bind train.trainer=@EvolutionTrainer(), or leave Policy.head unbound."
        )

    def entropy(self) -> NoReturn:
        """Raises ConfigurationError, as ``log_prob`` does."""
        self.log_prob(None)


@gin.register
class Deterministic(Head):
    """a = π(s), "outputs a steering angle directly": for evaluation and evolution strategies.

    Over a Box the action is linear in the features (float32, unclipped: the environment clips it);
    over a Discrete space it is the argmax of linear preferences (int32).

    Args:
        gain: of the orthogonal initialisation of the linear layer.
    """

    has_score = False

    @checked
    def __init__(self, gain: NonNegative = 0.01) -> None:
        super().__init__()
        self.gain = gain

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes the linear layer; see ``Head.build``."""
        self.discrete = isinstance(action_space, gym.spaces.Discrete)
        if isinstance(action_space, gym.spaces.Discrete):
            shape: tuple[int, ...] = (int(action_space.n),)
        elif isinstance(action_space, gym.spaces.Box):
            shape = action_space.shape
        else:
            raise self.refusal("a Box or Discrete action space", action_space)
        self.linear = Output(shape, self.gain, "linear")
        self.linear.build((None, num_features))

    def distribution(self, features: tf.Tensor) -> PointMass:
        """Returns the point mass on π(s), [..., *shape], for features [..., F]."""
        outputs = self.linear(features)
        return PointMass(tf.argmax(outputs, -1, tf.int32) if self.discrete else outputs)
