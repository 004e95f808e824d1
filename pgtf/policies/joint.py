"""Independent heads for the parts of a Tuple or Dict action."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import gin
import gymnasium as gym
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.configuration.checked import checked
from pgtf.errors import ConfigurationError
from pgtf.policies.head import Head, default_head


class Product:
    """Distributions over the parts of an action, independent of each other.

    An action is a dict when the parts have keys, else a tuple.

    Args:
        parts: distributions of one batch shape.
        keys: name the parts; None for a tuple.
    """

    def __init__(self, parts: Sequence[Any], keys: Sequence[str] | None) -> None:
        self.parts = tuple(parts)
        self.keys = keys

    def joined(self, values: Sequence[Any]) -> Any:
        """Returns the action that consists of a value for each part."""
        return tuple(values) if self.keys is None else dict(zip(self.keys, values, strict=True))

    def _sum(self, function: Callable[[int, Any], tf.Tensor]) -> tf.Tensor:
        return tf.add_n([function(i, part) for i, part in enumerate(self.parts)])

    def sample(self, sample_shape: Any = (), seed: Any = None) -> Any:
        """Returns a sample of every part, a nest of [*sample_shape, ..., *shape]."""
        seeds = tfp.random.split_seed(seed, len(self.parts))
        return self.joined(
            [p.sample(sample_shape, seed=s) for p, s in zip(self.parts, seeds, strict=True)]
        )

    def mode(self) -> Any:
        """Returns the mode of every part."""
        return self.joined([part.mode() for part in self.parts])

    def log_prob(self, action: Any) -> tf.Tensor:
        """Returns the sum of the parts' log-probs, [...]."""
        return self._sum(lambda i, p: p.log_prob(action[i if self.keys is None else self.keys[i]]))

    def entropy(self) -> tf.Tensor:
        """Returns the sum of the parts' entropies, [...]."""
        return self._sum(lambda _, part: part.entropy())


@gin.register
class Joint(Head):
    """π(a|s) = Π_k π_k(a_k|s) over the parts k of a Tuple or Dict space, nested to any depth.

    Attributes:
        has_score: whether every part has one, known after ``build``.
        remembers: whether any part does, known after ``build``.

    Args:
        heads: for a Dict space the heads of some of its keys, for a Tuple space a head or None for
            each part; a part without a head gets the default of its space.
    """

    @checked
    def __init__(self, heads: Mapping[str, Head] | Sequence[Head | None] = ()) -> None:
        super().__init__()
        named = heads.items() if isinstance(heads, Mapping) else enumerate(heads)
        # Read-only, so that Keras tracks no head here: a checkpoint sees a layer's tuples alone.
        self.bound = MappingProxyType({str(k): head for k, head in named if head is not None})

    def build(self, num_features: int, action_space: gym.Space[Any]) -> None:
        """Makes one head for each part; see ``Head.build``."""
        if not isinstance(action_space, gym.spaces.Dict | gym.spaces.Tuple):
            raise self.refusal("a Tuple or Dict action space", action_space)
        spaces = action_space.spaces
        named = list(spaces.items() if isinstance(spaces, Mapping) else enumerate(spaces))
        self.keys = tuple(spaces) if isinstance(spaces, Mapping) else None
        unknown = set(self.bound) - {str(name) for name, _ in named}
        if unknown:
            raise ConfigurationError(
                f"Joint.heads names {', '.join(sorted(unknown))}, but this environment's actions "
                f"consist of {', '.join(str(n) for n, _ in named)}: bind heads for these only."
            )
        self.heads = tuple(self.bound.get(str(n)) or default_head(space) for n, space in named)
        for head, (_, space) in zip(self.heads, named, strict=True):
            head.build(num_features, space)
        self.has_score = all(head.has_score for head in self.heads)
        self.remembers = any(head.remembers for head in self.heads)

    def distribution(self, features: tf.Tensor) -> Product:
        """Returns the distribution over actions, a nest of [..., *shape], for features [..., F]."""
        return Product([head.distribution(features) for head in self.heads], self.keys)

    def initial_memory(self, num_envs: int) -> tuple[Any, ...]:
        """Returns that of every part."""
        return tuple(head.initial_memory(num_envs) for head in self.heads)

    def sample(self, distribution: Any, memory: Any, seed: tf.Tensor) -> tuple[Any, Any]:
        """Samples every part by what its head remembers."""
        seeds = tfp.random.split_seed(seed, len(self.heads))
        parts = zip(self.heads, distribution.parts, memory, seeds, strict=True)
        actions, memories = zip(*(head.sample(*part) for head, *part in parts), strict=True)
        return distribution.joined(actions), memories


# Not through gin: the parts of a bound ``Joint`` would take its ``heads`` for their own.
default_head.register(gym.spaces.Tuple, lambda action_space: Joint())
default_head.register(gym.spaces.Dict, lambda action_space: Joint())
