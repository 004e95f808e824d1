"""The contract of a network: elements of a space in, features out."""

from typing import Any

import gymnasium as gym
import keras
import tensorflow as tf

from pgtf.graph.scan import scan


class Network(keras.Layer):
    """Maps elements of a space to features.

    A network without memory implements ``build`` and ``features``. One with memory implements
    ``build``, ``initial_memory`` and ``step``; ``unroll`` steps T times, unless the network has a
    faster way to the same features.

    Attributes:
        space: the space it was built for; parts that share a network agree on it.
        num_features: F, known once built.
    """

    space: gym.Space
    num_features: int

    def build(self, space: gym.Space) -> None:
        """Makes the layers.

        Args:
            space: the space of one input, most often an environment's observation space.

        Raises:
            ConfigurationError: the network cannot take this space.
        """
        raise NotImplementedError

    def features(self, element: Any) -> tf.Tensor:
        """Maps a nest of [..., *shape] to [..., F]; what a network without memory implements."""
        raise NotImplementedError

    def initial_memory(self, num_envs: int) -> Any:
        """Returns the memory at the start of an episode.

        Args:
            num_envs: B.

        Returns:
            A nest of [B, ...], the same in every row; () for a network without memory.
        """
        del num_envs
        return ()

    def step(self, element: Any, memory: Any) -> tuple[tf.Tensor, Any]:
        """Maps one step of B inputs, a nest of [B, *shape], to features [B, F].

        Args:
            element: the inputs.
            memory: nest of [B, ...] after the step before.

        Returns:
            The features, and the memory after this step.
        """
        return self.features(element), memory

    def unroll(self, element: Any, first: tf.Tensor, memory: Any) -> tf.Tensor:
        """Maps T steps of B inputs, a nest of [T, B, *shape], to features [T, B, F].

        Args:
            element: the inputs.
            first: [T, B] bool, rows on which an episode begins and memory starts afresh.
            memory: nest of [B, ...] before row 0.
        """
        if not tf.nest.flatten(memory):
            return self.features(element)
        initial = self.initial_memory(first.shape[1])

        def move(memory: Any, t: Any) -> tuple[Any, tf.Tensor]:
            memory = tf.nest.map_structure(
                lambda now, new: tf.where(
                    tf.reshape(first[t], [-1] + [1] * (len(now.shape) - 1)), new, now
                ),
                memory,
                initial,
            )
            features, memory = self.step(tf.nest.map_structure(lambda x: x[t], element), memory)
            return memory, features

        rows = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
        return scan(move, memory, rows)[1]

    @property
    def remembers(self) -> bool:
        """Whether there is a memory."""
        return bool(tf.nest.flatten(self.initial_memory(1)))

    def adapt(self, element: Any, mask: tf.Tensor) -> None:
        """Moves running statistics of the input, if the network keeps any.

        Args:
            element: nest of [T, B, *shape].
            mask: [T, B].
        """
