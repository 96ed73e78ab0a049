"""Pooling: both backends against loops, on every kind of window that Hypothesis can think of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import buffers
from minicnn.fast.cpu import pool as on_numba
from minicnn.kernels import pool as on_numpy
from minicnn.kernels.geometry import slide
from minicnn.tensor import Tensor

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
each_backend = pytest.mark.parametrize("name", IMPLEMENTATIONS)
each_pool = pytest.mark.parametrize("pool", [ops.max_pool, ops.avg_pool, ops.l2_pool])


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@st.composite
def problems(draw):
    """A window with less padding than it spans, and an input: normal numbers, or a few integers, which tie."""
    rank = draw(st.integers(1, 3))
    axes = []
    for _ in range(rank):
        size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        before, after = draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))
        least = max(1, size - before - after)
        length = draw(st.integers(least, least + (8, 4, 2)[rank - 1]))
        axes.append((length, size, stride, (before, after)))
    spatial, sizes, strides, pads = zip(*axes, strict=True)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 2)), *spatial, draw(st.integers(1, 3))
    x = random.integers(-1, 2, shape).astype(float) if draw(st.booleans()) else random.standard_normal(shape)
    return x, slide("max_pool", spatial, sizes, stride=strides, padding=pads)


@st.composite
def problems_side_by_side(draw):
    """A window without padding that never overlaps itself; it may leave gaps, and a rest at the end."""
    rank = draw(st.integers(1, 3))
    sizes, gaps, counts, rests = (
        tuple(draw(st.integers(least, most)) for _ in range(rank)) for least, most in ((1, 3), (0, 1), (1, 3), (0, 2))
    )
    strides = tuple(k + gap for k, gap in zip(sizes, gaps, strict=True))
    axes = zip(sizes, strides, counts, rests, strict=True)
    spatial = tuple((count - 1) * stride + k + min(rest, stride - 1) for k, stride, count, rest in axes)
    shape = draw(st.integers(1, 2)), *spatial, draw(st.integers(1, 3))
    x = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(-2, 3, shape).astype(float)
    return x, slide("max_pool", spatial, sizes, stride=strides)


def taps_inside(window, spatial):
    """For each output position: the (number, input position) of the taps that do not lie in the padding, in order."""
    for o in np.ndindex(*window.output):
        seen = []
        for number, k in enumerate(np.ndindex(*window.size)):
            at = tuple(o[i] * window.stride[i] + k[i] - window.before[i] for i in range(len(o)))
            if all(0 <= a < n for a, n in zip(at, spatial, strict=True)):
                seen.append((number, at))
        yield o, seen


def max_by_loops(x, window, dy):
    """y, which tap won, and the gradient to x."""
    y = np.zeros((x.shape[0], *window.output, x.shape[-1]))
    switches, dx = np.zeros(y.shape, int), np.zeros_like(x)
    for o, seen in taps_inside(window, x.shape[1:-1]):
        for n in range(x.shape[0]):
            for c in range(x.shape[-1]):
                values = [x[(n, *at, c)] for _, at in seen]
                first = values.index(max(values))
                y[(n, *o, c)], switches[(n, *o, c)] = values[first], seen[first][0]
                dx[(n, *seen[first][1], c)] += dy[(n, *o, c)]
    return y, switches, dx


def average_by_loops(x, window, count_padding, dy):
    """y and the gradient to x."""
    y, dx = np.zeros((x.shape[0], *window.output, x.shape[-1])), np.zeros_like(x)
    for o, seen in taps_inside(window, x.shape[1:-1]):
        share = 1 / (window.taps if count_padding else len(seen))
        for _, at in seen:
            y[:, *o] += share * x[:, *at]
            dx[:, *at] += share * dy[:, *o]
    return y, dx


# Against the loops


@each_implementation
@settings(max_examples=100)
@given(problem=problems() | problems_side_by_side())
def test_max_pooling_equals_the_loops(implementation, problem):
    x, window = problem
    dy = normal(x.shape[0], *window.output, x.shape[-1])
    y, switches, dx = max_by_loops(x, window, dy)
    y_found, switches_found = implementation.max_pool(x, window)
    assert_array_equal(y_found, y)
    assert_array_equal(switches_found, switches)
    dx_found = implementation.max_pool_gradient(dy, switches_found, x.shape[1:-1], window)
    assert dx_found.shape == dx.shape
    assert_allclose(dx_found, dx, rtol=0, atol=1e-12 * window.taps)


@each_implementation
@settings(max_examples=100)
@given(problem=problems() | problems_side_by_side(), count_padding=st.booleans())
def test_average_pooling_equals_the_loops(implementation, problem, count_padding):
    x, window = problem
    dy = normal(x.shape[0], *window.output, x.shape[-1])
    y, dx = average_by_loops(x, window, count_padding, dy)
    assert_allclose(implementation.avg_pool(x, window, count_padding), y, rtol=0, atol=1e-12)
    dx_found = implementation.avg_pool_gradient(dy, x.shape[1:-1], window, count_padding)
    assert dx_found.shape == dx.shape
    assert_allclose(dx_found, dx, rtol=0, atol=1e-12 * window.taps)


@each_implementation
@given(problem=problems())
def test_the_layout_in_memory_does_not_matter(implementation, problem):
    x, window = problem
    spatial, dy = x.shape[1:-1], normal(x.shape[0], *window.output, x.shape[-1])

    def strange(array):
        return np.repeat(array, 2, axis=-1)[::-1][::-1][..., ::2]

    y, switches = implementation.max_pool(x, window)
    assert_array_equal(implementation.max_pool(strange(x), window)[0], y)
    dx = implementation.max_pool_gradient(dy, switches, spatial, window)
    assert_array_equal(implementation.max_pool_gradient(strange(dy), switches, spatial, window), dx)
    y = implementation.avg_pool(x, window, False)
    assert_array_equal(implementation.avg_pool(strange(x), window, False), y)
    dx = implementation.avg_pool_gradient(dy, spatial, window, False)
    assert_array_equal(implementation.avg_pool_gradient(strange(dy), spatial, window, False), dx)


# Which element wins


def pooled(x, size, **options):
    """The result, and the gradient for a cotangent of ones."""
    x = Tensor(x, requires_grad=True)
    y = ops.max_pool(x, size, **options)
    y.backward(np.ones(y.shape, y.dtype))
    return y.data.ravel(), x.grad.ravel()


@each_backend
def test_the_first_of_equals_wins_and_takes_the_whole_gradient(name):
    with use_backend(name):
        y, dx = pooled(np.float64([1, 1, 1, 2, 5, 5]).reshape(1, 6, 1), 3)
        assert_array_equal(y, [1, 5])
        assert_array_equal(dx, [1, 0, 0, 0, 1, 0])
        _, dx = pooled(np.zeros((1, 4, 4, 1)), 2)
        assert_array_equal(dx.reshape(4, 4), np.tile([[1, 0], [0, 0]], (2, 2)))


@each_backend
def test_not_a_number_is_shown_and_the_first_takes_the_gradient(name):
    nan = np.nan
    with use_backend(name):
        y, dx = pooled(np.float64([9, nan, 1, nan, nan, 9, 1, 2, 3]).reshape(1, 9, 1), 3)
    assert_array_equal(y, [nan, nan, 3])
    assert_array_equal(dx, [0, 1, 0, 1, 0, 0, 0, 0, 1])


@each_backend
def test_minus_infinity_wins_over_padding(name):
    with use_backend(name):
        y, dx = pooled(np.full((1, 2, 3, 1), -np.inf), 2, stride=1, padding=1)
    assert_array_equal(y, np.full(12, -np.inf))
    # Each of the twelve windows hands its gradient to the first pixel that it sees, and none of it is lost.
    assert_array_equal(dx.reshape(2, 3), [[4, 2, 2], [2, 1, 1]])


@each_backend
def test_padding_never_wins(name):
    with use_backend(name):
        y, dx = pooled(np.float64([-3, -1, -2]).reshape(1, 3, 1), 2, stride=1, padding=1)
    assert_array_equal(y, [-3, -1, -1, -2])
    assert_array_equal(dx, [1, 2, 1])


@pytest.mark.parametrize(("spatial", "size"), [((6, 8), 2), ((7, 9), 2), ((9, 7), 3)])
def test_windows_side_by_side_write_every_pixel(spatial, size):
    """Their memory is used again, so a pixel left out would show what was there before."""
    window = slide("max_pool", spatial, size, stride=size)
    shape = 2, *spatial, 8192  # large enough for a buffer
    dy = np.ones((2, *window.output, 8192), np.float32)
    switches = np.zeros(dy.shape, np.uint8)
    for gradient, expected in (
        (lambda: on_numba.max_pool_gradient(dy, switches, spatial, window), 1),
        (lambda: on_numba.avg_pool_gradient(dy, spatial, window, False), 1 / size**2),
    ):
        spoilt = buffers.empty(shape, np.float32)
        spoilt.fill(np.nan)
        del spoilt
        dx = gradient()
        assert_allclose(dx.sum(), dy.sum(), rtol=1e-5)
        assert_allclose(np.unique(dx), np.unique([0, expected] if (dx == 0).any() else [expected]), rtol=1e-6)


@each_implementation
@pytest.mark.parametrize(("taps", "dtype"), [(256, np.uint8), (257, np.uint16)])
def test_switches_are_stored_in_the_smallest_integers(implementation, taps, dtype):
    window = slide("max_pool", (taps,), taps)
    x = np.zeros((1, taps, 2))
    x[0, -1, 0] = 1  # the last tap wins in one channel, the first in the other
    _, switches = implementation.max_pool(x, window)
    assert switches.dtype == dtype
    assert_array_equal(switches.ravel(), [taps - 1, 0])
    dx = implementation.max_pool_gradient(np.ones((1, 1, 2)), switches, (taps,), window)
    assert dx[0, -1, 0] == dx[0, 0, 1] == 1 and dx.sum() == 2


# The ops


@each_backend
def test_the_stride_is_the_size_when_left_out(name):
    x = normal(1, 6, 9, 2)
    with use_backend(name):
        for pool in (ops.max_pool, ops.avg_pool, ops.l2_pool):
            assert pool(x, (2, 3)).shape == (1, 3, 3, 2)
            assert_array_equal(pool(x, (2, 3)).data, pool(x, (2, 3), stride=(2, 3)).data)
            assert pool(x, 2, stride=1, padding="same").shape == (1, 6, 9, 2)


@each_backend
def test_the_mean_counts_padding_only_when_asked(name):
    x = np.float64([2, 4, 6]).reshape(1, 3, 1)
    with use_backend(name):
        assert_allclose(ops.avg_pool(x, 2, padding=1).data.ravel(), [2, 5])
        assert_allclose(ops.avg_pool(x, 2, padding=1, count_include_pad=True).data.ravel(), [1, 5])


def root_of_squares_by_loops(x, window, dy):
    """y and the gradient to x, which is zero where y is."""
    y, dx = np.zeros((x.shape[0], *window.output, x.shape[-1])), np.zeros_like(x)
    for o, seen in taps_inside(window, x.shape[1:-1]):
        for n in range(x.shape[0]):
            for c in range(x.shape[-1]):
                y[(n, *o, c)] = sum(x[(n, *at, c)] ** 2 for _, at in seen) ** 0.5
                for _, at in seen:
                    if x[(n, *at, c)]:
                        dx[(n, *at, c)] += dy[(n, *o, c)] * x[(n, *at, c)] / y[(n, *o, c)]
    return y, dx


@each_backend
@given(problem=problems() | problems_side_by_side())  # whose few integers fill whole windows with zeros
def test_l2_pooling_equals_the_loops(name, problem):
    array, window = problem
    padding = tuple(zip(window.before, window.after, strict=True))
    dy = normal(array.shape[0], *window.output, array.shape[-1])
    x = Tensor(array, requires_grad=True)
    with use_backend(name):
        y = ops.l2_pool(x, window.size, stride=window.stride, padding=padding)
        y.backward(dy)
    for found, expected in zip((y.data, x.grad), root_of_squares_by_loops(array, window, dy), strict=True):
        assert_allclose(found, expected, rtol=0, atol=1e-12 * window.taps)


@each_backend
def test_l2_pooling_gives_no_gradient_to_zeros_and_shows_what_is_no_number(name):
    x = Tensor(np.array([0, 0, 3, -4, np.nan, 0], np.float32).reshape(1, 6, 1), requires_grad=True)
    with use_backend(name):
        y = ops.l2_pool(x, 2)
        y.backward(np.ones((1, 3, 1)))
    assert_allclose(y.data.ravel(), [0, 5, np.nan], rtol=1e-6)
    assert_allclose(x.grad.ravel(), [0, 0, 0.6, -0.8, np.nan, np.nan], rtol=1e-6)


@each_backend
@each_pool
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_is_kept_and_inputs_are_left_as_they_were(name, pool, dtype):
    array = normal(2, 5, 4, 3, dtype=dtype)
    x = Tensor(array.copy(), requires_grad=True)
    with use_backend(name):
        y = pool(x, 3, stride=2, padding=1)
        y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    assert_array_equal(x.data, array)


def all_results(x, pool, dtype, size, **options):
    x = Tensor(x.astype(dtype), requires_grad=True)
    y = pool(x, size, **options)
    y.backward(normal(*y.shape, seed=9).astype(np.float32).astype(dtype))
    return y.data, x.grad


@each_backend
@each_pool
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 32, 32, 64), {"size": 2}),
        ((2, 33, 31, 16), {"size": 3, "stride": 2, "padding": 1}),
        ((1, 9, 10, 11, 8), {"size": 3, "stride": 1, "padding": "same"}),
        ((1, 500, 8), {"size": 50, "stride": 3}),
    ],
)
def test_float32_is_within_two_millionths_of_float64(name, pool, shape, options):
    x = normal(*shape, dtype=np.float32)
    with use_backend(name):
        for single, double in zip(
            all_results(x, pool, np.float32, **options), all_results(x, pool, np.float64, **options), strict=True
        ):
            assert single.dtype == np.float32
            assert np.abs(single - double).max() <= 2e-6 * np.abs(double).max()


@pytest.mark.parametrize("options", [{"size": 3, "stride": 1, "padding": 1}, {"size": 2}], ids=["overlapping", "2x2"])
@each_pool
def test_the_same_bits_for_any_number_of_threads(pool, options, thread_count, pieces):
    x, results = normal(2, 60, 61, 8, dtype=np.float32), []
    with use_backend("numba"):
        for count in (1, 2, 4):
            thread_count(count)
            results.append(all_results(x, pool, np.float32, **options))
    assert min(pieces) > 4  # otherwise the threads had nothing to share
    for y, dx in results[1:]:
        assert_array_equal(y, results[0][0])
        assert_array_equal(dx, results[0][1])


# Bad input


X = np.ones((1, 8, 8, 4))


@each_backend
@each_pool
@pytest.mark.parametrize(
    ("x", "size", "options", "message"),
    [
        (np.ones((8, 8)), 2, {}, "x has shape (8, 8); expected 3, 4 or 5 dimensions: (N, *spatial, C)"),
        (np.ones((1,) * 6), 1, {}, "x has shape (1, 1, 1, 1, 1, 1); expected 3, 4 or 5"),
        (3.0, 1, {}, "x has shape (); expected 3, 4 or 5"),
        (X[:0], 2, {}, "x is empty, with shape (0, 8, 8, 4)"),
        (X[..., :0], 2, {}, "x is empty, with shape (1, 8, 8, 0)"),
        (X.astype(int), 2, {}, "x has dtype int64; expected a floating-point array"),
        (X > 0, 2, {}, "x has dtype bool; expected"),
        ([[[1], [2]]], 2, {}, "x has dtype int64; expected"),
        ([[1.0], [1.0, 2.0]], 2, {}, "a list is ragged"),
        (None, 2, {}, "x has dtype object; expected"),
        ("picture.png", 2, {}, "x has dtype <U11; expected"),
        (X, 9, {}, "the window spans 9 along dimension 0, more than the padded input 8"),
        (X, 0, {}, "size is 0; expected an int of at least 1, or 2 of them"),
        (X, (2, 2, 2), {}, "size is (2, 2, 2); expected"),
        (X, None, {}, "size is None; expected"),
        (X, 2, {"stride": 0}, "stride is 0; expected"),
        (X, 2, {"stride": 0.5}, "stride is 0.5; expected"),
        (X, 2, {"padding": -1}, "padding is -1; expected"),
        (X, 2, {"padding": "full"}, "padding is 'full'; expected"),
        (X, 2, {"padding": 2}, "padding is 2; expected less than the window (2, 2)"),
        (X, 3, {"padding": ((0, 3), 1)}, "padding is ((0, 3), 1); expected less than the window (3, 3)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_named_in_one_line(name, pool, x, size, options, message):
    with use_backend(name), pytest.raises(InputError) as caught:
        pool(x, size, **options)
    assert str(caught.value).startswith(f"{pool.__name__}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lists_of_floats_are_taken_as_arrays():
    assert_array_equal(ops.max_pool([[[1.0], [3.0], [2.0]]], 3).data, [[[3]]])
