"""A convolution with what travels with it: each backend's way against the definition's, one step after the other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn.backend import kernels_for, use_backend
from minicnn.kernels import contracts
from minicnn.kernels.conv import conv, conv_gradient_to_filters, conv_gradient_to_input
from minicnn.kernels.geometry import slide

SHAPES = {
    "by places": ((2, 7, 9, 3), (3, 3, 3, 10), {"padding": 1}, 1),
    "in groups": ((2, 8, 7, 4), (3, 2, 2, 6), {"stride": (1, 2)}, 2),
    "in one dimension": ((3, 11, 5), (3, 5, 9), {}, 1),
    "by Winograd": ((2, 24, 22, 64), (3, 3, 64, 64), {"padding": 1}, 1),
}
each_backend = pytest.mark.parametrize("name", ["numpy", "numba"])
each_shape = pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def problem(shapes):
    x_shape, w_shape, options, groups = shapes
    window = slide("conv", x_shape[1:-1], w_shape[:-2], **options)
    return normal(*x_shape), normal(*w_shape, seed=1), normal(w_shape[-1], seed=2), window, groups


def kernels(name):
    with use_backend(name):
        return kernels_for(np.zeros(1))


def halved(y):
    """The means of 2×2, or of 2 in one dimension; what is left over is not seen."""
    for axis in range(1, y.ndim - 1):
        pairs = np.moveaxis(y, axis, 0)[: y.shape[axis] // 2 * 2]
        y = np.moveaxis(pairs.reshape(-1, 2, *pairs.shape[1:]).mean(axis=1), 0, axis)
    return y


def spread(dy, shape):
    """The transpose of halved."""
    whole = dy
    for axis in range(1, dy.ndim - 1):
        whole = np.repeat(whole, 2, axis=axis) / 2
    return np.pad(whole, [(0, n - m) for n, m in zip(shape, whole.shape, strict=True)])


@each_backend
@each_shape
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("mean", [False, True])
def test_it_is_the_convolution_and_what_follows(name, shapes, relu, mean):
    x, w, b, window, groups = problem(shapes)
    expected = conv(x, w, b, window, groups)
    expected = np.maximum(expected, 0) if relu else expected
    y, marks = kernels(name).fused_conv(x, w, b, window, groups, relu, mean, True)
    assert_allclose(y, halved(expected) if mean else expected, rtol=0, atol=1e-11)
    if relu:
        active = np.unpackbits(marks, axis=-1, count=w.shape[-1], bitorder="little")
        assert_array_equal(active, expected > 0)
    else:
        assert marks is None


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("marked", [False, True])
def test_marks_are_asked_for_only_where_a_relu_needs_them(relu, mean, marked):
    """A backend may return anything in their place otherwise."""
    x, w, b, window, groups = problem(SHAPES["by places"])
    asked = contracts["fused_conv"].result(x.astype(np.float32), w, b, window, groups, relu, mean, marked)
    shape = (2, 3, 4, 10) if mean else (2, 7, 9, 10)
    assert asked == [(shape, np.float32), ((2, 7, 9, 2), np.uint8) if relu and marked else None]


@each_backend
@each_shape
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("mean", [False, True])
def test_its_gradients_are_those_of_the_steps_backwards(name, shapes, relu, mean):
    x, w, b, window, groups = problem(shapes)
    own, spatial = kernels(name), x.shape[1:-1]
    y, marks = own.fused_conv(x, w, b, window, groups, relu, mean, True)
    cotangent = normal(*y.shape, seed=3)
    shape = (len(x), *window.output, w.shape[-1])
    dy = spread(cotangent, shape) if mean else cotangent
    dy = dy * (conv(x, w, b, window, groups) > 0) if relu else dy
    assert_allclose(own.before_relu(cotangent, marks, window, mean), dy, rtol=0, atol=1e-14)
    dx = own.fused_conv_gradient_to_input(cotangent, marks, w, spatial, window, groups, mean)
    assert_allclose(dx, conv_gradient_to_input(dy, w, spatial, window, groups), rtol=0, atol=1e-11)
    dw = own.fused_conv_gradient_to_filters(dy, x, window, groups)
    assert_allclose(dw, conv_gradient_to_filters(dy, x, window, groups), rtol=0, atol=1e-9)
