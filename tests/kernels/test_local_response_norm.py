"""Local response normalization: both backends against loops over channels, written from ONNX's definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.tensor import Tensor

each_backend = pytest.mark.parametrize("name", ["numpy", "numba"])
RULE = {"size": 5, "alpha": 0.3, "beta": 0.75, "k": 1.5}


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def result_and_gradient(array, dy, **rule):
    x = Tensor(array, requires_grad=True)
    y = ops.local_response_norm(x, **rule)
    y.backward(dy)
    return y.data, x.grad


def by_loops(x, dy, size, alpha, beta, k):
    """y and the gradient to x, for x (P, C): what each y[c] says about every x[j] in its window, added up."""
    y, dx, channels = np.zeros_like(x), np.zeros_like(x), x.shape[1]
    for p in range(len(x)):
        for c in range(channels):
            window = range(max(0, c - math.floor((size - 1) / 2)), min(channels, c + math.ceil((size - 1) / 2) + 1))
            s = k + alpha / size * sum(x[p, j] ** 2 for j in window)
            y[p, c] = x[p, c] / s**beta
            dx[p, c] += dy[p, c] / s**beta
            for j in window:
                dx[p, j] -= dy[p, c] * x[p, c] * beta * s ** (-beta - 1) * 2 * alpha / size * x[p, j]
    return y, dx


@each_backend
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9)),
    size=st.integers(1, 12),
    alpha=st.floats(0, 2),
    beta=st.sampled_from([0.75, 0.5, 1.0, 0.3, 0.0]),
    k=st.floats(0.5, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_equals_the_loops(name, shape, size, alpha, beta, k, seed):
    x, dy = np.random.default_rng(seed).standard_normal((2, *shape))
    rule = {"size": size, "alpha": alpha, "beta": beta, "k": k}
    with use_backend(name):
        found = result_and_gradient(x, dy, **rule)
    for one, expected in zip(found, by_loops(x, dy, **rule), strict=True):
        assert_allclose(one, expected, rtol=0, atol=1e-12)


@each_backend
def test_the_formula_of_tensorflow_with_a_radius_is_a_window_of_twice_as_much_and_one(name):
    """tf.nn.lrn: sqr_sum[c] = sum of x² from c − radius to c + radius; x / (bias + alpha · sqr_sum)^beta."""
    radius, bias, alpha, beta = 5, 1.0, 1e-1, 0.75
    x = normal(2, 3, 4, 20)
    expected = np.empty_like(x)
    for c in range(20):
        sqr_sum = np.sum(x[..., max(0, c - radius) : c + radius + 1] ** 2, axis=-1)
        expected[..., c] = x[..., c] / (bias + alpha * sqr_sum) ** beta
    size = 2 * radius + 1
    with use_backend(name):
        y = ops.local_response_norm(x, size=size, alpha=alpha * size, beta=beta, k=bias)
    assert_allclose(y.data, expected, rtol=1e-12)


@each_backend
def test_every_axis_but_the_last_is_a_position(name):
    x, dy = normal(2, 3, 4, 5, 6), normal(2, 3, 4, 5, 6, seed=1)
    with use_backend(name):
        whole = result_and_gradient(x, dy, **RULE)
        rows = result_and_gradient(x.reshape(-1, 6), dy.reshape(-1, 6), **RULE)
        turned = result_and_gradient(np.moveaxis(x, 0, 1), np.moveaxis(dy, 0, 1), **RULE)  # not contiguous
    for one, flat, other in zip(whole, rows, turned, strict=True):
        assert one.shape == x.shape
        assert_array_equal(one.reshape(-1, 6), flat)
        assert_array_equal(np.moveaxis(other, 1, 0), one)


@each_backend
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_is_kept_whatever_numbers_are_given(name, dtype):
    rule = {"size": np.int64(5), "alpha": np.float64(0.3), "beta": np.float64(0.75), "k": np.float64(1.5)}
    with use_backend(name):
        y, dx = result_and_gradient(normal(3, 8, dtype=dtype), np.ones((3, 8)), **rule)
    assert y.dtype == dx.dtype == dtype


@each_backend
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_float32_is_within_two_millionths_of_float64(name, beta):
    x, dy = 10 * normal(300, 192, dtype=np.float32), normal(300, 192, seed=1, dtype=np.float32)
    x[:, 40] *= 1e4  # one loud channel: a running sum would carry its rounding on to all behind it
    rule = {"size": 11, "alpha": 1e-2, "beta": beta, "k": 1.0}
    with use_backend(name):
        found = result_and_gradient(x, dy, **rule)
        exact = result_and_gradient(x.astype(np.float64), dy.astype(np.float64), **rule)
    for single, double in zip(found, exact, strict=True):
        far = np.abs(single - double) <= 2e-6 * np.abs(double).max(axis=0)  # channel by channel
        assert single.dtype == np.float32 and far.all()


@each_backend
def test_not_a_number_is_shown_where_it_is_in_the_window(name):
    x = np.ones((1, 9))
    x[0, 4] = np.nan
    with use_backend(name):
        y = ops.local_response_norm(x, **{**RULE, "size": 3})
    assert_array_equal(np.isnan(y.data[0]), [0, 0, 0, 1, 1, 1, 0, 0, 0])


def test_the_same_bits_for_any_number_of_threads(thread_count, pieces):
    x, dy, results = normal(900, 16, dtype=np.float32), normal(900, 16, seed=1, dtype=np.float32), []
    with use_backend("numba"):
        for count in (1, 2, 4):
            thread_count(count)
            results.append(result_and_gradient(x, dy, **RULE))
    assert min(pieces) > 4  # otherwise the threads had nothing to share
    for y, dx in results[1:]:
        assert_array_equal(y, results[0][0])
        assert_array_equal(dx, results[0][1])


@each_backend
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": 2.0}, "x has shape () and dtype float64; expected floats (…, C), not empty"),
        ({"x": np.ones((0, 3))}, "x has shape (0, 3) and dtype float64; expected floats (…, C), not empty"),
        ({"x": np.ones((2, 3), int)}, "x has shape (2, 3) and dtype int64; expected floats"),
        ({"x": None}, "x has shape () and dtype object; expected floats"),
        ({"size": 0}, "size is 0; expected an int of at least 1"),
        ({"size": 2.0}, "size is 2.0; expected an int"),
        ({"size": True}, "size is True; expected an int"),
        ({"alpha": "1"}, "alpha is '1'; expected a number"),
        ({"alpha": -1.0}, "alpha is -1.0, k 1.5; expected alpha ≥ 0 and k > 0"),
        ({"beta": math.nan}, "beta is nan; expected a number"),
        ({"beta": None}, "beta is None; expected a number"),
        ({"k": 0}, "alpha is 0.3, k 0; expected alpha ≥ 0 and k > 0"),
        ({"k": math.inf}, "k is inf; expected a number"),
    ],
)
def test_bad_input_is_named_in_one_line(name, changed, message):
    arguments = {"x": np.ones((2, 3)), **RULE, **changed}
    with use_backend(name), pytest.raises(InputError) as caught:
        ops.local_response_norm(arguments.pop("x"), **arguments)
    assert str(caught.value).startswith(f"local_response_norm: {message}")
    assert "\n" not in str(caught.value)
