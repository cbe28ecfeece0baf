"""The quantized normal against mpmath, in every regime."""

import math

import mpmath
import numpy as np
import pytest
import tensorflow as tf

from tf_geco.distributions import QuantizedNormal

mpmath.mp.dps = 60
BIN = 1 / 255


def reference(x, loc, scale, bin_width=BIN):
    """log[Phi((x + b/2 - mu) / s) - Phi((x - b/2 - mu) / s)], in sixty digits."""
    x, loc, scale = (mpmath.mpf(float(value)) for value in (x, loc, scale))
    half = mpmath.mpf(float(bin_width)) / 2
    distance = abs(x - loc)

    def left_tail(value):
        return mpmath.erfc(-value / mpmath.sqrt(2)) / 2

    mass = left_tail((half - distance) / scale) - left_tail((-half - distance) / scale)
    return float(mpmath.log(mass))


SCALES = [1e-6, 1e-4, 1e-3, BIN / 2, BIN, 3 * BIN, 0.02, 0.1, 0.5, 1.0, 30.0]
DISTANCES = [0.0, 1e-7, BIN / 2, BIN, 0.01, 0.1, 0.5, 1.0]


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-9), ("float32", 2e-6)])
@pytest.mark.parametrize("scale", SCALES)
def test_exact_from_the_centre_to_the_far_tails(scale, dtype, rtol):
    loc = np.zeros(len(DISTANCES), dtype)
    x, scale = np.array(DISTANCES, dtype), np.array(scale, dtype)
    actual = QuantizedNormal(loc, scale).log_prob(x)
    # The edge of a bin is a number of the precision, 1/510 is not.
    expected = [reference(value, 0.0, scale, np.array(BIN, dtype)) for value in x]
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)


def test_grid_sums_to_one():
    points = np.arange(-2000, 2001) * BIN
    for scale in (1e-3, 0.03, 0.6):
        q = QuantizedNormal(np.float64(0.3), np.float64(scale))
        np.testing.assert_allclose(np.exp(q.log_prob(points)).sum(), 1.0, rtol=1e-9)


def test_both_formulas_meet_where_one_takes_over():
    scale = np.float64(0.1)
    w = BIN / scale
    edge = (1 / w - w) * scale  # w (a + w) = 1
    q = QuantizedNormal(np.float64(0.0), scale)
    below, above = q.log_prob(edge * (1 - 1e-9)), q.log_prob(edge * (1 + 1e-9))
    np.testing.assert_allclose(below, above, rtol=1e-6)
    np.testing.assert_allclose(below, reference(edge, 0, scale), rtol=1e-8)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_gradients_are_finite_everywhere_and_right(scale, distance):
    loc, spread = tf.constant(distance, tf.float64), tf.constant(scale, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch([loc, spread])
        value = QuantizedNormal(loc, spread).log_prob(tf.constant(0.0, tf.float64))
    gradients = tape.gradient(value, [loc, spread])
    assert np.all(np.isfinite(gradients))
    step = 1e-12 * scale

    def slope(a, b):
        difference = mpmath.log(mass(*b)) - mpmath.log(mass(*a))
        return float(difference / (2 * step))

    def mass(loc, scale):
        half = mpmath.mpf(BIN) / 2
        ends = [(end - abs(loc)) / scale / mpmath.sqrt(2) for end in (half, -half)]
        return (mpmath.erfc(-ends[0]) - mpmath.erfc(-ends[1])) / 2

    d, s, h = mpmath.mpf(distance), mpmath.mpf(scale), mpmath.mpf(step)
    if distance > step:
        np.testing.assert_allclose(
            gradients[0], slope((d - h, s), (d + h, s)), rtol=1e-6, atol=1e-6
        )
    np.testing.assert_allclose(gradients[1], slope((d, s - h), (d, s + h)), rtol=1e-6, atol=1e-6)


def test_dithered_bound_is_below_by_what_theory_says():
    scale, n = 0.01, 400_000
    q = QuantizedNormal(np.zeros(n), np.full(n, scale))
    x = q.sample(seed=1)
    gap = (q.log_prob(x) - q.dithered_log_prob(x, seed=[1, 2])).numpy()
    error = gap.std() / math.sqrt(n)
    assert gap.mean() > 3 * error
    np.testing.assert_allclose(gap.mean(), BIN**2 / (24 * scale**2), atol=4 * error, rtol=0.1)


def test_samples_lie_on_the_grid_with_the_right_moments():
    x = QuantizedNormal(0.25, 0.1).sample(100_000, seed=1).numpy()
    np.testing.assert_allclose(x / BIN, np.round(x / BIN), atol=1e-4)
    np.testing.assert_allclose([x.mean(), x.std()], [0.25, 0.1], atol=2e-3)


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"`bin_width` must be positive. Received: bin_width=0"):
        QuantizedNormal(0.0, 1.0, bin_width=0)
