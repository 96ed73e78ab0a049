"""Every row of gradients/cases.py: its gradient is right on both backends, and a wrong one would be noticed.

And what no row can hold: the points where gradients are a matter of agreement, and bad input.
"""

import importlib
import pkgutil

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError, InputError
from minicnn.gradients.cases import CASES
from minicnn.gradients.checking import gradcheck
from minicnn.survey import rows
from minicnn.tensor import Tensor

BACKENDS = ("numpy", "numba")
# Inputs that a row's op rightly ignores: batch normalization in training uses the batch's own statistics.
IGNORED = {"batch_norm-training": (3, 4), "batch_norm-training-relu": (3, 4)}

SLIDING = ("conv", "locally_connected", "max_pool", "avg_pool", "l2_pool", "local_response_norm")

each_case = pytest.mark.parametrize("case", CASES, ids=str)
ELSEWHERE = [row.case for row in rows() if row.case not in CASES]  # operations of styles and faces
each_case_anywhere = pytest.mark.parametrize("case", [*CASES, *ELSEWHERE], ids=str)
each_backend = pytest.mark.parametrize("backend", BACKENDS)


def drawn(case, dtype=np.float64, seed=0):
    return [array.astype(dtype) for array in case.draw(np.random.default_rng(seed))]


def result_and_gradients(case, arrays, wanted=None):
    """The op's result, and the gradient to every wanted input for a random cotangent (None where there is none)."""
    wanted = range(len(arrays)) if wanted is None else wanted
    tensors = [Tensor(array.copy(), requires_grad=i in wanted) for i, array in enumerate(arrays)]
    y = case.function(*tensors)
    y.backward(np.random.default_rng(1).standard_normal(y.shape).astype(y.dtype))
    return y.data, [tensor.grad for tensor in tensors]


def relative_error(actual, reference):
    return np.abs(actual - reference).max() / np.abs(reference).max()


# The rows are complete


def test_every_public_function_has_a_row():
    assert set(ops.__all__) == {case.op for case in CASES}


def test_every_op_of_the_package_is_public():
    modules = [importlib.import_module(f"minicnn.ops.{m.name}") for m in pkgutil.iter_modules(ops.__path__)]
    decorated = {
        name
        for module in modules
        for name, value in vars(module).items()
        if hasattr(value, "__wrapped__") and value.__module__.startswith("minicnn.ops.")
    }
    assert {"relu", "conv", "add"} <= decorated
    assert {name for name in decorated - set(ops.__all__) if not name.startswith("_")} == set()


def test_rows_have_names_of_their_own():
    assert len({str(case) for case in CASES}) == len(CASES)


# The gradients are right


@each_backend
@each_case
def test_gradients_agree_with_finite_differences(case, backend):
    arrays = drawn(case)
    with use_backend(backend):
        report = gradcheck(case.function, arrays)
    assert report.ok
    assert [found.checked for found in report.inputs] == [array.size for array in arrays]


@each_backend
@each_case_anywhere
def test_each_gradient_alone_is_the_one_among_all(case, backend):
    arrays = drawn(case)
    with use_backend(backend):
        y, together = result_and_gradients(case, arrays)
        for index in range(len(arrays)):
            y_again, alone = result_and_gradients(case, arrays, wanted=[index])
            assert_array_equal(y_again, y)
            assert [i for i, gradient in enumerate(alone) if gradient is not None and i != index] == []
            if together[index] is None:
                assert index in IGNORED[str(case)] and alone[index] is None
            else:
                assert_array_equal(alone[index], together[index])


@each_backend
@each_case
def test_constants_in_the_place_of_tensors_give_the_same_result(case, backend):
    arrays = drawn(case)
    with use_backend(backend):
        y = case.function(*arrays)
        assert not y.requires_grad
        assert_array_equal(y.data, case.function(*map(Tensor, arrays)).data)


# Single precision


@each_case
def test_float32_agrees_between_backends_and_keeps_its_dtype(case):
    arrays = drawn(case, np.float32)
    found = {}
    for backend in BACKENDS:
        with use_backend(backend):
            y, gradients = result_and_gradients(case, arrays)
        found[backend] = [y, *(g for g in gradients if g is not None)]
        assert {array.dtype for array in found[backend]} == {np.dtype(np.float32)}
    assert len(found["numpy"]) == len(found["numba"]) > 1
    for numba, numpy in zip(found["numba"], found["numpy"], strict=True):
        assert relative_error(numba, numpy) <= 1e-5


@each_backend
@pytest.mark.parametrize("case", [case for case in CASES if case.op in SLIDING], ids=str)
def test_float32_is_close_to_float64(case, backend):
    arrays = drawn(case, np.float32)
    with use_backend(backend):
        y, gradients = result_and_gradients(case, arrays)
        y_exact, exact = result_and_gradients(case, [array.astype(np.float64) for array in arrays])
    assert relative_error(y, y_exact) <= 2e-6
    for gradient, reference in zip(gradients, exact, strict=True):
        assert relative_error(gradient, reference) <= 2e-6


# A wrong gradient is noticed


def one_element_off(gradient):
    gradient.flat[gradient.size // 2] += 0.05
    return gradient


WRONG = {
    "zero": lambda gradient: 0 * gradient,
    "half": lambda gradient: 0.5 * gradient,
    "negated": lambda gradient: -gradient,
    "one element off": one_element_off,
}


@pytest.mark.parametrize(
    ("word", "option", "value"),
    [
        ("kept", "keepdims", True),
        ("counted", "count_include_pad", True),
        ("training", "training", True),
        ("squared", "squared", True),
        ("plain", "squared", False),
    ],
)
def test_a_row_has_the_option_that_it_is_named_by(word, option, value):
    named = [case.options[option] for case in CASES if word in case.name.split("-") and option in case.options]
    assert named and all(found is value for found in named)


def with_wrong_gradient(case, index, alter):
    """The row's function, with `alter` applied to what its backward returns for the input number `index`."""

    def function(*tensors):
        y = case.function(*tensors)
        if y.requires_grad:
            right = y._node.backward

            def wrong(dy):
                gradients = right(dy)
                gradients = list(gradients) if isinstance(gradients, tuple) else [gradients]
                part = gradients[index]
                gradients[index] = alter(np.zeros(tensors[index].shape) if part is None else np.array(part))
                return tuple(gradients)

            y._node.backward = wrong
        return y

    return function


@pytest.mark.thorough
@each_case
def test_the_wrapping_itself_changes_nothing(case):
    arrays = drawn(case)
    with use_backend("numpy"):
        for index in range(len(arrays)):
            assert gradcheck(with_wrong_gradient(case, index, lambda gradient: gradient), arrays).ok


@pytest.mark.parametrize(
    "wrong", [pytest.param(wrong, marks=[pytest.mark.thorough] * (wrong != "one element off")) for wrong in WRONG]
)
@each_case
def test_a_wrong_gradient_is_refused(case, wrong):
    arrays = drawn(case)
    for index in range(len(arrays)):
        if index in IGNORED.get(str(case), ()) and wrong != "one element off":
            continue  # the right gradient is zero, and so are its multiples
        with use_backend("numpy"), pytest.raises(GradcheckError) as caught:
            gradcheck(with_wrong_gradient(case, index, WRONG[wrong]), arrays)
        lines = str(caught.value).splitlines()
        accused = [line.strip() for line in lines if "entries wrong" in line]
        assert len(accused) == 1 and accused[0].startswith(f"input {index} ")


@pytest.mark.parametrize(("name", "indices"), IGNORED.items())
def test_ignored_inputs_have_no_influence(name, indices):
    case = next(case for case in CASES if str(case) == name)
    arrays = drawn(case)
    y, gradients = result_and_gradients(case, arrays)
    for index in indices:
        assert gradients[index] is None
        moved = [array + 1 if i == index else array for i, array in enumerate(arrays)]
        assert_array_equal(result_and_gradients(case, moved)[0], y)


# Where gradients are a matter of agreement, and where arithmetic could overflow


def gradient(function, *values):
    """The gradient of the sum of function(x) for x, a list of numbers."""
    x = Tensor(np.array(values), requires_grad=True)
    function(x).sum().backward()
    return x.grad


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (ops.relu, [-1.0, 0.0, 1.0], [0, 0, 1]),
        (lambda x: ops.leaky_relu(x, 0.5), [-1.0, 0.0, 1.0], [0.5, 0.5, 1]),
        (lambda x: ops.prelu(x, np.array([0.5, 0.5, 0.5])), [-1.0, 0.0, 1.0], [0.5, 0.5, 1]),
        (ops.abs, [-1.0, 0.0, 1.0], [-1, 0, 1]),
        (lambda x: ops.clip(x, -1, 2), [-1.5, -1.0, 2.0, 2.5], [0, 1, 1, 0]),
        (lambda x: ops.maximum(x, np.array([1.0, 2.0, 3.0])), [2.0, 2.0, 2.0], [1, 0.5, 0]),
        (lambda x: ops.minimum(x, np.array([1.0, 2.0, 3.0])), [2.0, 2.0, 2.0], [0, 0.5, 1]),
        (ops.max, [3.0, 1.0, 3.0, 3.0], [1 / 3, 0, 1 / 3, 1 / 3]),
        (lambda x: ops.l2_normalize(x) * 5.0, [0.0, 0.0], [5e6, 5e6]),  # a zero vector is divided by √eps
        (ops.sigmoid, [-1000.0, 0.0, 1000.0], [0, 0.25, 0]),
        (ops.softplus, [-1000.0, 0.0, 1000.0], [0, 0.5, 1]),
        (ops.tanh, [-1000.0, 0.0, 1000.0], [0, 1, 0]),
    ],
)
def test_gradients_at_kinks_ties_and_extremes(function, values, expected):
    assert_allclose(gradient(function, *values), expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_losses_of_extreme_logits_are_finite_and_right(scale):
    logits = Tensor(scale * np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]), requires_grad=True)
    loss = ops.cross_entropy(logits, np.array([0, 0])) + ops.binary_cross_entropy(logits, [[1, 0, 1], [1, 1, 0]])
    loss.backward()
    probabilities = np.exp(logits.data - logits.data.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    both = (probabilities - [[1, 0, 0], [1, 0, 0]]) / 2
    with np.errstate(over="ignore"):
        both += (1 / (1 + np.exp(-logits.data)) - [[1, 0, 1], [1, 1, 0]]) / 6
    assert_allclose(logits.grad, both, atol=1e-12)
    if scale == 1e4:
        assert_allclose(loss.item(), 1e4 + (1e4 + 2 * np.log(2)) / 6, rtol=1e-12)
    assert_allclose(ops.softmax(logits).data, probabilities, atol=1e-12)


def test_distances_between_a_point_and_itself_are_near_zero_and_have_gradients():
    x = Tensor((100 + np.random.default_rng(0).standard_normal((30, 7))).astype(np.float32), requires_grad=True)
    for squared in (True, False):
        distances = ops.pairwise_distances(x, x, squared=squared)
        assert (distances.data >= 0).all() and np.diag(distances.data).max() < 0.2
        distances.sum().backward()
        assert np.isfinite(x.grad).all()
    same = Tensor(np.ones((1, 2)), requires_grad=True)
    ops.pairwise_distances(same, same, squared=False).sum().backward()
    assert_array_equal(same.grad, [[0, 0]])


# Bad input


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (ops.cross_entropy, (ONES, [0, 1, 2]), "labels have shape (3,) and dtype int64; expected (2,) integers"),
        (ops.cross_entropy, (ONES, [0.0, 1.0]), "labels have shape (2,) and dtype float64; expected (2,) integers"),
        (ops.cross_entropy, (ONES, [0, 3]), "labels must be one or more integers in 0 … 2"),
        (ops.cross_entropy, (ONES, [0, -1]), "labels must be one or more integers in 0 … 2"),
        (ops.cross_entropy, (ONES[:0], np.zeros(0, int)), "labels must be one or more integers in 0 … 2"),
        (ops.cross_entropy, (ONES[0], [0]), "labels have shape (1,) and dtype int64"),
        (ops.binary_cross_entropy, (ONES, ONES.T), "labels have shape (3, 2); expected (2, 3), as logits"),
        (ops.binary_cross_entropy, (ONES, [[0, 1, 0], [0, 2, 0]]), "labels must lie in [0, 1]"),
        (ops.binary_cross_entropy, (ONES, [[0, 1, 0], [-1, 0, 0]]), "labels must lie in [0, 1]"),
        (ops.binary_cross_entropy, (ONES, np.nan * ONES), "labels must lie in [0, 1]"),
        (ops.pairwise_distances, (ONES, ONES.T), "x has shape (2, 3), y (3, 2); expected (N, D) and (M, D)"),
        (ops.pairwise_distances, (ONES, 1.0), "x has shape (2, 3), y (); expected (N, D) and (M, D)"),
        (ops.dropout, (ONES, 1), "rate is 1; expected 0 ≤ rate < 1"),
        (ops.dropout, (ONES, np.nan), "rate is nan; expected 0 ≤ rate < 1"),
        (ops.pad, (ONES, ((1, 1),)), "widths is ((1, 1),); expected 2 pairs (before, after), one an axis"),
        (ops.concat, ([],), "tensors is empty; expected at least one"),
        (ops.concat, ([ONES, ONES.T],), "shapes [(2, 3), (3, 2)] do not join along axis -1"),
        (ops.concat, ([ONES], 2), "shapes [(2, 3)] do not join along axis 2"),
        (ops.stack, ([],), "tensors have shapes []; expected at least one, and all of one shape"),
        (
            ops.stack,
            ([ONES, ONES.T],),
            "tensors have shapes [(2, 3), (3, 2)]; expected at least one, and all of one shape",
        ),
        (ops.squeeze, (ONES, 1), "x has shape (2, 3); expected length 1 along axis 1"),
        (ops.squeeze, (ONES[:1], (0, 1)), "x has shape (1, 3); expected length 1 along axis (0, 1)"),
        (ops.reshape, (ONES, (4, 2)), "x has shape (2, 3), 6 elements; cannot become (4, 2)"),
    ],
)
def test_bad_input_is_named_in_one_line(function, arguments, message):
    options = {"squared": True} if function is ops.pairwise_distances else {}
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    assert str(caught.value).startswith(f"{function.__name__}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("smoothing", [-0.1, 1, np.nan])
def test_a_share_of_all_classes_is_less_than_the_whole(smoothing):
    with pytest.raises(InputError) as caught:
        ops.cross_entropy(ONES, [0, 1], smoothing=smoothing)
    assert str(caught.value) == f"cross_entropy: smoothing is {smoothing!r}; expected a number from 0 to below 1"
