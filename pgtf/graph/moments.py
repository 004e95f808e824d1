"""Running mean and variance of rows that arrive in batches."""

from typing import NamedTuple

import keras
import tensorflow as tf


class MeanAndVariance(NamedTuple):
    """Of N rows of one shape.

    Attributes:
        count: scalar float32, N.
        mean: [*shape].
        variance: [*shape], the mean square deviation.
    """

    count: tf.Tensor
    mean: tf.Tensor
    variance: tf.Tensor

    def with_rows(self, rows: tf.Tensor, mask: tf.Tensor) -> "MeanAndVariance":
        """Returns the moments of these rows and further ones (Chan et al. 1983, pairwise update).

        Args:
            rows: [..., *shape].
            mask: [...]; rows with 0 are left out.
        """
        axes = list(range(len(mask.shape)))
        weight = mask[(..., *[tf.newaxis] * (len(rows.shape) - len(axes)))]
        added = tf.reduce_sum(mask)
        mean = tf.reduce_sum(weight * rows, axis=axes) / tf.maximum(added, 1.0)
        squares = tf.reduce_sum(weight * tf.square(rows - mean), axis=axes)
        total = tf.maximum(self.count + added, 1.0)
        shift = mean - self.mean
        squares += self.count * self.variance + tf.square(shift) * self.count * added / total
        return MeanAndVariance(
            self.count + added,
            self.mean + shift * added / total,
            tf.where(self.count + added > 0, squares / total, self.variance),
        )


class RunningMoments:
    """The variables that hold the moments of all rows so far; mean 0 and variance 1 before any.

    Args:
        shape: of a row.

    Attributes:
        variables: count, mean and variance.
    """

    def __init__(self, shape: tuple[int, ...] = ()):
        self.variables = MeanAndVariance(
            keras.Variable(0.0, trainable=False, name="count"),
            keras.Variable(tf.zeros(shape), trainable=False, name="mean"),
            keras.Variable(tf.ones(shape), trainable=False, name="variance"),
        )

    @property
    def values(self) -> MeanAndVariance:
        """The moments as they are now."""
        return MeanAndVariance(*(variable.value for variable in self.variables))

    def add(self, rows: tf.Tensor, mask: tf.Tensor) -> None:
        """Adds rows [..., *shape]; those whose mask [...] is 0 are left out."""
        after = self.values.with_rows(rows, mask)
        for variable, value in zip(self.variables, after, strict=True):
            variable.assign(value)
