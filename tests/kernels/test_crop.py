"""Windows of a picture: both implementations against the sum of parts of pixels, and what follows from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from minicnn.fast.cpu import crop as on_numba
from minicnn.kernels import crop as on_numpy

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)


def picture(height=9, width=7, seed=0):
    return np.random.default_rng(seed).random((height, width, 3), np.float32)


def overlap(low, high, pixel):
    return max(0.0, min(high, pixel + 1) - max(low, pixel))


def by_definition(x, window, height, width):
    left, top, right, bottom = window
    y = np.zeros((height, width, 3))
    for i, j in np.ndindex(height, width):
        middles = top + (i + 0.5) * (bottom - top) / height, left + (j + 0.5) * (right - left) / width
        reach = max((bottom - top) / height, 1) / 2, max((right - left) / width, 1) / 2
        for r, c in np.ndindex(*x.shape[:2]):
            rows = overlap(middles[0] - reach[0], middles[0] + reach[0], r) / (2 * reach[0])
            y[i, j] += x[r, c] * rows * overlap(middles[1] - reach[1], middles[1] + reach[1], c) / (2 * reach[1])
    return y


@each_implementation
@settings(max_examples=10)
@given(
    corner=st.tuples(st.floats(-4, 8), st.floats(-4, 8)),
    side=st.tuples(st.floats(0.3, 12), st.floats(0.3, 12)),
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_parts_of_pixels_are_added_up(implementation, corner, side, size):
    """Windows that lie beyond the edge, or outside, as well."""
    window = np.array([[*corner, corner[0] + side[0], corner[1] + side[1]]])
    y = implementation.crop(picture(), window, *size)
    assert y.shape == (1, *size, 3) and y.dtype == np.float32
    assert_allclose(y[0], by_definition(picture(), window[0], *size), atol=1e-5)


@each_implementation
def test_a_window_of_whole_pixels_is_the_picture(implementation):
    x = picture()
    y = implementation.crop(x, np.array([[1.0, 2.0, 6.0, 8.0], [-2.0, 0.0, 3.0, 6.0]]), 6, 5)
    assert_allclose(y[0], x[2:8, 1:6], atol=1e-6)
    assert_allclose(y[1, :, 2:], x[:6, :3], atol=1e-6)
    assert not y[1, :, :2].any()  # zero outside


@each_implementation
def test_half_the_size_is_the_mean_of_four(implementation):
    x = picture(8, 6)
    y = implementation.crop(x, np.array([[0.0, 0.0, 6.0, 8.0]]), 4, 3)[0]
    assert_allclose(y, x.reshape(4, 2, 3, 2, 3).mean(axis=(1, 3)), atol=1e-6)


@each_implementation
def test_no_windows(implementation):
    assert implementation.crop(picture(), np.empty((0, 4)), 4, 3).shape == (0, 4, 3, 3)
