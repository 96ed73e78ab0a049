"""Every row of op_cases: its gradient is right on both backends, and a wrong one would be noticed."""

import importlib
import pkgutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError
from minicnn.gradient_checking import gradcheck
from minicnn.op_cases import CASES
from minicnn.tensor import Tensor

BACKENDS = ("numpy", "numba")
# Inputs that a row's op rightly ignores: batch normalization in training uses the batch's own statistics.
IGNORED = {"batch_norm-training": (3, 4)}

each_case = pytest.mark.parametrize("case", CASES, ids=str)
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
        for module in [*modules, importlib.import_module("minicnn.tensor")]
        for name, value in vars(module).items()
        if hasattr(value, "__wrapped__") and value.__module__.startswith(("minicnn.ops.", "minicnn.tensor"))
    }
    assert {"relu", "conv", "add"} <= decorated
    hidden = {name for name in decorated - set(ops.__all__) if not name.startswith("_")}
    assert hidden == {"no_grad"}  # a context manager, which functools.wraps marks in the same way


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
@each_case
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
@pytest.mark.parametrize("case", [case for case in CASES if case.op in ("conv", "max_pool", "avg_pool")], ids=str)
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


@each_case
def test_the_wrapping_itself_changes_nothing(case):
    arrays = drawn(case)
    with use_backend("numpy"):
        for index in range(len(arrays)):
            assert gradcheck(with_wrong_gradient(case, index, lambda gradient: gradient), arrays).ok


@pytest.mark.parametrize("wrong", WRONG)
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
