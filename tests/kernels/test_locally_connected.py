"""Locally connected layers: both backends against loops, and against what Keras defined them to be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import locally_connected as on_numba
from minicnn.kernels.geometry import slide
from minicnn.tensor import Tensor

each_backend = pytest.mark.parametrize("name", ["numpy", "numba"])


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@st.composite
def problems(draw):
    """x, w, b or None, and the stride, in one, two or three dimensions."""
    rank = draw(st.integers(1, 3))
    sizes, strides, outputs, rests = (
        tuple(draw(st.integers(least, most)) for _ in range(rank)) for least, most in ((1, 3), (1, 3), (1, 4), (0, 2))
    )
    axes = zip(sizes, strides, outputs, rests, strict=True)
    spatial = tuple((o - 1) * step + k + min(rest, step - 1) for k, step, o, rest in axes)
    pictures, channels, filters = (draw(st.integers(1, 3)) for _ in range(3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = random.standard_normal((pictures, *spatial, channels))
    w = random.standard_normal((*outputs, *sizes, channels, filters))
    return x, w, random.standard_normal((*outputs, filters)) if draw(st.booleans()) else None, strides


def by_loops(x, w, b, strides, dy):
    """y, and the gradients to x, w and b."""
    rank = len(strides)
    y, dx, dw = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(w)
    for n in range(len(x)):
        for o in np.ndindex(w.shape[:rank]):
            for k in np.ndindex(w.shape[rank:-2]):
                at = (n, *(position * step + tap for position, step, tap in zip(o, strides, k, strict=True)))
                y[n, *o] += x[at] @ w[*o, *k]
                dx[at] += w[*o, *k] @ dy[n, *o]
                dw[*o, *k] += np.outer(x[at], dy[n, *o])
    return [y, dx, dw] if b is None else [y + b, dx, dw, dy.sum(axis=0)]


def all_results(x, w, b, stride, dtype=np.float64):
    tensors = [Tensor(array.astype(dtype), requires_grad=True) for array in (x, w, b) if array is not None]
    y = ops.locally_connected(*tensors, stride=stride)
    y.backward(normal(*y.shape, seed=9).astype(np.float32).astype(dtype))
    return [y.data, *(tensor.grad for tensor in tensors)]


@each_backend
@given(problem=problems())
def test_it_equals_the_loops(name, problem):
    x, w, b, strides = problem
    with use_backend(name):
        found = all_results(x, w, b, strides)
    dy = normal(*found[0].shape, seed=9).astype(np.float32).astype(float)
    for one, expected in zip(found, by_loops(x, w, b, strides, dy), strict=True):
        assert one.shape == expected.shape
        assert_allclose(one, expected, rtol=0, atol=1e-12 * w.shape[0])


def as_keras_defines_it(x, kernel, bias, size, stride):
    """LocallyConnected2D, number by number. bias: (out_rows, out_cols, C_out); kernel: (out_rows · out_cols,
    rows · cols · C_in, C_out), the outputs row by row, and in a window its rows, then its columns, then the channels.
    """
    out_rows, out_cols, filters = bias.shape
    y = np.zeros((len(x), out_rows, out_cols, filters))
    for n, r, c, f in np.ndindex(y.shape):
        taken = []
        for row in range(size[0]):
            for col in range(size[1]):
                for channel in range(x.shape[-1]):
                    taken.append(x[n, r * stride[0] + row, c * stride[1] + col, channel])
        weights = kernel[r * out_cols + c, :, f]
        y[n, r, c, f] = sum(a * w for a, w in zip(taken, weights, strict=True)) + bias[r, c, f]
    return y


@each_backend
def test_a_kernel_of_keras_is_reshaped_and_nothing_else(name):
    size, stride, output = (3, 2), (2, 1), (3, 4)
    x, kernel, bias = normal(2, 7, 5, 2), normal(12, 12, 3, seed=1), normal(3, 4, 3, seed=2)
    with use_backend(name):
        y = ops.locally_connected(x, kernel.reshape(*output, *size, 2, 3), bias, stride=stride)
    assert_allclose(y.data, as_keras_defines_it(x, kernel, bias, size, stride), rtol=0, atol=1e-12)


@each_backend
def test_with_the_same_filters_everywhere_it_is_a_convolution(name):
    x, filters, b = normal(2, 9, 8, 3), normal(3, 2, 3, 4, seed=1), normal(4, seed=2)
    with use_backend(name):
        shared = ops.conv(x, filters, b, stride=(2, 3))
        output = shared.shape[1:3]
        w = np.broadcast_to(filters, (*output, *filters.shape))
        y = ops.locally_connected(x, w, np.broadcast_to(b, (*output, 4)), stride=(2, 3))
    assert_allclose(y.data, shared.data, rtol=0, atol=1e-12)


@pytest.mark.parametrize("block_bytes", [1, 5000, 1 << 30])
@pytest.mark.parametrize("pictures", [1, 3])
def test_however_many_rows_are_taken_together_the_result_is_the_same(block_bytes, pictures, monkeypatch):
    x, w, b = normal(pictures, 40, 7, 2), normal(19, 3, 3, 3, 2, 4, seed=1), normal(19, 3, 4, seed=2)
    with use_backend("numpy"):
        expected = all_results(x, w, b, 2)
    monkeypatch.setattr(on_numba, "BLOCK_BYTES", block_bytes)
    with use_backend("numba"):
        found = all_results(x, w, b, 2)
    for one, defined in zip(found, expected, strict=True):
        assert_allclose(one, defined, rtol=0, atol=1e-12)


def test_what_lies_under_a_few_rows_is_copied_at_a_time():
    """As much as stays in a cache; the definition copies everything at once, which can be more than the weights."""
    x = normal(4, 30, 20, 8, dtype=np.float32)
    window = slide("locally_connected", (30, 20), 5)
    blocks = list(on_numba._blocks(3, 20, x, window))
    assert [row for rows, _, _ in blocks for row in range(rows.start, rows.stop)] == list(range(3, 20))
    for rows, seen, part in blocks:
        assert (seen.start, seen.stop) == (rows.start, rows.stop + 4)
        copied = len(x) * part.output[0] * part.output[1] * part.taps * 8 * x.itemsize
        assert copied <= max(on_numba.BLOCK_BYTES, copied // part.output[0])


@each_backend
def test_the_layout_in_memory_does_not_matter(name):
    x, w, b = normal(2, 7, 6, 2), normal(3, 3, 3, 2, 2, 4, seed=1), normal(3, 3, 4, seed=2)
    with use_backend(name):
        straight = all_results(x, w, b, 2)
        strange = all_results(*(np.asfortranarray(a)[::-1][::-1] for a in (x, w, b)), 2)
    for one, other in zip(straight, strange, strict=True):
        assert_allclose(other, one, rtol=0, atol=1e-13)


@each_backend
def test_float32_is_within_two_millionths_of_float64(name):
    x, w, b = (normal(*s, dtype=np.float32) for s in ((2, 20, 20, 8), (12, 12, 9, 9, 8, 4), (12, 12, 4)))
    with use_backend(name):
        found, exact = all_results(x, w, b, 1, np.float32), all_results(x, w, b, 1)
    for single, double in zip(found, exact, strict=True):
        assert single.dtype == np.float32
        assert np.abs(single - double).max() <= 2e-6 * np.abs(double).max()


@each_backend
def test_inputs_are_left_as_they_were(name):
    arrays = normal(2, 6, 5, 2), normal(5, 4, 2, 2, 2, 3, seed=1), normal(5, 4, 3, seed=2)
    copies = [array.copy() for array in arrays]
    with use_backend(name):
        all_results(*arrays, 1)
    for array, copy in zip(arrays, copies, strict=True):
        assert_array_equal(array, copy)


def test_the_same_bits_for_any_number_of_threads(thread_count, pieces):
    x, w, b = normal(2, 30, 12, 4), normal(28, 10, 3, 3, 4, 5, seed=1), normal(28, 10, 5, seed=2)
    results = []
    with use_backend("numba"):
        for count in (1, 2, 4):
            thread_count(count)
            results.append(all_results(x, w, b, 1, np.float32))
    assert min(pieces) > 4  # otherwise the threads had nothing to share
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert_array_equal(one, another)


X, W = np.ones((1, 6, 5, 2)), np.ones((4, 3, 3, 3, 2, 4))


@each_backend
@pytest.mark.parametrize(
    ("x", "w", "b", "stride", "message"),
    [
        (np.ones((6, 5)), W, None, 1, "x has 2 dimensions; expected 3, 4 or 5: (N, *spatial, C)"),
        (X.astype(int), W, None, 1, "x has dtype int64; expected a floating-point array"),
        (X, W > 0, None, 1, "w has dtype bool; expected a floating-point array"),
        (X[:0], W, None, 1, "an array is empty; expected every dimension to be at least 1"),
        (X, W[0], None, 1, "w has 5 dimensions; expected 6: (*output, *kernel, C_in, C_out) (x (1, 6, 5, 2), w (3, 3,"),
        (X[..., :1], W, None, 1, "x has 1 channels, w expects 2"),
        (X, W[:, :2], None, 1, "w has filters for (4, 2) positions; a window (3, 3) with stride (1, 1) has (4, 3)"),
        (X, W, None, 2, "w has filters for (4, 3) positions; a window (3, 3) with stride (2, 2) has (2, 2) positions"),
        (X, W, None, 0, "stride is 0; expected an int of at least 1"),
        (X[:, :2], W, None, 1, "the window spans 3 along dimension 0, more than the padded input 2"),
        (X, W, np.ones(4), 1, "b has shape (4,); expected (4, 3, 4), one a position and filter"),
        (X, W, 1.0, 1, "b has shape (); expected (4, 3, 4)"),
    ],
)
def test_bad_input_is_named_in_one_line(name, x, w, b, stride, message):
    with use_backend(name), pytest.raises(InputError) as caught:
        ops.locally_connected(x, w, b, stride=stride)
    assert str(caught.value).startswith(f"locally_connected: {message}")
    assert "\n" not in str(caught.value)
