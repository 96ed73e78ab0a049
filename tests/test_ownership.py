"""Who owns an array: gradients are added up in place only in arrays that nobody else can see."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import Tensor, ops
from minicnn.backend import use_backend
from minicnn.gradients.cases import CASES
from minicnn.operation import op

SIDE = 600  # large enough for the compiled sum
caller = []

# What an op's closure may keep its array in, and how its backward gets it out again.
KEEPERS = {
    "cell": (lambda a: a, lambda kept: kept),
    "tuple": (lambda a: (a, 1), lambda kept: kept[0]),
    "nested tuples": (lambda a: (((a,),),), lambda kept: kept[0][0][0]),
    "list": (lambda a: [a], lambda kept: kept[0]),
    "dict": (lambda a: {"y": a}, lambda kept: kept["y"]),
    "object": (lambda a: SimpleNamespace(y=a), lambda kept: kept.y),
    "view": (lambda a: {"y": a}, lambda kept: kept["y"].T.T[:]),
    "reshaped": (lambda a: {"y": a}, lambda kept: kept["y"].reshape(-1).reshape(a_shape)),
}
a_shape = (SIDE, SIDE)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("keeper", KEEPERS)
def test_what_an_op_keeps_is_never_added_to(keeper, backend):
    """An op that returns from its backward what it keeps, once as the first gradient to arrive, once as the second."""
    keep, take = KEEPERS[keeper]
    results = []

    @op
    def careless(x):
        y = np.array(x)
        kept = keep(y)
        results.append(y)
        return y, lambda dy: take(kept)

    with use_backend(backend):
        x = Tensor(np.ones(a_shape), requires_grad=True)
        w = x * 2.0
        first, second = careless(w), careless(w)
        (first + second + w).sum().backward()
    for y in results:
        assert_array_equal(y, np.full(a_shape, 2.0))
    assert_array_equal(x.grad, np.full(a_shape, 2 * (2.0 + 2.0 + 1)))


def test_a_result_kept_in_a_dict_survives_one_more_use_of_its_input():
    @op
    def keeps(x):
        kept = {"y": np.array(x)}
        return kept["y"], lambda dy: kept["y"]

    w = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True) * 1.0
    h = keeps(w)
    (w + h).sum().backward()
    assert_array_equal(h.data, [1, 2, 3])


def test_an_array_that_a_caller_keeps_is_never_added_to():
    handed_out = []

    @op
    def watched(x):
        def backward(dy):
            handed_out.append(dy * 3.0)
            return handed_out[-1]

        return x * 3.0, backward

    x = Tensor(np.ones(a_shape), requires_grad=True)
    w = x * 1.0
    (watched(w) + watched(w) + w).sum().backward()
    for gradient in handed_out:
        assert_array_equal(gradient, np.full(a_shape, 3.0))
    assert_array_equal(x.grad, np.full(a_shape, 7.0))


def test_the_gradient_that_backward_is_given_stays_as_it_was():
    given = np.ones(a_shape)
    x = Tensor(np.ones(a_shape), requires_grad=True)
    y = x + 0.0
    y.retain_grad()
    y.backward(given)
    x.grad += 1
    y.grad += 1
    assert_array_equal(given, np.ones(a_shape))


def test_a_leaf_does_not_keep_the_gradient_that_backward_is_given():
    x, gradient = Tensor(np.ones(3), requires_grad=True), np.ones(3)
    x.backward(gradient)
    x.backward(gradient)
    assert_array_equal(gradient, np.ones(3))
    assert_array_equal(x.grad, np.full(3, 2.0))


def test_two_leaves_never_share_a_gradient():
    x, y = (Tensor(np.ones(3), requires_grad=True) for _ in range(2))
    (x + y).backward(np.ones(3))
    x.grad += 1
    assert_array_equal(y.grad, np.ones(3))


def test_a_retained_gradient_is_not_added_to_by_what_follows():
    x = Tensor(np.ones(3), requires_grad=True)
    middle = (x * 2.0).retain_grad()
    (ops.exp(middle) * 1.0).sum().backward()
    kept = middle.grad.copy()
    x.grad[...] = np.nan
    assert_array_equal(middle.grad, kept)


# The promise: an op with fresh=True returns arrays made in that call and keeps none of them

FRESH = [case for case in CASES if getattr(getattr(ops, case.op), "fresh", False)]


def test_convolution_and_pooling_promise():
    assert {"conv", "max_pool", "avg_pool", "l2_pool", "locally_connected"} <= {case.op for case in FRESH}


def gradients_of(closure, cotangent):
    gradients = closure(cotangent)
    return [np.asarray(g) for g in (gradients if isinstance(gradients, tuple) else (gradients,)) if g is not None]


def test_who_does_not_promise_could_not():
    """Each hands on its cotangent, or a view that is not an array of its own, in one of its cases at least."""
    could = {}
    for case in CASES:
        if getattr(getattr(ops, case.op), "fresh", True):
            continue
        with use_backend("numpy"):
            y = case.function(*(Tensor(a, requires_grad=True) for a in case.draw(np.random.default_rng(0))))
        dy = np.ones(y.shape)
        gradients = gradients_of(y._node.backward, dy)
        own = all(g.flags.writeable and not np.may_share_memory(g, dy) for g in gradients)
        could[case.op] = could.get(case.op, True) and own
    assert could.pop("dropout")  # but not where it drops nothing
    assert {"add", "sum", "reshape"} <= could.keys() and not any(could.values()), could


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("case", FRESH, ids=str)
def test_a_promise_is_kept(case, backend, dtype):
    """Poison what backward returned: the next call must give the same as before, and nobody else may have seen it."""
    with use_backend(backend):
        inputs = [array.astype(dtype) for array in case.draw(np.random.default_rng(0))]
        before = [array.copy() for array in inputs]
        y = case.function(*(Tensor(array, requires_grad=True) for array in inputs))
        cotangent = np.asarray(np.random.default_rng(1).standard_normal(y.shape), dtype)
        result, given, closure = y.data.copy(), cotangent.copy(), y._node.backward
        gradients = gradients_of(closure, cotangent)
        expected = [gradient.copy() for gradient in gradients]
        for i, gradient in enumerate(gradients):
            others = [*inputs, y.data, cotangent, *gradients[:i]]
            assert not any(np.may_share_memory(gradient, other) for other in others)
            if gradient.ndim:  # without dimensions it is a number that was made an array here
                gradient[...] = np.nan
        for again, first in zip(gradients_of(closure, cotangent), expected, strict=True):
            assert_array_equal(again, first)
        assert_array_equal(y.data, result)
        assert_array_equal(cotangent, given)
        for array, was in zip(inputs, before, strict=True):
            assert_array_equal(array, was)
