"""Batch normalization: both backends against the formulas of the paper, written as loops over channels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import backend, ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.kernels.batch_norm import on_numba, on_numpy
from minicnn.tensor import Tensor

IMPLEMENTATIONS = {"numpy": on_numpy, "numba": on_numba}
each_implementation = pytest.mark.parametrize("implementation", IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
each_backend = pytest.mark.parametrize("name", IMPLEMENTATIONS)
EPS = 1e-3


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def close(found, reference, tolerance=1e-12):
    assert found.shape == reference.shape
    assert_allclose(found, reference, rtol=0, atol=tolerance * max(1, np.abs(reference).max()))


@st.composite
def problems(draw):
    """x and dy (P, C), and mean, inverse deviation, scale and beta (C,)."""
    p, c = draw(st.integers(1, 20)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, dy = random.standard_normal((2, p, c))
    return x, dy, random.standard_normal(c), random.uniform(0.5, 2, c), *random.standard_normal((2, c))


# The kernels


@each_implementation
@given(problem=problems())
def test_kernels_equal_the_formulas_channel_by_channel(implementation, problem):
    x, dy, mean, inverse, scale, beta = problem
    means, variances = implementation.statistics(x)
    y = implementation.normalize(x, mean, scale, beta)
    dbeta, dgamma = implementation.sums(dy, x, mean, inverse)
    dx = implementation.gradient(dy, x, mean, inverse, scale, dbeta / len(x), dgamma / len(x))
    for c in range(x.shape[1]):
        column, cotangent = x[:, c], dy[:, c]
        close(means[c], sum(column) / len(column))
        close(variances[c], sum((v - means[c]) ** 2 for v in column) / len(column))  # biased
        close(y[:, c], (column - mean[c]) * scale[c] + beta[c])
        xhat = (column - mean[c]) * inverse[c]
        close(dbeta[c], sum(cotangent))
        close(dgamma[c], sum(cotangent * xhat))
        projected = cotangent - sum(cotangent) / len(column) - xhat * sum(cotangent * xhat) / len(column)
        close(dx[:, c], projected * scale[c])


@each_implementation
def test_the_layout_in_memory_does_not_matter(implementation):
    x, dy, mean, inverse = normal(30, 4), normal(30, 4, seed=1), normal(4), np.full(4, 0.5)

    def strange(array):
        return np.asfortranarray(array)[::-1][::-1]

    for found, reference in [
        (implementation.statistics(strange(x)), implementation.statistics(x)),
        (implementation.sums(strange(dy), strange(x), mean, inverse), implementation.sums(dy, x, mean, inverse)),
    ]:
        close(np.stack(found), np.stack(reference))
    close(implementation.normalize(strange(x), mean, inverse, mean), implementation.normalize(x, mean, inverse, mean))
    rest = mean, inverse, inverse, mean, mean
    close(implementation.gradient(strange(dy), strange(x), *rest), implementation.gradient(dy, x, *rest))


@each_implementation
def test_a_mean_far_from_zero_does_not_drown_the_variance(implementation):
    x = 1000 + normal(4000, 3, dtype=np.float32)
    mean, variance = implementation.statistics(x)
    assert mean.dtype == variance.dtype == np.float32
    exact = x.astype(np.float64)
    assert_allclose(mean, exact.mean(axis=0), rtol=1e-6)
    assert_allclose(variance, exact.var(axis=0), rtol=1e-4)


# The op


def tensors(*shape, dtype=np.float64):
    channels = shape[-1]
    arrays = (
        normal(*shape),
        normal(channels, seed=1),
        normal(channels, seed=2),
        normal(channels, seed=3),
        np.random.default_rng(4).uniform(0.5, 2, channels),
    )
    return [Tensor(array.astype(np.float32).astype(dtype), requires_grad=True) for array in arrays]


def all_results(shape, dtype, training):
    inputs = tensors(*shape, dtype=dtype)
    y = ops.batch_norm(*inputs, eps=EPS, training=training)
    y.backward(normal(*shape, seed=9).astype(np.float32).astype(dtype))
    return [y.data, *(tensor.grad for tensor in inputs if tensor.grad is not None)]


@each_backend
@pytest.mark.parametrize("shape", [(5, 3), (2, 7, 3), (2, 4, 5, 3), (2, 2, 3, 4, 3)])
def test_inference_uses_what_it_is_given(name, shape):
    x, gamma, beta, mean, variance = tensors(*shape)
    with use_backend(name):
        y = ops.batch_norm(x, gamma, beta, mean, variance, eps=EPS)
    close(y.data, gamma.data * (x.data - mean.data) / np.sqrt(variance.data + EPS) + beta.data)


@each_backend
def test_training_uses_the_statistics_of_the_batch(name):
    x, gamma, beta, mean, variance = tensors(4, 5, 6, 3)
    with use_backend(name):
        y = ops.batch_norm(x, gamma, beta, mean, variance, eps=EPS, training=True)
        plain = ops.batch_norm(x, None, np.zeros(3), mean, variance, eps=0.0, training=True).data
    axes = (0, 1, 2)
    batch_mean, batch_variance = x.data.mean(axis=axes), x.data.var(axis=axes)
    close(y.data, gamma.data * (x.data - batch_mean) / np.sqrt(batch_variance + EPS) + beta.data)
    assert_allclose(plain.mean(axis=axes), 0, atol=1e-14)
    assert_allclose(plain.var(axis=axes), 1, rtol=1e-12)


@each_backend
@pytest.mark.parametrize("training", [False, True])
def test_without_gamma_it_counts_as_ones(name, training):
    found = []
    for gamma in (None, np.ones(3)):
        x, _, beta, mean, variance = tensors(4, 5, 3)
        with use_backend(name):
            y = ops.batch_norm(x, gamma, beta, mean, variance, eps=EPS, training=training)
            y.backward(normal(4, 5, 3, seed=9))
        found.append((y.data, x.grad, beta.grad))
    for without, ones in zip(*found, strict=True):
        close(without, ones)


@each_backend
def test_statistics_that_are_handed_in_are_used(name):
    x, gamma, beta, mean, variance = tensors(4, 5, 3)
    rows = x.data.reshape(-1, 3)
    with use_backend(name):
        own = ops.batch_norm(x, gamma, beta, mean, variance, eps=EPS, training=True)
        given = rows.mean(axis=0), rows.var(axis=0)
        close(ops.batch_norm(x, gamma, beta, mean, variance, eps=EPS, training=True, statistics=given).data, own.data)
        given = np.zeros(3), np.ones(3)
        y = ops.batch_norm(x, None, np.zeros(3), mean, variance, eps=0.0, training=True, statistics=given)
        close(y.data, x.data)


@each_backend
@pytest.mark.parametrize("training", [False, True])
def test_inputs_are_left_as_they_were(name, training):
    inputs = tensors(4, 5, 3)
    copies = [tensor.data.copy() for tensor in inputs]
    with use_backend(name):
        ops.batch_norm(*inputs, eps=EPS, training=training).sum().backward()
    for tensor, copy in zip(inputs, copies, strict=True):
        assert_array_equal(tensor.data, copy)


@each_backend
@pytest.mark.parametrize("training", [False, True])
def test_the_dtype_of_x_decides(name, training):
    x, *others = tensors(4, 5, 3)
    x = Tensor(x.data.astype(np.float32), requires_grad=True)
    with use_backend(name):
        y = ops.batch_norm(x, *others, eps=EPS, training=training)
        y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32 and others[0].grad.dtype == np.float64


@each_backend
@pytest.mark.parametrize("training", [False, True])
def test_float32_is_close_to_float64(name, training):
    with use_backend(name):
        found = all_results((4, 16, 16, 32), np.float32, training)
        exact = all_results((4, 16, 16, 32), np.float64, training)
    assert len(found) == (4 if training else 6)
    for single, double in zip(found, exact, strict=True):
        assert single.dtype == np.float32
        assert np.abs(single - double).max() <= 2e-6 * np.abs(double).max()


@pytest.mark.parametrize("training", [False, True])
def test_the_same_bits_for_any_number_of_threads(training, monkeypatch):
    most_pieces, parallel, before = [], backend.parallel, backend.threads()
    monkeypatch.setattr(backend, "parallel", lambda *a: (most_pieces.append(len(a[1])), parallel(*a)))
    results = []
    try:
        with use_backend("numba"):
            for count in (1, 2, 4):
                backend.set_threads(count)
                results.append(all_results((4, 32, 32, 8), np.float32, training))
    finally:
        backend.set_threads(before)
    assert min(most_pieces) > 4  # otherwise the threads had nothing to share
    for other in results[1:]:
        for one, another in zip(results[0], other, strict=True):
            assert_array_equal(one, another)


@each_backend
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.ones(3)}, "x has shape (3,) and dtype float64; expected floats (N, …, C)"),
        ({"x": 2.0}, "x has shape () and dtype float; expected floats (N, …, C)"),
        ({"x": np.ones((0, 3))}, "x has shape (0, 3) and dtype float64; expected floats (N, …, C), not empty"),
        ({"x": np.ones((2, 3), int)}, "x has shape (2, 3) and dtype int64; expected floats"),
        ({"gamma": np.ones(2)}, "gamma has shape (2,); expected (3,) for x (2, 3)"),
        ({"beta": np.ones((1, 3))}, "beta has shape (1, 3); expected (3,)"),
        ({"beta": 1.0}, "beta has shape (); expected (3,)"),
        ({"mean": np.ones(4)}, "mean has shape (4,); expected (3,)"),
        ({"variance": np.ones(4)}, "variance has shape (4,); expected (3,)"),
    ],
)
def test_bad_input_is_named_in_one_line(name, changed, message):
    arguments = {"x": np.ones((2, 3)), **dict.fromkeys(("gamma", "beta", "mean", "variance"), np.ones(3)), **changed}
    with use_backend(name), pytest.raises(InputError) as caught:
        ops.batch_norm(*arguments.values(), eps=EPS)
    assert str(caught.value).startswith(f"batch_norm: {message}")
    assert "\n" not in str(caught.value)
