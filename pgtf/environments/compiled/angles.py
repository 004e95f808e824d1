"""Angles kept within one turn."""

import math

import tensorflow as tf


def wrap_angle(angle: tf.Tensor) -> tf.Tensor:
    """Brings angles (rad) into [-π, π), to float32 rounding.

    Kept small, an angle loses no float32 precision however long an episode lasts. ``floor`` and a
    product vectorise where XLA's remainder is a call per number.
    """
    turns = tf.floor((angle + math.pi) * (0.5 / math.pi))
    return angle - 2 * math.pi * turns
