"""Batch normalization: both backends against the formulas of the paper, written as loops over channels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.fast.cpu import normalization as on_numba
from minicnn.kernels import normalization as on_numpy
from minicnn.ops import normalization
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
    """x and dy (P, C), and mean, scale, beta, the mean of dy and a slope (C,)."""
    p, c = draw(st.integers(1, 20)), draw(st.integers(1, 5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, dy = random.standard_normal((2, p, c))
    return x, dy, *random.standard_normal((5, c))


# The kernels


@each_implementation
@given(problem=problems(), relu=st.booleans())
def test_kernels_equal_the_formulas_channel_by_channel(implementation, problem, relu):
    x, dy, mean, scale, beta, mean_dy, slope = problem
    means, variances = implementation.batch_statistics(x)
    y = implementation.batch_normalize(x, mean, scale, beta, relu)
    totals, products = implementation.batch_sums(dy, x, mean, scale, beta, relu)
    dx = implementation.batch_gradient(dy, x, mean, scale, beta, relu, mean_dy, slope)
    for c in range(x.shape[1]):
        column, cotangent = x[:, c], dy[:, c]
        close(means[c], sum(column) / len(column))
        close(variances[c], sum((v - means[c]) ** 2 for v in column) / len(column))  # biased
        expected = (column - mean[c]) * scale[c] + beta[c]
        if relu:
            cotangent = np.where(expected > 0, cotangent, 0)
            expected = np.where(expected > 0, expected, 0)
        close(y[:, c], expected)
        close(totals[c], sum(cotangent))
        close(products[c], sum(cotangent * (column - mean[c])))
        close(dx[:, c], (cotangent - mean_dy[c] - (column - mean[c]) * slope[c]) * scale[c])


@pytest.mark.parametrize("shape", [(64, 32), (3 * 64, 24), (127, 16), (50, 600), (4096, 1), (1, 5), (33, 1100)])
@pytest.mark.parametrize("relu", [False, True])
def test_rows_of_every_length_are_joined_rightly(shape, relu):
    channels = [normal(shape[1], seed=i) for i in range(2, 7)]
    x, dy, (mean, scale, beta, *rest) = normal(*shape), normal(*shape, seed=1), channels
    for name, arguments in {
        "batch_statistics": (x,),
        "batch_normalize": (x, mean, scale, beta, relu),
        "batch_sums": (dy, x, mean, scale, beta, relu),
        "batch_gradient": (dy, x, mean, scale, beta, relu, *rest),
    }.items():
        found, defined = (getattr(module, name)(*arguments) for module in (on_numba, on_numpy))
        close(np.stack(found), np.stack(defined))


@each_implementation
def test_the_layout_in_memory_does_not_matter(implementation):
    x, dy, mean, scale = normal(30, 4), normal(30, 4, seed=1), normal(4), np.full(4, 0.5)
    rule = mean, scale, mean, True

    def strange(array):
        return np.asfortranarray(array)[::-1][::-1]

    for found, reference in [
        (implementation.batch_statistics(strange(x)), implementation.batch_statistics(x)),
        (implementation.batch_sums(strange(dy), strange(x), *rule), implementation.batch_sums(dy, x, *rule)),
    ]:
        close(np.stack(found), np.stack(reference))
    close(implementation.batch_normalize(strange(x), *rule), implementation.batch_normalize(x, *rule))
    rest = *rule, mean, scale
    close(implementation.batch_gradient(strange(dy), strange(x), *rest), implementation.batch_gradient(dy, x, *rest))


@each_implementation
def test_a_mean_far_from_zero_does_not_drown_the_variance(implementation):
    x = 1000 + normal(4000, 3, dtype=np.float32)
    mean, variance = implementation.batch_statistics(x)
    assert mean.dtype == variance.dtype == np.float32
    exact = x.astype(np.float64)
    assert_allclose(mean, exact.mean(axis=0), rtol=1e-6)
    assert_allclose(variance, exact.var(axis=0), rtol=1e-4)


@pytest.mark.parametrize("channels", [16, 700])
def test_compiled_statistics_are_exact_to_a_millionth(channels):
    x = 3 + 2 * normal(1 << 14, channels, dtype=np.float32)
    x[: len(x) // 4] *= 5  # not like the others, as the pictures of one class may be
    exact = x.astype(np.float64)
    mean, variance = on_numba.batch_statistics(x)
    assert_allclose(mean, exact.mean(axis=0), rtol=1e-6)
    assert_allclose(variance, exact.var(axis=0), rtol=1e-6)


def test_compiled_statistics_survive_positions_that_are_far_from_all_others():
    """The rough mean that they start from may have hit every one of them."""
    x = normal(1 << 14, 3, dtype=np.float32)
    x[:: len(x) // 128] += 1e4
    exact = x.astype(np.float64)
    mean, variance = on_numba.batch_statistics(x)
    assert_allclose(mean, exact.mean(axis=0), rtol=1e-5)
    assert_allclose(variance, exact.var(axis=0), rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
def test_the_compiled_variance_of_a_constant_is_never_negative(value):
    mean, variance = on_numba.batch_statistics(np.full((1000, 3), value, np.float32))
    assert_allclose(mean, value, rtol=1e-6)
    assert (variance >= 0).all() and (variance <= 1e-12 * value**2).all()


@each_implementation
def test_not_a_number_is_shown_by_the_relu(implementation):
    x = np.array([[np.nan, -1.0, 2.0]])
    y = implementation.batch_normalize(x, *np.float64([[0, 0, 0], [1, 1, 1], [0, 0, 0]]), True)
    assert_array_equal(y, [[np.nan, 0, 2]])


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


def all_results(shape, dtype, training, activation=None):
    inputs = tensors(*shape, dtype=dtype)
    y = ops.batch_norm(*inputs, eps=EPS, training=training, activation=activation)
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


@each_backend
@pytest.mark.parametrize("training", [False, True])
def test_the_relu_inside_is_the_relu_behind(name, training):
    found = []
    for fused in (True, False):
        inputs = tensors(2, 4, 5, 3)
        with use_backend(name):
            if fused:
                y = ops.batch_norm(*inputs, eps=EPS, training=training, activation="relu")
            else:
                y = ops.relu(ops.batch_norm(*inputs, eps=EPS, training=training))
            y.backward(normal(*y.shape, seed=9))
        found.append([y.data, *(tensor.grad for tensor in inputs if tensor.grad is not None)])
    assert 0.2 < (found[0][0] == 0).mean() < 0.8
    assert len(found[0]) == len(found[1]) == (4 if training else 6)
    for inside, behind in zip(*found, strict=True):
        close(inside, behind)


@each_backend
@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_is_that_of_the_forward_whatever_became_of_the_parameters(name, training):
    found = []
    for moved in (False, True):
        inputs = tensors(4, 5, 3)
        with use_backend(name):
            y = ops.batch_norm(*inputs, eps=EPS, training=training, activation="relu")
            for parameter in inputs[1:]:
                parameter.data += moved
            y.backward(normal(*y.shape, seed=9))
        found.append([tensor.grad for tensor in inputs if tensor.grad is not None])
    for one, another in zip(*found, strict=True):
        assert_array_equal(one, another)


@each_backend
def test_in_inference_the_one_rule_for_relus_is_asked(name, monkeypatch):
    """Pictures of what a network sees are made with other rules; in training the kernels apply it themselves."""
    inputs = tensors(4, 5, 3)
    monkeypatch.setattr(normalization, "relu_rule", lambda kernels, dy, active: 0 * dy)
    with use_backend(name):
        ops.batch_norm(*inputs, eps=EPS, activation="relu").sum().backward()
    assert not inputs[0].grad.any()


@pytest.mark.parametrize("activation", [None, "relu"])
@pytest.mark.parametrize("training", [False, True])
def test_the_same_bits_for_any_number_of_threads(training, activation, thread_count, pieces):
    results = []
    with use_backend("numba"):
        for count in (1, 2, 4):
            thread_count(count)
            results.append(all_results((4, 64, 64, 16), np.float32, training, activation))
    assert min(pieces) > 4  # otherwise the threads had nothing to share
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
        ({"activation": "tanh"}, "activation is 'tanh'; expected None or \"relu\""),
    ],
)
def test_bad_input_is_named_in_one_line(name, changed, message):
    arguments = {"x": np.ones((2, 3)), **dict.fromkeys(("gamma", "beta", "mean", "variance"), np.ones(3)), **changed}
    options = {"activation": arguments.pop("activation", None)}
    with use_backend(name), pytest.raises(InputError) as caught:
        ops.batch_norm(*arguments.values(), eps=EPS, **options)
    assert str(caught.value).startswith(f"batch_norm: {message}")
    assert "\n" not in str(caught.value)
