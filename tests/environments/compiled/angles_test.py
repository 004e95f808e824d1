"""Sine, cosine and wrapping against double precision."""

import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.angles import sine_cosine, wrap_angle


@pytest.mark.parametrize("jit_compile", [False, True])
def test_sine_and_cosine_are_right_to_rounding(jit_compile):
    angle = np.linspace(-100, 100, 2_000_001).astype(np.float32)
    angle[:5] = [0, np.pi / 2, -np.pi / 2, np.pi / 4, -0.0]
    sine, cosine = tf.function(sine_cosine, jit_compile=jit_compile)(angle)
    assert sine.dtype == cosine.dtype == tf.float32
    exact = angle.astype(np.float64)
    assert np.abs(sine.numpy() - np.sin(exact)).max() < 1e-7
    assert np.abs(cosine.numpy() - np.cos(exact)).max() < 1e-7


def test_a_small_angles_sine_keeps_its_relative_precision():
    angle = np.geomspace(1e-8, 0.5, 1000).astype(np.float32)
    sine, _ = sine_cosine(tf.constant(angle))
    np.testing.assert_allclose(sine, np.sin(angle.astype(np.float64)), rtol=2e-7)


def test_a_wrapped_angle_points_the_same_way_and_is_within_a_turn():
    angle = np.random.default_rng(0).uniform(-50, 50, 100_000).astype(np.float32)
    wrapped = wrap_angle(tf.constant(angle)).numpy()
    assert np.abs(wrapped).max() <= np.float32(np.pi) + 2e-6
    difference = (wrapped.astype(np.float64) - angle) / (2 * np.pi)
    np.testing.assert_allclose(difference, np.round(difference), atol=2e-6)
    inside = np.abs(angle) < np.pi - 1e-5
    np.testing.assert_array_equal(wrapped[inside], angle[inside])
