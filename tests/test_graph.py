"""The walk back through the graph: gradients that meet, shapes that do not fit, and who computes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import Tensor, backend, graph, nn, op, ops
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.ops import pooling

each_backend = pytest.mark.parametrize("name", ["numpy", "numba"])


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@each_backend
@pytest.mark.parametrize("uses", [2, 3, 4])
def test_a_number_may_be_used_several_times(name, uses):
    with use_backend(name):
        x = Tensor(normal(3), requires_grad=True)
        total = x.sum()
        result = total * 1.0
        for _ in range(uses):
            result = result + total
        result.backward()
    assert_array_equal(x.grad, np.full(3, uses + 1.0))


@each_backend
@pytest.mark.parametrize(
    ("first", "second", "new"), [(True, False, "first"), (False, True, "second"), (False, False, "")]
)
def test_gradients_that_meet_are_added_in_place_once_they_are_owned(name, first, second, new):
    arrays = {"first": np.full(3, 1.0), "second": np.full(3, 2.0)}
    with use_backend(name):
        met = graph.Cotangent(arrays["first"], first)
        met.add(arrays["second"], second)
        total = met.array
        assert [key for key, array in arrays.items() if np.shares_memory(array, total)] == [new] * bool(new)
        assert_array_equal(total, np.full(3, 3.0))
        met.add(np.full(3, 4.0), False)
    assert np.shares_memory(met.array, total)
    assert_array_equal(total, np.full(3, 7.0))


@each_backend
def test_a_gram_matrix_adds_its_gradient_to_one_that_is_not_contiguous(name):
    """Pooling with padding gives a part of a larger array back, which cannot be reshaped without a copy."""

    def gradient(*parts):
        x = Tensor(normal(1, 5, 5, 3), requires_grad=True)
        features = x * 2.0
        total = sum((part(features) for part in parts), Tensor(0.0))
        total.backward()
        return x.grad

    def pooled(features):
        return ops.max_pool(features, 3, stride=2, padding=1).sum()

    def gram(features):
        return ops.square(ops.gram_matrix(features)).sum()

    with use_backend(name):
        assert_allclose(gradient(pooled, gram), gradient(pooled) + gradient(gram), rtol=1e-12)


@pytest.mark.parametrize(
    "wrong", [lambda dy: dy.T, lambda dy: dy.reshape(-1), lambda dy: dy[:1], lambda dy: dy[..., None]]
)
def test_a_gradient_of_another_shape_is_refused_even_if_it_is_as_large(wrong):
    @op
    def odd(x):
        return x * 1.0, lambda dy: wrong(dy)

    x = Tensor(normal(4, 3), requires_grad=True)
    with pytest.raises(InputError, match=r"odd.backward: the gradient to input 0 has shape .*; expected .* \(4, 3\)"):
        odd(x).sum().backward()


def test_a_result_that_cannot_carry_a_gradient_is_refused():
    @op
    def rounded(x):
        return np.rint(x).astype(int), lambda dy: dy

    assert rounded(np.array([1.4])).data == 1  # where none is wanted, it may be anything
    with pytest.raises(InputError, match="rounded: the result has dtype int64; expected floating-point numbers"):
        rounded(Tensor(np.array([1.4]), requires_grad=True))


def test_a_relu_takes_both_ways_by_the_same_backend():
    used = []

    def my_relu_gradient(dy, active):
        used.append(dy.shape)
        return np.where(active > 0, dy, dy.dtype.type(0))

    backend.register("mine", relu_gradient=my_relu_gradient)
    x = Tensor(normal(2, 3), requires_grad=True)
    with use_backend("mine"):
        y = ops.relu(x)
    y.sum().backward()
    assert used == [(2, 3)]


def test_what_is_checked_once_tells_no_bias_from_a_wrong_one():
    x, w = normal(1, 5, 5, 2), normal(3, 3, 2, 4)
    ops.conv(x, w)
    with pytest.raises(InputError, match="b has shape"):
        ops.conv(x, w, 0.5)


def test_what_was_checked_is_forgotten_when_it_is_too_much(monkeypatch):
    asked = []
    monkeypatch.setattr(pooling, "_known", {})
    monkeypatch.setattr(pooling, "MOST_KNOWN", 2)
    for key in "abacabc":
        assert pooling.remembered((key,), lambda key=key: asked.append(key) or key.upper()) == key.upper()
    assert asked == [*"abcabc"]  # c and the second b took the place of all


@each_backend
def test_a_layer_that_learns_takes_its_cotangent_through_relu_once(name):
    """Input and filters both want what lies before ReLU and mean: it is formed once, and both get the same."""
    layer = nn.Conv2d(2, 4, 3, padding=1, activation="relu", seed=0)
    x = Tensor(normal(1, 6, 6, 2).astype(np.float32), requires_grad=True)
    with use_backend(name):
        layer.averaged(x).sum().backward()
        together = x.grad, layer.w.grad
        x.grad = layer.w.grad = None
        ops.avg_pool(ops.relu(layer.linear(x)), 2).sum().backward()
    assert_allclose(together[0], x.grad, atol=1e-6)
    assert_allclose(together[1], layer.w.grad, atol=1e-5)
