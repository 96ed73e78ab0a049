"""The three rules back through a ReLU, each held to numbers worked out by hand, in every place where a ReLU sits."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import InputError, Tensor, nn, ops
from minicnn.backend import use_backend
from minicnn.models.blocks import Chain, Residual
from minicnn.ops.activations import chosen_relu_rule
from minicnn.visualize import backward_rule

RULES = ("gradient", "deconvnet", "guided")
each_backend = pytest.mark.parametrize("backend", ["numpy", "numba"])
each_rule = pytest.mark.parametrize("rule", RULES)


def by_definition(rule, g, x):
    return {"gradient": g * (x > 0), "deconvnet": np.maximum(g, 0), "guided": np.maximum(g, 0) * (x > 0)}[rule]


def gradient_of(function, x, cotangent, rule):
    x = Tensor(x, requires_grad=True)
    y = function(x)
    with backward_rule(rule):
        y.backward(cotangent)
    return x.grad


@each_backend
@pytest.mark.parametrize(
    ("rule", "expected"),
    [("gradient", [0, -2, 0, 3]), ("deconvnet", [1, 0, 0, 3]), ("guided", [0, 0, 0, 3])],
)
def test_the_figure_of_springenberg(backend, rule, expected):
    """x and g have all four combinations of signs: figure 1b of the paper."""
    with use_backend(backend):
        found = gradient_of(ops.relu, np.array([-1.0, 2, -3, 4]), np.array([1.0, -2, -3, 3]), rule)
    assert_array_equal(found, expected)


@each_backend
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # x = (1, 2, 0, 3), w = (2, −1), the first layer is (2−2, 4−0, 0−3) = (0, 4, −3): its ReLU is on in the middle.
        # The second layer is 1·0 − 3·4 + 2·0 = −12, and its cotangent 1 comes back as (1, −3, 2).
        ("gradient", [0, -6, 3, 0]),  # (0, −3, 0) through w
        ("deconvnet", [2, -1, 4, -2]),  # (1, 0, 2) through w
        ("guided", [0, 0, 0, 0]),  # (0, 0, 0)
    ],
)
def test_two_layers_by_hand(backend, rule, expected):
    first, second = np.array([2.0, -1]).reshape(2, 1, 1), np.array([1.0, -3, 2]).reshape(3, 1, 1)
    x = np.array([1.0, 2, 0, 3]).reshape(1, 4, 1)
    with use_backend(backend):
        for fused in (True, False):

            def network(x, fused=fused):
                y = ops.conv(x, first, activation="relu") if fused else ops.relu(ops.conv(x, first))
                return ops.conv(y, second)

            found = gradient_of(network, x, np.ones((1, 1, 1)), rule)
            assert_array_equal(found.ravel(), expected)


@each_backend
@pytest.mark.parametrize(("rule", "expected"), [("gradient", [0, 5, 0, 0]), ("deconvnet", [0, 5, 7, 0])])
def test_max_pools_send_back_to_their_switches(backend, rule, expected):
    """x = (1, 4, −2, −6): the winners are 4 and −2, and the ReLU behind the pool is on for the first of them."""
    x = np.array([1.0, 4, -2, -6]).reshape(1, 4, 1)
    with use_backend(backend):
        found = gradient_of(lambda x: ops.relu(ops.max_pool(x, 2)), x, np.array([5.0, 7]).reshape(1, 2, 1), rule)
    assert_array_equal(found.ravel(), expected)


# Every place where a ReLU sits: there x is what its own backward would see, and the rule is applied by its definition


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def convolution(channels, pool=None):
    w, b = drawn(3, 3, channels, channels, seed=1), drawn(channels, seed=2)

    def linear(x):
        return ops.conv(x, w, b, padding=1)

    return linear, lambda x: ops.conv(x, w, b, padding=1, activation="relu", pool=pool)


def training_norm(x, activation):
    C = x.shape[-1]
    gamma, beta = drawn(C, seed=3), drawn(C, seed=4)
    return ops.batch_norm(x, gamma, beta, np.zeros(C), np.ones(C), eps=1e-3, training=True, activation=activation)


def evaluated_norm(x, activation):
    C = x.shape[-1]
    gamma, beta = drawn(C, seed=3), drawn(C, seed=4)
    return ops.batch_norm(x, gamma, beta, np.zeros(C), np.ones(C), eps=1e-3, activation=activation)


PLACES = {
    "conv": (*convolution(3), (1, 5, 6, 3)),
    "conv by Winograd": (*convolution(16), (1, 12, 12, 16)),
    "batch norm": (lambda x: evaluated_norm(x, None), lambda x: evaluated_norm(x, "relu"), (2, 3, 4, 3)),
    "batch norm in training": (lambda x: training_norm(x, None), lambda x: training_norm(x, "relu"), (2, 3, 4, 3)),
    "residual": (
        lambda x: ops.residual(x, x * x, scale=0.5),
        lambda x: ops.residual(x, x * x, scale=0.5, activation="relu"),
        (1, 4, 4, 2),
    ),
}


@each_backend
@each_rule
@pytest.mark.parametrize("place", PLACES)
def test_fused_is_the_rule_and_then_the_linear_part(place, rule, backend):
    linear, fused, shape = PLACES[place]
    x = drawn(*shape)
    with use_backend(backend):
        before = linear(Tensor(x)).data
        g = drawn(*before.shape, seed=9)
        expected = gradient_of(linear, x, by_definition(rule, g, before), "gradient")
        found = gradient_of(fused, x, g, rule)
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()


@each_backend
@each_rule
def test_fused_with_means_of_2x2(rule, backend):
    linear, _ = convolution(16)
    _, fused = convolution(16, pool="avg")
    x = drawn(1, 9, 8, 16)  # an odd side leaves a row to no mean

    def apart(x):
        return ops.avg_pool(ops.relu(linear(x)), 2)

    g = drawn(1, 4, 4, 16, seed=9)
    with use_backend(backend):
        expected, found = (gradient_of(function, x, g, rule) for function in (apart, fused))
    assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()


@each_rule
def test_filters_take_the_rule_too(rule):
    """What reaches the filters of a fused convolution is what passed its ReLU."""
    x, w, g = drawn(1, 5, 5, 2), drawn(3, 3, 2, 4, seed=1), drawn(1, 5, 5, 4, seed=2)
    found, expected = (Tensor(w, requires_grad=True) for _ in range(2))
    y, before = ops.conv(x, found, padding=1, activation="relu"), ops.conv(x, expected, padding=1)
    with backward_rule(rule):
        y.backward(g)
    before.backward(by_definition(rule, g, before.data))
    np.testing.assert_allclose(found.grad, expected.grad, rtol=1e-10, atol=1e-12)


@each_rule
def test_layers_take_it(rule):
    """Residual blocks and dense layers have no ReLU of their own."""
    layers = nn.Sequential(
        Residual(Chain(nn.Conv2d(2, 2, 1, seed=0)), scale=1.0), nn.Flatten(), nn.Linear(8, 3, activation="relu", seed=1)
    )
    x, g = drawn(1, 2, 2, 2).astype(np.float32), drawn(1, 3, seed=3).astype(np.float32)
    w1, w2 = (parameter.data.astype(float) for name, parameter in layers.named_parameters() if name.endswith("w"))
    first = x.astype(float) + x @ w1[0, 0]
    second = np.maximum(first, 0).reshape(1, 8) @ w2
    back = (by_definition(rule, g, second) @ w2.T).reshape(first.shape)
    back = by_definition(rule, back, first)
    np.testing.assert_allclose(gradient_of(layers, x, g, rule), back + back @ w1[0, 0].T, rtol=1e-4, atol=1e-5)


# The block


def test_it_is_read_when_a_backward_runs():
    x = Tensor(np.array([-1.0]), requires_grad=True)
    with backward_rule("deconvnet"):
        y = ops.relu(x)
    y.backward()
    assert_array_equal(x.grad, [0])


def test_it_is_restored_even_after_an_error_and_inside_another():
    with backward_rule("guided"):
        with pytest.raises(RuntimeError), backward_rule("deconvnet"):
            assert chosen_relu_rule.get() == "deconvnet"
            raise RuntimeError
        assert chosen_relu_rule.get() == "guided"
    assert chosen_relu_rule.get() == "gradient"


def test_other_threads_keep_their_own():
    seen = []
    with backward_rule("deconvnet"):
        thread = threading.Thread(target=lambda: seen.append(chosen_relu_rule.get()))
        thread.start()
        thread.join()
    assert seen == ["gradient"]


def test_a_rule_that_is_none_is_refused():
    expected = "rule is 'lrp'; expected one of gradient, deconvnet, guided"
    with pytest.raises(InputError, match=expected), backward_rule("lrp"):
        pass
