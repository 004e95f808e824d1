"""The distribution over n choices that Softmax and MultiSoftmax share."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from pgtf.graph.stateless import uniform

# Up to this n, XLA computes the partial sums faster as one masked n x n sum than as a running one.
_FEW = 32


class Categorical(tfp.distributions.Categorical):
    """tfp's categorical distribution, sampled by inverting the distribution function.

    It takes one random number a sample where the Gumbel trick takes n, and no logarithm.
    """

    def _sample_n(self, n: int, seed: Any = None) -> tf.Tensor:
        logits = self.logits_parameter()
        weights = tf.exp(logits - tf.reduce_max(logits, -1, keepdims=True))
        size = weights.shape[-1]
        if size <= _FEW:
            triangle = np.triu(np.ones([size, size], np.float32))
            sums = tf.reduce_sum(weights[..., :, tf.newaxis] * triangle, -2)
        else:
            sums = tf.cumsum(weights, -1)
        level = uniform(tf.concat([[n], tf.shape(logits)[:-1], [1]], 0), seed)
        # The chosen action is the first whose sum exceeds the threshold. The threshold is below the
        # last sum because level < 1, and an action of weight zero adds nothing to pass it with.
        passed = sums <= level * sums[..., -1:]
        return tf.reduce_sum(tf.cast(passed, self.dtype), -1)
