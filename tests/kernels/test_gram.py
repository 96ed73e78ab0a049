"""The Gram matrix: both backends against its sum written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import gram as on_numba
from minicnn.kernels import gram as on_numpy
from minicnn.tensor import Tensor

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
each_backend = pytest.mark.parametrize("name", IMPLEMENTATIONS)


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@each_implementation
@given(n=st.integers(1, 3), positions=st.integers(1, 12), channels=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_forward_and_gradient_equal_the_sums(implementation, n, positions, channels, seed):
    random = np.random.default_rng(seed)
    features = random.standard_normal((n, positions, channels))
    dgram = random.standard_normal((n, channels, channels))
    gram, dfeatures = np.zeros(dgram.shape), np.zeros(features.shape)
    for i in range(channels):
        for j in range(channels):
            gram[:, i, j] = (features[:, :, i] * features[:, :, j]).sum(axis=1)
            dfeatures[:, :, i] += dgram[:, i, j, None] * features[:, :, j]
            dfeatures[:, :, j] += dgram[:, i, j, None] * features[:, :, i]
    assert_allclose(implementation.gram(features), gram, rtol=0, atol=1e-12)
    assert_allclose(implementation.gram_gradient(dgram, features, None), dfeatures, rtol=0, atol=1e-12)


@each_implementation
@pytest.mark.parametrize(("positions", "channels"), [(5, 3), (5, 16), (12, 16), (600, 32), (613, 64), (700, 20)])
def test_the_gradient_can_be_added_to_what_is_there(implementation, positions, channels):
    features, dgram = normal(2, positions, channels), normal(2, channels, channels, seed=1)
    before = normal(2, positions, channels, seed=2)
    total = before.copy()
    assert implementation.gram_gradient(dgram, features, total) is total
    assert_allclose(total, before + on_numpy.gram_gradient(dgram, features, None), atol=1e-10)
    assert_allclose(
        implementation.gram_gradient(dgram, features, None), on_numpy.gram_gradient(dgram, features, None), atol=1e-10
    )


@each_implementation
def test_the_layout_in_memory_does_not_matter(implementation):
    features, dgram = normal(2, 9, 4), normal(2, 4, 4, seed=1)
    strange = np.asfortranarray(features)[:, ::-1][:, ::-1]
    assert_allclose(implementation.gram(strange), implementation.gram(features), atol=1e-13)
    expected = implementation.gram_gradient(dgram, features, None)
    assert_allclose(implementation.gram_gradient(np.asfortranarray(dgram), strange, None), expected, atol=1e-13)


@each_backend
@pytest.mark.parametrize("shape", [(2, 7, 3), (2, 4, 5, 3), (1, 2, 3, 4, 3)])
def test_the_op_sums_over_all_positions_and_divides_by_nothing(name, shape):
    features = normal(*shape)
    with use_backend(name):
        gram = ops.gram_matrix(features)
    rows = features.reshape(shape[0], -1, 3)
    assert_allclose(gram.data, np.einsum("npi,npj->nij", rows, rows), atol=1e-12)
    assert_array_equal(gram.data, np.swapaxes(gram.data, 1, 2))


@each_backend
def test_a_hand_made_example(name):
    with use_backend(name):
        gram = ops.gram_matrix(np.float64([[[1, 2], [3, 0]], [[0, 1], [1, 1]]])[None])
    assert_array_equal(gram.data, [[[11, 3], [3, 6]]])


def all_results(features, dtype):
    x = Tensor(features.astype(dtype), requires_grad=True)
    y = ops.gram_matrix(x)
    y.backward(normal(*y.shape, seed=9).astype(np.float32).astype(dtype))
    return y.data, x.grad


@each_backend
def test_float32_is_within_two_millionths_of_float64(name):
    features = normal(1, 32, 32, 64, dtype=np.float32)
    with use_backend(name):
        for single, double in zip(all_results(features, np.float32), all_results(features, np.float64), strict=True):
            assert single.dtype == np.float32
            assert np.abs(single - double).max() <= 2e-6 * np.abs(double).max()


def test_the_same_bits_for_any_number_of_threads(thread_count, pieces):
    features, results = normal(2, 48, 47, 24, dtype=np.float32), []
    with use_backend("numba"):
        for count in (1, 2, 4):
            thread_count(count)
            results.append(all_results(features, np.float32))
    assert min(pieces) > 4  # otherwise the threads had nothing to share
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert_array_equal(one, another)


@each_backend
@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.ones((4, 3)), "features have shape (4, 3) and dtype float64; expected floats (N, *spatial, C)"),
        (np.ones((1, 4, 3), int), "features have shape (1, 4, 3) and dtype int64; expected floats"),
        (np.ones((0, 4, 3)), "features have shape (0, 4, 3) and dtype float64; expected floats"),
        (2.0, "features have shape () and dtype float64; expected floats"),
    ],
)
def test_bad_input_is_named_in_one_line(name, features, message):
    with use_backend(name), pytest.raises(InputError) as caught:
        ops.gram_matrix(features)
    assert str(caught.value).startswith(f"gram_matrix: {message}")
    assert "\n" not in str(caught.value)
