"""Fitness shaping: the weights of a search gradient in place of the raw fitness.

Pure functions of the fitness [N] of one generation; all of them give [N].
"""

import gin
import tensorflow as tf


@gin.register
def standardised(fitness: tf.Tensor) -> tf.Tensor:
    """(F − mean) / standard deviation: neither a constant nor a positive factor of F matters.

    A generation of equal members gets 0 throughout.
    """
    deviation = fitness - tf.reduce_mean(fitness)
    return deviation / (tf.sqrt(tf.reduce_mean(tf.square(deviation))) + 1e-8)


@gin.register
def centred_ranks(fitness: tf.Tensor) -> tf.Tensor:
    """Ranks from −½ (the worst) to ½ (the best): no increasing function of F matters.

    Salimans et al. 2017, arXiv:1703.03864, section 2.1, after Wierstra et al. 2014. Equal members
    share the mean of their ranks, so that a generation of equal members gets 0 throughout.
    """
    more = tf.cast(fitness[:, tf.newaxis] > fitness, tf.float32)
    less = tf.cast(fitness[:, tf.newaxis] < fitness, tf.float32)
    # The ranks from 0 to N − 1, less their mean.
    ranks = 0.5 * tf.reduce_sum(more - less, axis=1)
    return ranks / (fitness.shape[0] - 1)
