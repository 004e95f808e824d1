"""Random numbers that a test chooses."""

from typing import Any

import tensorflow as tf

from pgtf.environments.compiled import Noise


class GivenNoise(Noise):
    """Gives the numbers it was made with, whatever is asked for."""

    def __new__(cls, numbers: Any) -> "GivenNoise":
        """Takes [D, B] numbers of [0, 1)."""
        numbers = tf.cast(numbers, tf.float32)
        noise = super().__new__(cls, tf.constant([0, 0]), tf.constant(0), numbers.shape[1])
        noise.numbers = numbers
        return noise

    numbers: tf.Tensor

    def uniform(self, num: int, low: float = 0.0, high: float = 1.0) -> list[tf.Tensor]:
        """The first ``num`` numbers, brought to [low, high)."""
        assert num <= len(self.numbers)
        return [low + (high - low) * number for number in tf.unstack(self.numbers)[:num]]
