"""Optimizers against their published formulas, written out here once more for a single number."""

import dataclasses
import inspect
import itertools
import math

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import nn, ops, optim
from minicnn.backend import use_backend
from minicnn.errors import InputError
from minicnn.optim.lbfgs import dot
from minicnn.optim.line_search import Trial, _between, _further, strong_wolfe
from minicnn.optim.optimizer import Optimizer
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
    assert optim.SGD([Tensor(np.ones(2), requires_grad=True)], momentum=0.9).nesterov is False
    of_lbfgs, of_search = (inspect.signature(f).parameters for f in (optim.LBFGS.__init__, strong_wolfe))
    assert [of_lbfgs[name].default for name in ("learning_rate", "history", "trials")] == [1, 10, 20]
    assert [of_search[name].default for name in ("decrease", "curvature")] == [1e-4, 0.9]  # Nocedal & Wright, page 62


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
    assert {a.dtype for name, a in optimizer.state_dict().items() if name != "steps"} <= {np.dtype(np.float32)}
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
    np.savez(tmp_path / "state.npz", **optimizer.state_dict())
    second, optimizer = model_and_optimizer(make, seed=9)
    for mine, theirs in zip(second.parameters(), first.parameters(), strict=True):
        mine.data = theirs.data.copy()
    with np.load(tmp_path / "state.npz") as state:
        optimizer.load_state_dict(dict(state))
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
    state = first.state_dict()
    second.load_state_dict(state)
    assert not any(np.shares_memory(second.state_dict()[name], array) for name, array in state.items())


# Errors


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam])
@pytest.mark.parametrize("rate", [0, -0.1, np.nan, np.inf])
def test_a_learning_rate_must_be_a_positive_number(make, rate):
    with pytest.raises(InputError) as caught:
        make([Tensor(np.ones(2), requires_grad=True)], rate)
    assert str(caught.value) == f"optimizer: learning_rate is {rate!r}; expected a positive number"


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.LBFGS])
def test_the_learning_rate_has_a_short_name(make):
    optimizer = make([Tensor(np.ones(2), requires_grad=True)], 0.5, lr=0.25)
    assert (optimizer.learning_rate, optimizer.lr) == (0.25, 0.25)
    optimizer.lr = 0.125
    assert optimizer.learning_rate == 0.125


def test_an_optimizer_defines_how_it_moves():
    class Still(Optimizer):
        pass

    x = Tensor(np.ones(2), requires_grad=True)
    Still([x], 0.1, None).step()  # nothing is to be moved yet
    (x * x).sum().backward()
    still = Still([x], 0.1, None)
    with pytest.raises(TypeError, match=r"^Still defines no move$"):
        still.step()
    assert still.state_dict() == {"steps": 1}  # and what it remembers besides
    assert still.resized([x], lambda array: array).parameters == [x]


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
    before = {name: array.copy() for name, array in optimizer.state_dict().items()}
    foreign = {name: array + 1 for name, array in before.items()}
    spoil(foreign)
    with pytest.raises(InputError) as caught:
        optimizer.load_state_dict(foreign)
    assert str(caught.value) == "load_state_dict: the arrays are not those of this Adam"
    for name, array in optimizer.state_dict().items():
        assert_array_equal(array, before[name])


def test_the_state_of_another_optimizer_is_refused():
    _, adam = model_and_optimizer(optim.Adam)
    _, sgd = model_and_optimizer(OPTIMIZERS["momentum"])
    with pytest.raises(InputError, match="load_state_dict: the arrays are not those of this SGD"):
        sgd.load_state_dict(adam.state_dict())


# L-BFGS


def rosenbrock(x):
    """Narrow and curved: 0 at (1, 1, …). Source: Rosenbrock 1960."""
    a, b = x[1:] - x[:-1] ** 2, 1 - x[:-1]
    gradient = np.zeros_like(x)
    gradient[1:] += 200 * a
    gradient[:-1] -= 400 * a * x[:-1] + 2 * b
    return float((100 * a**2 + b**2).sum()), gradient


def quadratic(size=30, seed=0):
    random = np.random.default_rng(seed)
    factor = random.standard_normal((2 * size, size))
    matrix, vector = factor.T @ factor + 0.01 * np.eye(size), random.standard_normal(size)
    return lambda x: (float(x @ matrix @ x / 2 - vector @ x), matrix @ x - vector)


def logistic(samples=60, size=8, seed=0):
    """Labels ±1 told from random features, with a little decay so that there is a minimum."""
    random = np.random.default_rng(seed)
    features = random.standard_normal((samples, size)) * np.sign(random.standard_normal((samples, 1)))

    def cost(w):
        margins = features @ w
        gradient = -(features / (1 + np.exp(margins))[:, None]).mean(0) + 0.01 * w
        return float(np.log1p(np.exp(-margins)).mean() + 0.005 * w @ w), gradient

    return cost


PROBLEMS = {
    "rosenbrock": (rosenbrock, np.tile([-1.2, 1.0], 5)),
    "quadratic": (quadratic(), np.full(30, 0.5)),
    "logistic": (logistic(), np.zeros(8)),
}
each_problem = pytest.mark.parametrize(("problem", "start"), PROBLEMS.values(), ids=PROBLEMS)


class Descent:
    """L-BFGS on a problem; keeps every point that was tried, (x, cost, gradient), and where each step ended."""

    def __init__(self, problem, start, **options):
        self.x = Tensor(np.array(start), requires_grad=True)
        self.problem, self.optimizer = problem, optim.LBFGS([self.x], **options)
        self.tried, self.ends, self.returned = [], [self.x.data.copy()], []

    def evaluate(self):
        cost, gradient = self.problem(self.x.data)
        self.tried.append((self.x.data.copy(), cost, gradient))
        self.x.grad = gradient.copy()
        return cost

    def go(self, steps=200):
        for _ in range(steps):
            if self.optimizer.finished:
                break
            self.returned.append(self.optimizer.step(self.evaluate))
            self.ends.append(self.x.data.copy())
        return self


def scipys(problem, start, **options):
    settings = {"maxcor": 10, "ftol": 1e-15, "gtol": 1e-11, "maxiter": 1000}
    return scipy.optimize.minimize(problem, start, jac=True, method="L-BFGS-B", options=settings, **options)


@each_problem
def test_lbfgs_finds_the_minimum_that_scipy_finds_and_looks_no_more_often(problem, start):
    theirs = scipys(problem, start)
    descent = Descent(problem, start).go(120)
    cost = descent.optimizer.cost
    assert cost <= theirs.fun + 1e-9 * abs(theirs.fun) + 1e-15
    assert_allclose(descent.x.data, theirs.x, rtol=1e-5, atol=1e-6)
    good = next(i for i, (_, c, _) in enumerate(descent.tried) if c <= cost + 1e-10 * max(abs(cost), 1))
    assert good <= 1.5 * theirs.nfev


@each_problem
def test_lbfgs_stays_in_the_box_and_finds_the_minimum_there(problem, start):
    low, high = -0.1, 0.6
    theirs = scipys(problem, np.clip(start, low, high), bounds=[(low, high)] * len(start))
    descent = Descent(problem, start, bounds=(low, high)).go()
    assert descent.optimizer.cost <= theirs.fun + 1e-9 * abs(theirs.fun)
    assert_allclose(descent.x.data, theirs.x, atol=1e-5)
    assert ((theirs.x == low) | (theirs.x == high)).any()  # or the box was no matter
    assert all((x >= low).all() and (x <= high).all() for x, _, _ in descent.tried)


@each_problem
def test_every_step_of_lbfgs_meets_the_strong_wolfe_conditions(problem, start):
    descent = Descent(problem, start).go(25)
    for before, after in itertools.pairwise(descent.ends):
        (cost, gradient), (lower, later) = problem(before), problem(after)
        if abs(cost - lower) <= 1e-12 * abs(cost):  # what is left is rounding
            break
        step = after - before
        assert lower <= cost + 1e-4 * (gradient @ step)
        assert abs(later @ step) <= 0.9 * abs(gradient @ step) * (1 + 1e-9)


@each_problem
def test_no_point_is_evaluated_twice_and_the_cost_before_each_step_is_returned(problem, start):
    descent = Descent(problem, start).go(20)
    assert len({x.tobytes() for x, _, _ in descent.tried}) == len(descent.tried) == descent.optimizer.evaluations
    assert descent.returned == [problem(x)[0] for x in descent.ends[:-1]]


def test_the_two_loops_are_the_matrix_of_bfgs():
    """H = VᵀHV + ρssᵀ, V = I − ρysᵀ, from γI over the pairs that are remembered. Nocedal & Wright, equation 7.19."""
    problem, start = PROBLEMS["rosenbrock"]
    optimizer = (descent := Descent(problem, start, history=4).go(9)).optimizer
    assert len(optimizer.moves) == len(optimizer.changes) == 4
    s, y = optimizer.moves[-1], optimizer.changes[-1]
    assert_array_equal(s, descent.ends[-1] - descent.ends[-2])
    assert_array_equal(y, problem(descent.ends[-1])[1] - problem(descent.ends[-2])[1])
    inverse = (s @ y) / (y @ y) * np.eye(len(s))
    for s, y in zip(optimizer.moves, optimizer.changes, strict=True):
        turn = np.eye(len(s)) - np.outer(y, s) / (s @ y)
        inverse = turn.T @ inverse @ turn + np.outer(s, s) / (s @ y)
    count, here = len(descent.tried), descent.x.data.copy()
    descent.go(1)
    assert_allclose(descent.tried[count][0] - here, -inverse @ problem(here)[1], rtol=1e-9)


def test_the_first_trial_moves_no_number_further_than_the_rate():
    for scale in (1e-6, 1.0, 1e6):
        descent = Descent(
            lambda x, scale=scale: (scale * float(x @ x), 2 * scale * x), [3.0, -4.0, 0.0], learning_rate=0.1
        )
        descent.go(1)
        assert_allclose(descent.tried[1][0], [2.925, -3.9, 0.0])


def test_a_cost_that_is_no_number_shortens_the_step():
    def barrier(x):  # lowest at 1, undefined below 0
        with np.errstate(invalid="ignore", divide="ignore"):
            return float((x - np.log(x)).sum()), 1 - 1 / x

    descent = Descent(barrier, [20.0, 0.5], learning_rate=100.0).go()
    assert np.isnan([cost for _, cost, _ in descent.tried]).any()
    assert np.isfinite(descent.returned).all() and (np.diff(descent.returned) <= 0).all()
    assert_allclose(descent.x.data, 1, rtol=1e-6)


@pytest.mark.parametrize("gradient", [np.nan, np.inf])
def test_where_it_starts_from_no_number_it_says_so_and_stays(gradient):
    descent = Descent(lambda x: (1.0, np.full(2, gradient)), [1.0, 2.0])
    for _ in range(2):  # and may be given another start
        assert np.isnan(descent.optimizer.step(descent.evaluate)) and not descent.optimizer.finished
    assert_array_equal(descent.x.data, [1, 2])


def test_at_the_minimum_it_is_finished_and_evaluates_no_more():
    descent = Descent(lambda x: (float(x @ x), 2 * x), [0.0, 0.0]).go(1)
    assert descent.optimizer.finished and len(descent.tried) == 1
    assert descent.optimizer.step(descent.evaluate) == 0 and len(descent.tried) == 1
    descent.optimizer.reset()
    assert descent.optimizer.step(descent.evaluate) == 0 and len(descent.tried) == 2


def test_a_search_that_finds_nothing_leaves_the_parameters():
    descent = Descent(lambda x: (float(x @ x), -2 * x), [1.0, 2.0]).go(1)  # a gradient that points the wrong way
    assert descent.optimizer.finished and len(descent.tried) > 2
    assert_array_equal(descent.x.data, [1, 2])
    tried = len(descent.tried)
    assert descent.optimizer.step(descent.evaluate) == 5 and len(descent.tried) == tried


def test_an_evaluation_too_few_takes_the_lowest_trial_that_decreases():
    steep = Descent(lambda x: (float(x @ x), 2 * x), [1.0], learning_rate=1e-3, trials=2).go(1)
    assert len(steep.tried) == 3 and steep.x.data[0] == steep.tried[-1][0][0] < 1


def test_after_a_search_cut_short_the_parameters_are_at_the_accepted_trial():
    def slope_before_a_wall(x):
        return float(-x[0]) if x[0] < 5 else 1000.0, np.full(1, -1.0)

    descent = Descent(slope_before_a_wall, [0.0], trials=2).go(1)
    assert [x[0] for x, _, _ in descent.tried] == [0, 1, 10]  # the last trial lies behind the wall
    assert descent.x.data[0] == 1 and descent.optimizer.cost == -1


def parabola(length):
    """A trial of (length − 5)², whose minimum lies at 5."""
    return Trial(length, (length - 5.0) ** 2, 2 * (length - 5.0), np.empty(0))


def line(length):
    return Trial(length, -length, -1.0, np.empty(0))


def test_trials_are_fixed_and_told_apart_even_if_equal():
    one, other = (Trial(0.0, 1.0, -1.0, np.zeros(2)) for _ in range(2))
    assert one != other
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.cost = 0.0


def test_a_trial_without_a_cost_or_a_slope_counts_as_too_long():
    for cost, slope in ((math.inf, -1.0), (-1.0, math.inf), (math.nan, -1.0), (-1.0, math.nan)):
        bad = Trial(8.0, cost, slope, np.empty(0))
        assert not bad.usable and _between(line(0), bad) == 4
        tried = iter([bad, parabola(4)])
        assert strong_wolfe(lambda _, tried=tried: next(tried), parabola(0), 8.0).length == 4
    assert line(1).usable


@pytest.mark.parametrize(
    ("trials", "options"),
    [
        ([(-0.5, 0.0)], {"decrease": 0.5}),  # just low enough
        ([(-1.0, -0.5)], {"curvature": 0.5}),  # just flat enough
        ([(-1.0, -1.0), (-1.0, 0.0), (-2.0, 0.0)], {}),  # as low as the last is no lower
    ],
)
def test_a_search_along_a_line_ends_at_the_limits_of_its_conditions(trials, options):
    rows = iter(trials)
    found = strong_wolfe(
        lambda t: Trial(t, *next(rows), np.empty(0)), Trial(0.0, 0.0, -1.0, np.empty(0)), 1.0, **options
    )
    assert (found.cost, found.slope) == trials[-1] and not [*rows]


def test_directions_that_leave_the_bounds_of_lbfgs_are_cut():
    optimizer = optim.LBFGS([Tensor(np.zeros(5), requires_grad=True)], bounds=(0.0, 1.0))
    inward = optimizer._inward(np.array([0, 1, 0, 1, 0.5]), np.array([-1.0, 1, 1, -1, 1]))
    assert inward.tolist() == [0, 0, 1, -1, 1]


def test_lbfgs_learns_no_curvature_from_a_straight_line():
    straight = Descent(lambda x: (float(-x.sum()), np.full(2, -1.0)), [1.0, 2.0]).go(2)
    assert straight.optimizer.moves == [] and straight.x.data[0] > 100


def test_the_next_trial_is_the_minimum_of_the_cubic_within_limits():
    assert _further(parabola(0), parabola(1)) == pytest.approx(5)
    assert _further(parabola(0), parabola(0.1)) == pytest.approx(1)  # ten steps at most
    assert _further(parabola(0), parabola(4.9)) == pytest.approx(1.1 * 4.9)  # a tenth of a step at least
    assert _further(line(1), line(3)) == pytest.approx(1 + 10 * 2)  # no minimum
    assert _between(parabola(0), parabola(8)) == pytest.approx(5) == _between(parabola(8), parabola(0))
    assert _between(parabola(0), parabola(100)) == pytest.approx(10)  # kept off the ends
    assert _between(parabola(-100), parabola(6)) == pytest.approx(6 - 10.6)
    assert _between(line(0), Trial(8.0, math.inf, 1.0, np.empty(0))) == 4
    steep = Trial(0.0, 0.0, -1e200, np.empty(0))  # its square is beyond the largest number
    assert _between(steep, Trial(8.0, 0.0, 1.0, np.empty(0))) == 4


def test_several_tensors_are_one_long_one():
    problem, start = PROBLEMS["rosenbrock"]
    whole = Descent(problem, start).go(15)
    parts = [Tensor(part.copy(), requires_grad=True) for part in (start[:6].reshape(2, 3), start[6:7], start[7:])]
    optimizer = optim.LBFGS(parts)

    def evaluate():
        cost, gradient = problem(np.concatenate([p.data.ravel() for p in parts]))
        for p, g in zip(parts, np.split(gradient, [6, 7]), strict=True):
            p.grad = g.reshape(p.shape)
        return cost

    for _ in range(15):
        optimizer.step(evaluate)
    assert_array_equal(np.concatenate([p.data.ravel() for p in parts]), whole.x.data)


@pytest.mark.parametrize("before", [0, 1, 4, 12])
@pytest.mark.parametrize("bounds", [(-math.inf, math.inf), (-0.5, 0.9)])
def test_lbfgs_goes_on_bit_for_bit_from_its_saved_state(before, bounds, tmp_path):
    problem, start = PROBLEMS["rosenbrock"]
    options = {"history": 5, "bounds": bounds}
    whole = Descent(problem, start, **options).go(before + 6)
    first = Descent(problem, start, **options).go(before)
    np.savez(tmp_path / "state.npz", **first.optimizer.state_dict())
    second = Descent(problem, first.x.data, **options)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.optimizer.load_state_dict(dict(state))
    second.go(6)
    assert_array_equal(second.x.data, whole.x.data)
    assert second.optimizer.evaluations == whole.optimizer.evaluations == len(first.tried) + len(second.tried)
    assert second.returned == whole.returned[before:]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.pop("cost"),
        lambda state: state.pop("moves.1"),
        lambda state: state.update({"moves.9": np.zeros(10)}),
        lambda state: state.update({"changes.0": np.zeros(9)}),
        lambda state: state.update({"gradient": np.zeros(9)}),
        lambda state: state.update({"curvatures": np.ones(4)}),
        lambda state: state.update({"cost": np.zeros(3)}),
    ],
    ids=["no cost", "one missing", "one too many", "another size", "another gradient", "another count", "many costs"],
)
def test_lbfgs_refuses_a_foreign_state(spoil):
    optimizer = Descent(*PROBLEMS["rosenbrock"]).go(3).optimizer
    before = {name: array.copy() for name, array in optimizer.state_dict().items()}
    foreign = {name: array.copy() for name, array in before.items()}
    spoil(foreign)
    with pytest.raises(InputError, match="load_state_dict: the arrays are not those of this LBFGS"):
        optimizer.load_state_dict(foreign)
    for name, array in optimizer.state_dict().items():
        assert_array_equal(array, before[name])


def test_a_state_of_more_pairs_than_are_kept_is_refused():
    problem, start = PROBLEMS["rosenbrock"]
    state = Descent(problem, start).go(3).optimizer.state_dict()
    assert state["curvatures"].size == 3
    Descent(problem, start, history=3).optimizer.load_state_dict(state)
    with pytest.raises(InputError, match="load_state_dict: the arrays are not those of this LBFGS"):
        Descent(problem, start, history=2).optimizer.load_state_dict(state)


def test_a_number_that_stays_at_its_bound_tells_nothing_of_the_curvature():
    x = Tensor(np.array([0.0, 0.5]), requires_grad=True)
    optimizer = optim.LBFGS([x], bounds=(0, 1))
    optimizer.gradient = np.array([1.0, -1.0])
    optimizer._remember(np.array([0.0, 0.25]), Trial(1.0, 0.0, 0.0, np.array([5.0, 1.0])))
    assert [array.tolist() for array in (*optimizer.moves, *optimizer.changes)] == [[0, 0.25], [0, 2]]
    assert optimizer.curvatures == [0.5]


def test_lbfgs_remembers_single_precision_and_adds_in_double():
    random = np.random.default_rng(0)
    picture = Tensor(random.random((1, 64, 65, 3), np.float32), requires_grad=True)
    array, optimizer = picture.data, optim.LBFGS([picture], 0.05, bounds=(0, 1))
    target = random.random(picture.shape, np.float32) * 1.5 - 0.25

    def evaluate():
        picture.grad = 2 * (picture.data - target)
        return float(np.square(picture.data - target, dtype=np.float64).sum())

    for _ in range(8):
        optimizer.step(evaluate)
    assert picture.data is array and array.dtype == np.float32
    assert {a.dtype for name, a in optimizer.state_dict().items() if a.ndim and name != "curvatures"} == {
        np.dtype(np.float32)
    }
    assert_allclose(array, np.clip(target, 0, 1), atol=1e-5)
    ones, small = np.full(1_000_001, 0.1, np.float32), np.full(1_000_001, 0.7, np.float32)
    assert_allclose(dot(ones, small), np.float64(ones[0]) * np.float64(small[0]) * ones.size, rtol=1e-6)


@pytest.mark.parametrize(("share", "kept"), [(1.5e-10, 1), (0.5e-10, 0)])
def test_lbfgs_keeps_no_pair_whose_curvature_rounding_could_have_made(share, kept):
    optimizer = optim.LBFGS([Tensor(np.array([1.0, 0.0]), requires_grad=True)])
    optimizer.gradient = np.zeros(2)
    optimizer._remember(np.zeros(2), Trial(1.0, 0.0, 0.0, np.array([share, 1.0])))
    assert len(optimizer.moves) == len(optimizer.changes) == len(optimizer.curvatures) == kept


@pytest.mark.parametrize(("slope", "between"), [(9.5, (0, 0.5)), (-9.5, (0.5, 1))])
def test_a_search_zooms_towards_the_side_to_which_the_cost_falls(slope, between):
    """The first trial is too high, and the second is lower than the start and too steep."""
    asked = []

    def evaluate(length):
        asked.append(length)
        cost, found = [(20.0, 5.0), (5.0, slope), (4.0, 0.0)][len(asked) - 1]
        return Trial(length, cost, found, np.zeros(1))

    found = strong_wolfe(evaluate, Trial(0.0, 10.0, -10.0, np.zeros(1)), 1.0)
    assert (found.cost, len(asked)) == (4.0, 3)
    low, high = (asked[1] if edge == 0.5 else edge for edge in between)
    assert 0 < asked[1] < 1 and low < asked[2] < high


def test_lbfgs_needs_a_function():
    with pytest.raises(InputError, match=r"LBFGS\.step: evaluate is None; expected a function"):
        optim.LBFGS([Tensor(np.ones(2), requires_grad=True)]).step()


@pytest.mark.parametrize("options", [{"history": 0}, {"trials": 1.5}, {"history": True}])
def test_lbfgs_counts_in_whole_numbers(options):
    name, value = next(iter(options.items()))
    with pytest.raises(InputError, match=f"LBFGS: {name} is {value!r}; expected an integer of at least 1"):
        optim.LBFGS([Tensor(np.ones(2), requires_grad=True)], **options)


# A step that evaluates, bounds, and another size


BOUNDED = {
    "sgd": lambda parameters: optim.SGD(parameters, 5.0, momentum=0.5, bounds=(0, 1)),
    "plain": lambda parameters: optim.SGD(parameters, 5.0, bounds=(0, 1)),
    "adam": lambda parameters: optim.Adam(parameters, 0.05, bounds=(0, 1)),
    "lbfgs": lambda parameters: optim.LBFGS(parameters, 0.05, bounds=(0, 1)),
}
each_bounded = pytest.mark.parametrize("make", BOUNDED.values(), ids=BOUNDED)


def towards(target, parameter, evaluated):
    """The mean square distance, which says the same of a picture at any size, as something to hand to step()."""

    def evaluate():
        difference = parameter.data - target
        weight = np.linspace(1, 3, 3) / difference.size
        parameter.grad = 2 * weight * difference
        evaluated.append(float((weight * difference**2).sum()))
        return evaluated[-1]

    return evaluate


@each_bounded
def test_one_loop_serves_every_optimizer(make):
    random = np.random.default_rng(0)
    picture, target = Tensor(random.random((1, 4, 5, 3)), requires_grad=True), random.random((1, 4, 5, 3)) * 2 - 0.5
    optimizer, evaluated = make([picture]), []
    costs = [optimizer.step(towards(target, picture, evaluated)) for _ in range(60)]
    assert set(costs) <= set(evaluated) and optimizer.steps == 60
    if not isinstance(optimizer, optim.LBFGS):
        assert costs == evaluated
    assert picture.data.min() == 0 and picture.data.max() == 1
    assert_allclose(picture.data, np.clip(target, 0, 1), atol=0.02)


def enlarged(array):
    return array.repeat(2, axis=1).repeat(2, axis=2)


@each_bounded
def test_a_larger_picture_goes_on_as_the_small_one_would(make):
    """Of a picture of which every pixel has become four, each moves as the one did."""
    random = np.random.default_rng(0)
    small, target = Tensor(random.random((1, 3, 4, 3)), requires_grad=True), random.random((1, 3, 4, 3)) * 1.2 - 0.1
    optimizer = make([small])
    for _ in range(4):
        optimizer.step(towards(target, small, []))
    state = {name: array.copy() for name, array in optimizer.state_dict().items()}
    large = Tensor(enlarged(small.data), requires_grad=True)
    twin = optimizer.resized([large], enlarged)
    for name, array in optimizer.state_dict().items():
        assert_array_equal(array, state[name])  # the small one is as it was
    assert type(twin) is type(optimizer) and twin.parameters == [large] and twin.steps == 4
    for _ in range(3):
        optimizer.step(towards(target, small, []))
        twin.step(towards(enlarged(target), large, []))
        assert_allclose(large.data, enlarged(small.data), rtol=1e-5)


def test_without_what_it_remembers_a_larger_picture_would_go_on_differently():
    for make in (BOUNDED["sgd"], BOUNDED["adam"], BOUNDED["lbfgs"]):
        ends = []
        for carry in (True, False):
            random = np.random.default_rng(0)
            small, target = Tensor(random.random((1, 3, 4, 3)), requires_grad=True), random.random((1, 3, 4, 3))
            optimizer = make([small])
            for _ in range(4):
                optimizer.step(towards(target, small, []))
            large = Tensor(enlarged(small.data), requires_grad=True)
            twin = optimizer.resized([large], enlarged) if carry else make([large])
            twin.step(towards(enlarged(target), large, []))
            ends.append(large.data)
        assert np.abs(ends[0] - ends[1]).max() > 1e-4


def test_squares_stay_squares_and_pairs_keep_a_positive_curvature_when_resampling_overshoots():
    for make in (BOUNDED["adam"], BOUNDED["lbfgs"]):
        small = Tensor(np.random.default_rng(0).random((1, 3, 4, 3)), requires_grad=True)
        optimizer = make([small])
        for _ in range(3):
            optimizer.step(towards(0.5, small, []))
        large = Tensor(enlarged(small.data), requires_grad=True)
        calls = iter(range(100))

        def overshooting(array, calls=calls):
            return enlarged(array) * (-1 if next(calls) % 2 else 1)

        twin = optimizer.resized([large], overshooting)
        if isinstance(twin, optim.Adam):
            assert (twin.square[0] >= 0).all()
        else:
            assert optimizer.moves and not twin.moves and not twin.curvatures
            assert not optimizer.resized([large], lambda array: 0 * enlarged(array)).moves


def test_resized_says_what_does_not_fit():
    small, large = Tensor(np.ones((1, 2, 2, 3)), requires_grad=True), Tensor(np.ones((1, 4, 4, 3)), requires_grad=True)
    optimizer = optim.Adam([small])
    with pytest.raises(InputError, match=r"resized: resize gives shape \(1, 2, 2, 3\); expected \(1, 4, 4, 3\)"):
        optimizer.resized([large], lambda array: array)
    with pytest.raises(InputError, match="resized: parameters are 2; expected 1, as before"):
        optimizer.resized([large, large], enlarged)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.LBFGS])
@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (math.nan, 1)])
def test_bounds_are_low_and_high(make, bounds):
    with pytest.raises(InputError, match=r"optimizer: bounds is .*; expected \(low, high\)"):
        make([Tensor(np.ones(2), requires_grad=True)], bounds=bounds)
