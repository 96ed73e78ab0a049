"""Optimizers against their published formulas, written out here once more for a single number."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import nn, ops, optim
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.tensor import Tensor

GRADIENTS = [1.0, -2.0, 0.5, 0.0, 3.0, 3.0, -1.0]
START = 0.7


def moved(make, shape):
    """Where a parameter of this shape, all of one number, is after each gradient in turn."""
    parameter = Tensor(np.full(shape, START), requires_grad=True)
    optimizer = make([parameter])
    path = []
    for gradient in GRADIENTS:
        parameter.grad = np.full(shape, gradient)
        optimizer.step()
        assert len(np.unique(parameter.data)) == 1
        path.append(parameter.data.flat[0])
    return path


def path_of_sgd(rate, momentum, decay, nesterov):
    p, v, path = START, 0.0, []
    for g in GRADIENTS:
        g = g + decay * p
        v = momentum * v + g
        p = p - rate * (g + momentum * v if nesterov else v)
        path.append(p)
    return path


def path_of_adam(rate, beta1, beta2, eps, decay):
    p, m, v, path = START, 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, start=1):
        g = g + decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        p = p - rate * m_hat / (math.sqrt(v_hat) + eps)
        path.append(p)
    return path


# The formulas


@pytest.mark.parametrize("shape", [(2, 3), (3,)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_follows_its_formula_and_decays_weights_but_not_biases(momentum, nesterov, decay, shape):
    def make(parameters):
        return optim.SGD(parameters, 0.05, momentum=momentum, weight_decay=decay, nesterov=nesterov)

    expected = path_of_sgd(0.05, momentum, decay if len(shape) > 1 else 0.0, nesterov)
    assert_allclose(moved(make, shape), expected, rtol=1e-13)


@pytest.mark.parametrize("shape", [(2, 3), (3,)])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("beta1", "beta2", "eps"), [(0.9, 0.999, 1e-8), (0.5, 0.9, 0.1)])
def test_adam_follows_its_formula_and_decays_weights_but_not_biases(beta1, beta2, eps, decay, shape):
    def make(parameters):
        return optim.Adam(parameters, 0.05, beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay)

    expected = path_of_adam(0.05, beta1, beta2, eps, decay if len(shape) > 1 else 0.0)
    assert_allclose(moved(make, shape), expected, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_compiled_step_is_the_step(order, nesterov):
    found = {}
    for name in ("numpy", "numba"):
        random = np.random.default_rng(0)
        parameter = Tensor(np.asarray(random.standard_normal((300, 400), np.float32), order=order), requires_grad=True)
        optimizer = optim.SGD([parameter], momentum=0.9, weight_decay=0.01, nesterov=nesterov)
        with use_backend(name):
            for step in range(3):
                optimizer.learning_rate = np.float64(0.1) / (step + 1)  # as a schedule computes it
                parameter.grad = random.standard_normal((400, 300), np.float32).T
                optimizer.step()
        found[name] = parameter.data, optimizer.velocity[0]
    for compiled, defined in zip(found["numba"], found["numpy"], strict=True):
        assert compiled.dtype == np.float32
        assert_allclose(compiled, defined, rtol=1e-5, atol=1e-6)


def test_a_gradient_of_another_shape_moves_nothing():
    parameter = Tensor(np.ones((3, 4)), requires_grad=True)
    optimizer = optim.SGD([parameter], momentum=0.9)
    parameter.grad = np.ones((4, 3))
    with pytest.raises(ValueError, match=r"shape|broadcast"):
        optimizer.step()
    assert (parameter.data == 1).all() and not optimizer.velocity[0].any()


def test_the_defaults_are_the_published_ones():
    assert_allclose(moved(optim.Adam, (2, 3)), path_of_adam(0.001, 0.9, 0.999, 1e-8, 0.0), rtol=1e-12)
    assert_allclose(moved(optim.SGD, (2, 3)), path_of_sgd(0.01, 0.0, 0.0, False), rtol=1e-13)


def test_the_first_step_of_adam_is_one_rate_long_whatever_the_gradient():
    for scale in (1e-3, 1.0, 1e3):
        parameter = Tensor(np.zeros(3), requires_grad=True)
        optimizer = optim.Adam([parameter], 0.1)
        parameter.grad = scale * np.array([1.0, -2.0, 3.0])
        optimizer.step()
        assert_allclose(parameter.data, [-0.1, 0.1, -0.1], rtol=1e-4)


OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, 0.1),
    "momentum": lambda parameters: optim.SGD(parameters, 0.02, momentum=0.9, weight_decay=1e-4),
    "nesterov": lambda parameters: optim.SGD(parameters, 0.02, momentum=0.9, nesterov=True),
    "adam": lambda parameters: optim.Adam(parameters, 0.05),
}
each_optimizer = pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)


@each_optimizer
def test_a_valley_is_descended(make):
    x = Tensor(np.array([3.0, -2.0]), requires_grad=True)
    optimizer = make([x])
    for _ in range(400):
        optimizer.zero_grad()
        (ops.square(x - np.array([1.0, 2.0])) * np.array([1.0, 3.0])).sum().backward()
        optimizer.step()
    assert_allclose(x.data, [1, 2], atol=1e-3)


# What is moved


@each_optimizer
def test_parameters_move_in_place_and_keep_their_dtype(make):
    parameter = Tensor(np.ones(3, np.float32), requires_grad=True)
    array, optimizer = parameter.data, make([parameter])
    optimizer.learning_rate = np.float64(0.1)  # as a schedule computes it
    for _ in range(3):
        parameter.grad = np.ones(3, np.float32)
        optimizer.step()
    assert parameter.data is array and array.dtype == np.float32 and (array < 1).all()
    assert {a.dtype for name, a in optimizer.state().items() if name != "steps"} <= {np.dtype(np.float32)}
    assert_array_equal(parameter.grad, np.ones(3))  # the gradient is read, not used up


@each_optimizer
def test_parameters_without_a_gradient_stay(make):
    moving, resting = (Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(2))
    optimizer = make([moving, resting])
    moving.grad = np.ones((2, 2))
    optimizer.step()
    assert (moving.data < 1).all() and (resting.data == 1).all()


@each_optimizer
def test_what_requires_no_gradient_is_left_out(make):
    constant, parameter = Tensor(np.ones(2)), Tensor(np.ones(2), requires_grad=True)
    optimizer = make(p for p in (constant, parameter))
    assert optimizer.parameters == [parameter]
    constant.grad = parameter.grad = np.ones(2)
    optimizer.step()
    assert (constant.data == 1).all() and (parameter.data < 1).all()


def test_zero_grad_forgets():
    parameter = Tensor(np.ones(2), requires_grad=True)
    optimizer = optim.SGD([parameter])
    (parameter * 2).sum().backward()
    optimizer.zero_grad()
    assert parameter.grad is None
    optimizer.step()
    assert (parameter.data == 1).all()


# Stopping and going on


def model_and_optimizer(make, seed=0):
    model = nn.Sequential(nn.Linear(4, 8, activation="relu", seed=seed), nn.Linear(8, 3, seed=seed + 1))
    return model, make(model.parameters())


def train(model, optimizer, steps):
    for step in steps:
        random = np.random.default_rng(step)
        optimizer.zero_grad()
        x, labels = random.standard_normal((5, 4), np.float32), random.integers(0, 3, 5)
        ops.cross_entropy(model(x), labels).backward()
        optimizer.step()


@each_optimizer
def test_a_saved_state_goes_on_bit_for_bit(make, tmp_path):
    whole, optimizer = model_and_optimizer(make)
    train(whole, optimizer, range(8))

    first, optimizer = model_and_optimizer(make)
    train(first, optimizer, range(4))
    np.savez(tmp_path / "state.npz", **optimizer.state())
    second, optimizer = model_and_optimizer(make, seed=9)
    for mine, theirs in zip(second.parameters(), first.parameters(), strict=True):
        mine.data = theirs.data.copy()
    with np.load(tmp_path / "state.npz") as state:
        optimizer.load_state(dict(state))
    train(second, optimizer, range(4, 8))
    for mine, theirs in zip(second.parameters(), whole.parameters(), strict=True):
        assert_array_equal(mine.data, theirs.data)


@pytest.mark.parametrize("name", ["momentum", "nesterov", "adam"])
def test_without_the_state_it_would_go_on_differently(name):
    make = OPTIMIZERS[name]
    whole, optimizer = model_and_optimizer(make)
    train(whole, optimizer, range(8))
    forgetful, optimizer = model_and_optimizer(make)
    train(forgetful, optimizer, range(4))
    train(forgetful, make(forgetful.parameters()), range(4, 8))
    pairs = zip(forgetful.parameters(), whole.parameters(), strict=True)
    assert any(np.any(mine.data != theirs.data) for mine, theirs in pairs)


def test_a_loaded_state_is_a_copy():
    _, first = model_and_optimizer(optim.Adam)
    _, second = model_and_optimizer(optim.Adam)
    state = first.state()
    second.load_state(state)
    assert not any(np.shares_memory(second.state()[name], array) for name, array in state.items())


# Errors


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("rate", [0, -0.1, np.nan, np.inf])
def test_a_learning_rate_must_be_a_positive_number(make, rate):
    with pytest.raises(InputError) as caught:
        make([Tensor(np.ones(2), requires_grad=True)], rate)
    assert str(caught.value) == f"optimizer: learning_rate is {rate!r}; expected a positive number"


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("parameters", [[], [Tensor(np.ones(2))]])
def test_there_must_be_something_to_move(make, parameters):
    with pytest.raises(InputError, match="optimizer: parameters is empty; expected at least one Tensor"):
        make(parameters)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.pop("steps"),
        lambda state: state.pop("mean.0"),
        lambda state: state.update({"mean.9": np.zeros(1)}),
        lambda state: state.update({"mean.0": np.zeros((1, 1))}),
    ],
    ids=["no steps", "one missing", "one too many", "another shape"],
)
def test_a_foreign_state_is_refused_and_changes_nothing(spoil):
    model, optimizer = model_and_optimizer(optim.Adam)
    train(model, optimizer, range(2))
    before = {name: array.copy() for name, array in optimizer.state().items()}
    foreign = {name: array + 1 for name, array in before.items()}
    spoil(foreign)
    with pytest.raises(InputError) as caught:
        optimizer.load_state(foreign)
    assert str(caught.value) == "load_state: the arrays are not those of this Adam"
    for name, array in optimizer.state().items():
        assert_array_equal(array, before[name])


def test_the_state_of_another_optimizer_is_refused():
    _, adam = model_and_optimizer(optim.Adam)
    _, sgd = model_and_optimizer(OPTIMIZERS["momentum"])
    with pytest.raises(InputError, match="load_state: the arrays are not those of this SGD"):
        sgd.load_state(adam.state())
