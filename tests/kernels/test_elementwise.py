"""What is computed number by number: both backends against the formula, and what they do with what is no number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import kernels_for, use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import elementwise as on_numba
from minicnn.kernels import elementwise as on_numpy
from minicnn.ops.activations import relu_rule
from minicnn.tensor import Tensor

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
each_backend = pytest.mark.parametrize("name", IMPLEMENTATIONS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# The rectifier


@each_implementation
@each_dtype
@given(shape=st.lists(st.integers(1, 5), max_size=4), seed=st.integers(0, 2**32 - 1))
def test_relu_and_its_gradient_element_by_element(implementation, dtype, shape, seed):
    random = np.random.default_rng(seed)
    x = random.integers(-2, 3, shape).astype(dtype)
    dy = np.asarray(random.standard_normal(shape), dtype)
    y = implementation.relu(x)
    dx = implementation.relu_gradient(dy, y)
    assert y.dtype == dx.dtype == dtype and y.shape == dx.shape == x.shape
    for at in np.ndindex(*shape):
        assert y[at] == (x[at] if x[at] > 0 else 0)
        assert dx[at] == (dy[at] if x[at] > 0 else 0)


@each_implementation
@each_dtype
def test_relu_shows_what_is_no_number_and_passes_nothing_back(implementation, dtype):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-40], dtype)
    y = implementation.relu(x)
    assert_array_equal(y, np.array([np.nan, np.inf, 0, 0, 1e-40], dtype))
    assert_array_equal(implementation.relu_gradient(np.ones(5, dtype), y), [0, 1, 0, 0, 1])
    # A cotangent that is no number goes where the input was positive, and nowhere else.
    assert_array_equal(implementation.relu_gradient(np.full(2, np.nan, dtype), np.array([1, 0], dtype)), [np.nan, 0])


@each_implementation
def test_a_mask_serves_as_well_as_the_result(implementation):
    dy, y = normal(4, 5), on_numpy.relu(normal(4, 5, seed=1))
    expected = implementation.relu_gradient(dy, y)
    assert_array_equal(implementation.relu_gradient(dy, y > 0), expected)
    assert_array_equal(implementation.relu_gradient(dy, (y > 0).astype(np.uint8)), expected)


@each_implementation
def test_the_layout_in_memory_does_not_matter(implementation):
    x, dy = normal(6, 4, 5), normal(6, 4, 5, seed=1)
    strange = np.asfortranarray(x)[:, ::-1]
    y = implementation.relu(x)
    assert_array_equal(implementation.relu(strange), y[:, ::-1])
    expected = implementation.relu_gradient(dy, y)
    assert_array_equal(implementation.relu_gradient(np.asfortranarray(dy)[::-1], y[::-1]), expected[::-1])
    constant = np.broadcast_to(2.0, x.shape)  # the cotangent of a sum
    assert_array_equal(implementation.relu_gradient(constant, y), 2.0 * (y > 0))


@each_backend
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_relu_keeps_the_dtype_and_its_input(name, dtype):
    x = np.array([[-1, 0, 2]], dtype)
    with use_backend(name):
        y = ops.relu(x)
    assert y.dtype == dtype and x[0, 0] == -1
    assert_array_equal(y.data, [[0, 0, 2]])


@each_backend
def test_the_rule_by_its_name(name):
    dy, x = normal(3, 4), normal(3, 4, seed=1)
    with use_backend(name):
        assert_array_equal(relu_rule(kernels_for(dy), dy, x), dy * (x > 0))
        assert_array_equal(relu_rule(kernels_for(dy), dy, x > 0), dy * (x > 0))


def test_the_same_bits_for_any_number_of_threads(thread_count, pieces):
    values, results = normal(1 << 19, dtype=np.float32), []
    with use_backend("numba"):
        for count in (1, 2, 4):
            thread_count(count)
            x = Tensor(values, requires_grad=True)
            y = ops.relu(x)
            y.backward(values)
            results.append((y.data, x.grad))
    assert min(pieces) > 4  # otherwise the threads had nothing to share
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert_array_equal(one, another)


# Its marks, one bit an element


@each_implementation
@each_dtype
@pytest.mark.parametrize("channels", [1, 3, 8, 17, 64, 130])
def test_marks_say_where_it_was_active(implementation, dtype, channels):
    y = normal(2, 5, 7, channels, dtype=dtype)
    y[0, 0, 0, 0], y[1, 0, 0, 0] = np.nan, 0
    marks = implementation.relu_marks(y)
    assert marks.dtype == np.uint8 and marks.shape == (2, 5, 7, -(-channels // 8))
    for n, i, j, c in np.ndindex(*y.shape):
        assert marks[n, i, j, c // 8] >> (c % 8) & 1 == (y[n, i, j, c] > 0)
    dy = normal(*y.shape, seed=1, dtype=dtype)
    dx = implementation.marked_gradient(dy, marks)
    assert dx.dtype == dtype
    assert_array_equal(dx, np.where(y > 0, dy, 0))


# Slopes, sums, and the end of a residual block


@each_implementation
@each_dtype
@pytest.mark.parametrize("shape", [(4,), (5, 4), (1, 4), (1,), ()])
def test_sloped_element_by_element(implementation, dtype, shape):
    x, slope = normal(3, 5, 4, dtype=dtype), np.asarray(normal(*shape, seed=1), dtype)
    x[0, 0, 0] = np.nan
    y = implementation.sloped(x, slope)
    assert y.dtype == dtype
    everywhere = np.broadcast_to(slope, x.shape)
    for at in np.ndindex(*x.shape):
        assert_array_equal(y[at], x[at] if x[at] > 0 else x[at] * everywhere[at])


@each_implementation
@each_dtype
@pytest.mark.parametrize("count", [5, 1 << 20], ids=["few", "more than one thread takes"])
def test_sums_are_written_where_they_are_wanted(implementation, dtype, count):
    x, y = normal(count, dtype=dtype), normal(count, seed=1, dtype=dtype)
    expected, out = x + y, np.empty(count, dtype)
    assert_array_equal(implementation.add(x, y, None), expected)
    assert_array_equal(implementation.add(x, y, out), expected)
    assert_array_equal(out, expected)
    for place in (x.copy(), y.copy()):
        others = (place, y) if place[0] == x[0] else (x, place)
        assert_array_equal(implementation.add(*others, place), expected)
        assert_array_equal(place, expected)


@each_dtype
@pytest.mark.parametrize("relu", [False, True])
def test_the_compiled_residual_equals_the_definition(dtype, relu):
    # More than one thread takes, and more than one block of each.
    x, change = normal(3, 41, 43, 17, dtype=dtype), normal(3, 41, 43, 17, seed=1, dtype=dtype)
    expected, y = (kernels.residual(x, change, 0.17, relu) for kernels in (on_numpy, on_numba))
    assert y.dtype == expected.dtype == dtype
    assert_allclose(y, expected, rtol=1e-6 if dtype == np.float32 else 1e-13, atol=1e-7)
    assert relu == (y.min() == 0)


@each_implementation
def test_the_residual_shows_a_nan(implementation):
    x, change = np.array([1.0, np.nan, -3.0, 2.0]), np.array([np.nan, 1.0, 1.0, -1.0])
    assert_array_equal(implementation.residual(x, change, 1.0, True), [np.nan, np.nan, 0, 1])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (np.zeros((2, 1)), {}, r"residual: change is float64 \(2, 1\); expected as x is, float64 \(2, 3\)"),
        (np.zeros((2, 3), np.float32), {}, "change is float32"),
        (np.zeros((2, 3)), {"activation": "tanh"}, "activation is 'tanh'; expected None or \"relu\""),
    ],
)
def test_bad_input_of_the_residual(change, options, message):
    with pytest.raises(InputError, match=message):
        ops.residual(np.zeros((2, 3)), change, **options)
