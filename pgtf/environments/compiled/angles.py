"""Angles: wrapping, sine and cosine in operations that vectorise.

XLA's CPU backend calls the C library once per number for a sine, a cosine or a remainder. Those
calls took most of Acrobot's and Pendulum's time.
"""

import math

import tensorflow as tf


def wrap_angle(angle: tf.Tensor) -> tf.Tensor:
    """Brings angles (rad) into [-π, π), to float32 rounding.

    Wrapped angles keep their float32 precision however long an episode lasts.
    """
    turns = tf.floor((angle + math.pi) * (0.5 / math.pi))
    return angle - 2 * math.pi * turns


def sine_cosine(angle: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Sine and cosine of float32 angles, within 1e-7 for up to 100 rad either way.

    Evaluates the two polynomials of S. Moshier's Cephes library (``sinf.c``) at the distance from
    the nearest multiple of π/2, which is subtracted in three parts to keep the difference exact.
    """
    quarter_turns = tf.floor(angle * (2 / math.pi) + 0.5)
    for part in (1.5703125, 4.837512969970703125e-4, 7.549789948768648e-8):
        angle -= quarter_turns * part
    square = angle * angle
    sine = angle + angle * square * (
        -1.6666654611e-1 + square * (8.3321608736e-3 + square * -1.9515295891e-4)
    )
    cosine = (
        1.0
        - 0.5 * square
        + square
        * square
        * (4.166664568298827e-2 + square * (-1.388731625493765e-3 + square * 2.443315711809948e-5))
    )
    quadrant = tf.cast(quarter_turns, tf.int32)
    swapped = tf.bitwise.bitwise_and(quadrant, 1) == 1
    sine, cosine = tf.where(swapped, cosine, sine), tf.where(swapped, sine, cosine)
    sine_sign = tf.bitwise.bitwise_and(quadrant, 2) == 2
    cosine_sign = tf.bitwise.bitwise_and(quadrant + 1, 2) == 2
    return tf.where(sine_sign, -sine, sine), tf.where(cosine_sign, -cosine, cosine)
