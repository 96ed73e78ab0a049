"""The rectifier: both backends, element by element, and what they do with what is no number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from minicnn import backend, ops
from minicnn.backend import use_backend
from minicnn.fast.cpu import rectify as on_numba
from minicnn.kernels.rectify import on_numpy
from minicnn.ops.activations import relu_rule
from minicnn.tensor import Tensor

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
each_backend = pytest.mark.parametrize("name", IMPLEMENTATIONS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@each_implementation
@each_dtype
@given(shape=st.lists(st.integers(1, 5), max_size=4), seed=st.integers(0, 2**32 - 1))
def test_forward_and_gradient_element_by_element(implementation, dtype, shape, seed):
    random = np.random.default_rng(seed)
    x = random.integers(-2, 3, shape).astype(dtype)
    dy = np.asarray(random.standard_normal(shape), dtype)
    y = implementation.forward(x)
    dx = implementation.gradient(dy, y)
    assert y.dtype == dx.dtype == dtype and y.shape == dx.shape == x.shape
    for at in np.ndindex(*shape):
        assert y[at] == (x[at] if x[at] > 0 else 0)
        assert dx[at] == (dy[at] if x[at] > 0 else 0)


@each_implementation
@each_dtype
def test_what_is_no_number_is_shown_and_passes_nothing_back(implementation, dtype):
    x = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-40], dtype)
    y = implementation.forward(x)
    assert_array_equal(y, np.array([np.nan, np.inf, 0, 0, 1e-40], dtype))
    assert_array_equal(implementation.gradient(np.ones(5, dtype), y), [0, 1, 0, 0, 1])
    # A cotangent that is no number goes where the input was positive, and nowhere else.
    assert_array_equal(implementation.gradient(np.full(2, np.nan, dtype), np.array([1, 0], dtype)), [np.nan, 0])


@each_implementation
def test_a_mask_serves_as_well_as_the_result(implementation):
    dy, y = normal(4, 5), on_numpy.forward(normal(4, 5, seed=1))
    expected = implementation.gradient(dy, y)
    assert_array_equal(implementation.gradient(dy, y > 0), expected)
    assert_array_equal(implementation.gradient(dy, (y > 0).astype(np.uint8)), expected)


@each_implementation
def test_the_layout_in_memory_does_not_matter(implementation):
    x, dy = normal(6, 4, 5), normal(6, 4, 5, seed=1)
    strange = np.asfortranarray(x)[:, ::-1]
    y = implementation.forward(x)
    assert_array_equal(implementation.forward(strange), y[:, ::-1])
    expected = implementation.gradient(dy, y)
    assert_array_equal(implementation.gradient(np.asfortranarray(dy)[::-1], y[::-1]), expected[::-1])
    constant = np.broadcast_to(2.0, x.shape)  # the cotangent of a sum
    assert_array_equal(implementation.gradient(constant, y), 2.0 * (y > 0))


@each_backend
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_the_op_keeps_the_dtype_and_its_input(name, dtype):
    x = np.array([[-1, 0, 2]], dtype)
    with use_backend(name):
        y = ops.relu(x)
    assert y.dtype == dtype and x[0, 0] == -1
    assert_array_equal(y.data, [[0, 0, 2]])


@each_backend
def test_the_rule_by_its_name(name):
    dy, x = normal(3, 4), normal(3, 4, seed=1)
    with use_backend(name):
        assert_array_equal(relu_rule(dy, x), dy * (x > 0))
        assert_array_equal(relu_rule(dy, x > 0), dy * (x > 0))


def test_the_same_bits_for_any_number_of_threads(monkeypatch):
    most_pieces, parallel, before = [], backend.parallel, backend.threads()
    monkeypatch.setattr(backend, "parallel", lambda *a: (most_pieces.append(len(a[1])), parallel(*a)))
    values, results = normal(1 << 19, dtype=np.float32), []
    try:
        with use_backend("numba"):
            for count in (1, 2, 4):
                backend.set_threads(count)
                x = Tensor(values, requires_grad=True)
                y = ops.relu(x)
                y.backward(values)
                results.append((y.data, x.grad))
    finally:
        backend.set_threads(before)
    assert min(most_pieces) > 4  # otherwise the threads had nothing to share
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert_array_equal(one, another)
