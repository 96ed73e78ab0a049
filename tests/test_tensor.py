"""The engine: what a Tensor remembers, how gradients flow back, and that nothing is kept longer than needed."""

import contextvars
import gc
import itertools
import operator
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from minicnn import nn, ops
from minicnn.errors import InputError
from minicnn.gradients.checking import gradcheck
from minicnn.nn import frozen
from minicnn.operation import no_grad, op
from minicnn.ops import activations
from minicnn.tensor import Tensor


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def leaf(*shape, seed=0, dtype=np.float64):
    return Tensor(normal(*shape, seed=seed, dtype=dtype), requires_grad=True)


def refused(message, function, *arguments, error=InputError, **options):
    """The call raises `error` with one line that contains `message`."""
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# A Tensor


def test_an_array_is_wrapped_without_a_copy():
    array = normal(2, 3)
    tensor = Tensor(array, name="picture")
    assert tensor.data is array and tensor.numpy() is array and Tensor(tensor).data is array
    assert (tensor.shape, tensor.dtype, tensor.ndim, tensor.size, len(tensor)) == ((2, 3), np.float64, 2, 6, 2)
    assert tensor.grad is None and not tensor.requires_grad and tensor.name == "picture"
    assert tensor.to("cpu") is tensor


def test_numbers_and_lists_become_arrays():
    assert Tensor(2.5).item() == float(Tensor(2.5)) == 2.5
    assert Tensor([1, 2]).dtype.kind == "i" and Tensor([True]).dtype == bool
    assert [part.item() for part in Tensor([1.0, 2.0])] == [1.0, 2.0]


@pytest.mark.parametrize("data", ["abc", None, 1j, [object()], np.array(["a"]), np.datetime64("2020-01-01")])
def test_what_is_no_number_is_refused(data):
    refused("Tensor: data has dtype", Tensor, data)


def test_a_ragged_list_is_refused_by_tensors_and_by_ops():
    refused("Tensor: a list is ragged", Tensor, [[1.0, 2.0], [3.0]])
    refused("relu: a list is ragged", ops.relu, [[1.0, 2.0], [3.0]])
    refused("add: a list is ragged", ops.add, Tensor([1.0]), [[1.0, 2.0], [3.0]])


def test_integers_cannot_require_a_gradient():
    refused("requires_grad needs floating-point data; data has dtype int64", Tensor, np.arange(3), requires_grad=True)


def test_the_text_form_tells_values_dtype_name_and_origin():
    x = Tensor(np.float32([1, 2]), requires_grad=True, name="x")
    assert repr(x) == "Tensor 'x'([1. 2.], float32, requires_grad)"
    assert "made by mul" in repr(x * 2) and "made by" not in repr(x.detach())
    assert repr(Tensor(np.zeros((3, 50, 2), np.float32))).endswith("]]], (3, 50, 2) float32)")
    assert repr(Tensor(np.zeros((0, 3)))).endswith(", (0, 3) float64)")


def test_the_text_form_shows_twenty_numbers_of_four_digits_or_the_shape():
    assert repr(Tensor([1 / 3])) == "Tensor([0.3333], float64)"
    assert "(20,)" not in repr(Tensor(np.zeros(20))) and "..." not in repr(Tensor(np.zeros(20)))
    assert repr(Tensor(np.zeros(21))).endswith(", (21,) float64)") and "..." in repr(Tensor(np.zeros(21)))


def test_an_unknown_device_is_refused():
    refused("to: device is 'gpu'", Tensor(1.0).to, "gpu")


def test_detach_shares_values_and_forgets_the_graph():
    x = leaf(3)
    y = (x * 2).detach()
    assert not y.requires_grad
    z = (x * 2 * y).sum()
    z.backward()
    assert_allclose(x.grad, 2 * y.data)  # y counted as a constant


# Operators


KINDS = {
    "tensor": lambda array: Tensor(array),
    "array": lambda array: array,
    "python number": lambda array: 1.5,
    "NumPy number": lambda array: np.float64(1.5),
    "NumPy float32": lambda array: np.float32(1.5),
    "array without axes": lambda array: np.array(1.5),
    "integer": lambda array: 2,
    "list": lambda array: array.tolist(),
}
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}


def value_of(operand):
    return operand.data if isinstance(operand, Tensor) else np.asarray(operand)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_take_every_kind_of_operand_on_either_side_and_broadcast(symbol, kind):
    random = np.random.default_rng(0)
    array, other = random.uniform(0.5, 2, (3, 1, 4)), KINDS[kind](random.uniform(0.5, 2, (2, 4)))
    apply = OPERATORS[symbol]
    for left, right in ((Tensor(array), other), (other, Tensor(array))):
        result = apply(left, right)
        assert type(result) is Tensor
        assert_allclose(result.data, apply(value_of(left), value_of(right)), rtol=1e-14)
    assert gradcheck(lambda x: apply(x, other), array).ok
    assert gradcheck(lambda x: apply(other, x), array).ok


@pytest.mark.parametrize(
    ("shape", "other"), [((2, 1, 1), (2, 4, 1)), ((1, 3, 1), (2, 3, 1)), ((1, 1), (3, 1, 4)), ((3, 1), (2, 3, 1))]
)
def test_gradients_are_summed_over_stretched_axes_beside_axes_of_one(shape, other):
    x, y = normal(*shape), normal(*other, seed=1)
    assert gradcheck(ops.mul, [x, y]).ok


@pytest.mark.parametrize("kind", ["tensor", "array", "list"])
def test_matrix_product_on_either_side(kind):
    x, other = leaf(3, 4), KINDS[kind](normal(4, 3, seed=1))
    assert_allclose((x @ other).data, x.data @ value_of(other))
    assert_allclose((other @ x).data, value_of(other) @ x.data)
    assert gradcheck(lambda t: (t @ other).sum() * (other @ t), x).ok


def test_two_tensors_collect_gradients_of_their_own_shapes():
    x, y = leaf(3, 1, 4), leaf(2, 4, seed=1)
    (x * y).sum().backward()
    assert_allclose(x.grad, np.broadcast_to(y.data.sum(axis=0), (3, 1, 4)))
    assert_allclose(y.grad, np.broadcast_to(x.data.sum(axis=(0, 1)), (2, 4)))


def test_negation_indexing_and_transposition():
    x = leaf(3, 4)
    assert_array_equal((-x).data, -x.data)
    assert_array_equal(x[1, ::2].data, x.data[1, ::2])
    assert_array_equal(x[Tensor([2, 0])].data, x.data[[2, 0]])
    assert_array_equal(x[x.data > 0].data, x.data[x.data > 0])
    assert_array_equal(x.T.data, x.data.T)
    assert gradcheck(lambda t: (-t)[1:, ::2].T @ t[:2], normal(3, 4)).ok


def test_methods_are_the_ops():
    x = leaf(2, 3, 4)
    assert_array_equal(x.sum(axis=(0, 2), keepdims=True).data, x.data.sum(axis=(0, 2), keepdims=True))
    assert_array_equal(x.mean(axis=-1).data, x.data.mean(axis=-1))
    assert_array_equal(x.max(axis=1).data, x.data.max(axis=1))
    assert x.sum().shape == x.mean().shape == x.max().shape == ()
    assert x.reshape(6, 4).shape == x.reshape((6, 4)).shape == x.reshape(-1, 4).shape == (6, 4)
    assert x.transpose().shape == (4, 3, 2) and x.transpose(0, 2, 1).shape == x.transpose((0, -1, 1)).shape == (2, 4, 3)


@pytest.mark.parametrize(("shape", "flat"), [((0, 2, 3), (0, 6)), ((2, 3, 4), (2, 12)), ((3,), (3, 1))])
def test_an_empty_batch_is_flattened_too(shape, flat):
    x = Tensor(np.ones(shape), requires_grad=True)
    y = ops.flatten(x)
    y.sum().backward()
    assert y.shape == flat and x.grad.shape == shape


def test_the_gradient_of_a_maximum_is_shared_by_ties():
    x = Tensor([[1.0, 3.0, 3.0]], requires_grad=True)
    x.max(axis=1).sum().backward()
    assert_array_equal(x.grad, [[0, 0.5, 0.5]])


@pytest.mark.parametrize("shape", [(5, 2), (-1, 4), (7,)])
def test_a_shape_that_does_not_fit_is_refused(shape):
    refused("reshape: x has shape (2, 3), 6 elements; cannot become", leaf(2, 3).reshape, shape)


@pytest.mark.parametrize(
    ("x", "y"), [(np.ones((2, 3)), np.ones((2, 3))), (np.ones(3), np.ones(4)), (2.0, np.ones(3)), (np.ones(3), 2.0)]
)
def test_matrices_that_do_not_chain_are_refused(x, y):
    refused("do not chain; expected (…, M, K) and (…, K, N)", ops.matmul, x, y)


# Data types


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("kind", ["python number", "NumPy number", "NumPy float32", "array without axes", "integer"])
def test_float32_stays_float32_beside_any_number(symbol, kind):
    x = Tensor(np.float32([0.5, 1.5]), requires_grad=True)
    number, apply = KINDS[kind](None), OPERATORS[symbol]
    for y in (apply(x, number), apply(number, x)):
        y.sum().backward()
        assert y.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_survives_a_chain_of_ops(dtype):
    x = leaf(2, 4, dtype=dtype)
    y = ops.softmax(ops.sqrt(ops.square(ops.tanh(x * 0.5 - 1) / 3 + 2)) ** 2).mean(axis=1) * np.float64(2)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == dtype


def test_a_number_alone_is_an_array_to_every_op():
    assert ops.softplus(0.0).item() == pytest.approx(np.log(2))
    assert ops.sum(3).item() == 3 and ops.relu(-2.0).item() == 0 and ops.clip(5.0, 0, 1).item() == 1


def test_mixed_dtypes_give_each_input_a_gradient_of_its_own_dtype():
    x, y = leaf(3, dtype=np.float32), leaf(3, dtype=np.float64)
    z = x * y
    assert z.dtype == np.float64
    z.sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


# Accumulation


def test_what_a_closure_keeps_is_not_added_to():
    """Cotangents are added in place only where nobody else can look: not into an array that a closure handed out."""
    kept = np.ones((600, 600))  # large enough for the compiled sum
    before = kept.copy()

    @op
    def careless(x):
        def backward(dy):
            return kept

        return x * 1.0, backward

    x = Tensor(np.zeros((600, 600)), requires_grad=True)
    middle = x * 2.0
    (careless(middle).sum() + careless(middle).sum() + (middle * 3.0).sum()).backward()
    assert_array_equal(kept, before)
    assert_array_equal(x.grad, np.full((600, 600), 2 * (1 + 1 + 3.0)))


def test_one_array_for_two_inputs_is_not_added_to():
    @op
    def both(x, y):
        def backward(dy):
            gradient = 2 * dy
            return gradient, gradient

        return x + y, backward

    a, b = leaf(3), leaf(3, seed=1)
    u, v = a * 1.0, b * 1.0
    earlier = u * 10.0  # made first, so u has a cotangent when both gives it another
    (earlier + both(u, v)).sum().backward()
    assert_array_equal(a.grad, np.full(3, 12.0))
    assert_array_equal(b.grad, np.full(3, 2.0))


def test_an_op_that_adds_to_a_cotangent_touches_no_array_that_others_can_see():
    """+ hands one and the same cotangent on to both of its inputs; the Gram matrix, run next, may not add to that."""

    def both(x, y):
        features, others = x * 2.0, y * 3.0
        return ops.square(features + others).sum() + ops.square(ops.gram_matrix(features)).sum()

    gradcheck(both, [leaf(1, 8, 3), leaf(1, 8, 3, seed=1)])


@pytest.mark.parametrize("use", [lambda f: f * f, lambda f: f * 3.0 + f, lambda f: ops.conv(f, normal(1, 3, 3))])
def test_an_op_that_adds_to_a_cotangent_adds_the_whole_of_its_gradient(use):
    gradcheck(lambda x: use(x * 2.0).sum() + ops.square(ops.gram_matrix(x * 2.0)).sum(), [leaf(1, 8, 3)])

    def shared(x):
        features = x * 2.0
        return use(features).sum() + ops.square(ops.gram_matrix(features)).sum()

    gradcheck(shared, [leaf(1, 8, 3)])


def test_gradients_add_up_where_a_result_fans_out():
    x = leaf(3)
    y = x * 2
    (y * y + y + y * x).sum().backward()
    assert_allclose(x.grad, 8 * x.data + 2 + 4 * x.data)


def test_one_tensor_may_be_several_inputs_of_one_op():
    x = leaf(3)
    (x * x).sum().backward()
    assert_allclose(x.grad, 2 * x.data)
    x.grad = None
    ops.concat([x, x, x], axis=0).sum().backward()
    assert_array_equal(x.grad, [3, 3, 3])


def test_gradients_add_up_over_calls_of_backward():
    x = leaf(3)
    for _ in range(3):
        (x * 2).sum().backward()
    assert_array_equal(x.grad, [6, 6, 6])
    x.backward(np.ones(3))  # a leaf is its own graph
    assert_array_equal(x.grad, [7, 7, 7])


def test_every_use_is_summed_before_a_node_is_visited():
    x = leaf()
    visits = []

    @op
    def watched(x):
        def backward(dy):
            visits.append(float(dy))
            return dy

        return x.copy(), backward

    y = watched(x)
    late = y
    for _ in range(5):
        late = late * 1.0
    (y + late + y * 3.0).backward()
    assert visits == [5.0]


def test_leaves_own_their_gradients():
    x, y = leaf(3), leaf(3, seed=1)
    cotangent = np.ones(3)
    z = x + y
    z.retain_grad()
    z.backward(cotangent)
    assert x.grad is not y.grad
    arrays = [x.grad, y.grad, z.grad, cotangent]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    x.grad += 1
    assert_array_equal(y.grad, np.ones(3))


def test_gradients_can_be_written_to_also_where_backward_broadcasts():
    x = leaf(3)
    x.sum().backward()
    x.grad *= 2
    assert_array_equal(x.grad, [2, 2, 2])


def test_only_what_requires_a_gradient_gets_one():
    x, y = leaf(3), Tensor(normal(3, seed=1))
    z = (x * y + y).sum()
    assert z.requires_grad and not (y * 2).requires_grad
    z.backward()
    assert x.grad is not None and y.grad is None and z.grad is None


def test_retain_grad_keeps_the_gradient_of_an_intermediate_result():
    x = leaf(3)
    y = x * 3
    assert y.retain_grad() is y
    (y * y + y).sum().backward()
    assert_allclose(y.grad, 2 * y.data + 1)
    assert_allclose(x.grad, 3 * y.grad)
    assert x.retain_grad() is x  # a leaf keeps its gradient anyway


# Errors of backward


def test_backward_without_anything_to_differentiate_is_refused():
    refused("backward: nothing that this Tensor was made from requires a gradient", Tensor(1.0).backward)


def test_backward_of_many_elements_needs_a_gradient_of_their_shape():
    x = leaf(2, 3)
    y = x * 2
    refused("backward: self has shape (2, 3); pass a gradient", y.backward)
    refused("backward: gradient has shape (3,); expected (2, 3)", y.backward, np.ones(3))
    y.backward(np.full((2, 3), 2))  # after the refusals the graph is whole; integers are taken as numbers
    assert_array_equal(x.grad, np.full((2, 3), 4.0))


def test_one_element_needs_no_gradient_whatever_its_shape():
    x = leaf(1, 1)
    (x * 3).backward()
    assert_array_equal(x.grad, [[3.0]])


def test_a_second_backward_on_a_freed_graph_gives_one_line():
    x = leaf(3)
    y = (x * 2).retain_grad()
    loss = y.sum()
    loss.backward()
    refused("backward: the graph of sum was freed by an earlier backward; run forward again", loss.backward)
    refused("backward: the graph of mul was freed", y.backward, np.ones(3))
    assert_array_equal(x.grad, [2, 2, 2])
    assert_array_equal(y.grad, [1, 1, 1])  # what is refused changes nothing


def test_a_part_of_a_freed_graph_cannot_be_used_again():
    x = leaf(3)
    y = x * 2
    first, second = y.sum(), (y * y).sum()
    first.backward()
    refused("the graph of mul was freed", second.backward)


def test_a_failing_backward_is_named_in_the_traceback(monkeypatch):
    def broken(kernels, dy, active):
        raise RuntimeError("planted")

    y = ops.relu(leaf(3)).sum()
    monkeypatch.setattr(activations, "relu_rule", broken)
    with pytest.raises(RuntimeError, match="planted") as caught:
        y.backward()
    assert "in relu.backward" in "".join(traceback.format_exception(caught.value))


def test_a_missing_argument_is_named():
    refused("mul: missing argument 'y'", ops.mul, leaf(3), error=TypeError)


def test_array_inputs_may_be_given_by_name():
    x, w, b = leaf(2, 3), leaf(3, 4, seed=1), leaf(4, seed=2)
    ops.linear(x, b=b, w=w).sum().backward()
    assert_allclose(b.grad, [2, 2, 2, 2])
    assert_allclose(w.grad, np.repeat(x.data.sum(axis=0)[:, None], 4, axis=1))


# Depth


CHAIN = 20_000


def test_a_chain_of_20000_ops_runs_forward_and_backward_and_is_deleted():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(CHAIN // 2):
        y = y * 1.0 + 0.5
    assert y.item() == 1 + CHAIN / 4
    y.backward()
    assert x.grad == 1
    last = weakref.ref(y)
    del y
    assert last() is None


def test_a_chain_that_was_never_differentiated_is_deleted():
    x = Tensor(1.0, requires_grad=True)
    y = x * 1.0
    first = weakref.ref(y._node)
    for _ in range(CHAIN):
        y = y + 0.5
    del y
    assert first() is None


def test_a_long_chain_of_forks_visits_each_node_once():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5_000):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad == 1


# Memory


@pytest.fixture
def without_collector():
    """Reference counting alone: what survives sits in a cycle or is held."""
    ops.max_pool(ops.conv(leaf(1, 6, 6, 2), leaf(3, 3, 2, 4), leaf(4)), 2)  # to compile a kernel leaves frames behind
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("differentiate", [False, True])
@pytest.mark.usefixtures("without_collector")
def test_nothing_is_alive_after_the_result_is_deleted(differentiate):
    x, w, b = leaf(1, 6, 6, 2), leaf(3, 3, 2, 4, seed=1), leaf(4, seed=2)
    hidden = ops.conv(x, w, b, activation="relu")
    pooled = ops.max_pool(hidden, 2)
    normalized = ops.batch_norm(pooled, np.ones(4), np.zeros(4), np.zeros(4), np.ones(4), eps=1e-3, training=True)
    loss = ops.square(ops.gram_matrix(normalized)).sum()
    held = [weakref.ref(t) for t in (hidden, pooled, normalized, loss)]
    held += [weakref.ref(t.data) for t in (hidden, pooled, normalized)]
    held += [weakref.ref(t._node) for t in (hidden, pooled, normalized, loss)]
    held += [weakref.ref(t._node.backward) for t in (hidden, pooled, normalized, loss)]
    assert all(reference() is not None for reference in held)
    if differentiate:
        loss.backward()
    del hidden, pooled, normalized, loss
    assert [reference() for reference in held] == [None] * len(held)


@pytest.mark.usefixtures("without_collector")
def test_a_retained_gradient_keeps_nothing_alive():
    x = leaf(3)
    y = (x * 2).retain_grad()
    loss = y.sum()
    held = weakref.ref(y), weakref.ref(y._node)
    del y  # its gradient is no longer wanted by anyone
    assert held[0]() is None and held[1]() is not None
    loss.backward()
    del loss
    assert held[1]() is None
    y = (x * 2).retain_grad()
    held = weakref.ref(y), weakref.ref(y._node)
    del y
    assert [reference() for reference in held] == [None, None]


@pytest.mark.usefixtures("without_collector")
def test_backward_frees_what_the_closures_kept_although_the_result_lives():
    x = leaf(3)
    y = ops.exp(x)  # keeps its result
    loss = ops.square(y).sum()
    kept = weakref.ref(y.data)
    del y
    assert kept() is not None
    loss.backward()
    assert kept() is None and loss.item() > 0


@pytest.mark.usefixtures("without_collector")
def test_a_layer_keeps_only_what_the_wanted_gradients_need():
    filters = {ops.conv: (1, 1, 2, 2), ops.locally_connected: (3, 3, 1, 1, 2, 2)}
    for (layer, shape), wanted in itertools.product(filters.items(), "xw"):
        whole = {"x": Tensor(np.ones((1, 3, 3, 2)), requires_grad=wanted == "x")}
        whole["w"] = Tensor(np.ones(shape), requires_grad=wanted == "w")
        x, w = whole["x"] * 1.0, whole["w"] * 1.0
        kept = {"x": weakref.ref(x.data), "w": weakref.ref(w.data)}
        y = layer(x, w)
        del x, w
        assert {name: array() is not None for name, array in kept.items()} == {"x": wanted == "w", "w": wanted == "x"}
        y.sum().backward()
        assert (whole[wanted].grad != 0).all()


@pytest.mark.usefixtures("without_collector")
def test_backward_frees_the_younger_closures_before_it_runs_the_older():
    alive = []

    @op
    def oldest(x):
        def backward(dy):
            alive.append(kept() is not None)
            return dy

        return x.copy(), backward

    x = leaf(3)
    y = ops.exp(oldest(x))
    kept = weakref.ref(y.data)
    loss = ops.square(y).sum()
    del y
    loss.backward()
    assert alive == [False]


@pytest.mark.usefixtures("without_collector")
def test_a_failing_backward_leaves_no_cycle(monkeypatch):
    def broken(kernels, dy, active):
        raise RuntimeError("planted")

    y = ops.relu(leaf(3))
    node = weakref.ref(y._node)
    monkeypatch.setattr(activations, "relu_rule", broken)
    with pytest.raises(RuntimeError, match="planted") as caught:
        y.sum().backward()
    del y, caught
    assert node() is None


@pytest.mark.usefixtures("without_collector")
def test_a_convolution_with_constant_filters_keeps_neither_input_nor_result():
    x, w = leaf(1, 6, 6, 2), Tensor(normal(3, 3, 2, 4))
    middle = x * 1.0
    y = ops.conv(middle, w, activation="relu")
    held = weakref.ref(middle.data), weakref.ref(y.data)
    z = ops.avg_pool(y, 2)
    del middle, y
    assert [reference() for reference in held] == [None, None]
    z.sum().backward()
    assert np.abs(x.grad).max() > 0


@pytest.mark.usefixtures("without_collector")
def test_max_pooling_keeps_its_switches_and_not_its_input():
    x = leaf(1, 6, 6, 2)
    middle = x * 1.0
    held = weakref.ref(middle.data)
    y = ops.max_pool(middle, 2)
    del middle
    assert held() is None
    y.sum().backward()
    assert x.grad.sum() == y.size


# no_grad


def test_no_grad_as_a_block():
    x = leaf(3)
    with no_grad():
        y = x * 2
        with no_grad():
            pass
        z = x * 2
    assert not y.requires_grad and not z.requires_grad
    assert (x * 2).requires_grad


def test_no_grad_as_a_decorator_also_of_a_function_that_calls_itself():
    x = leaf(3)

    @no_grad()
    def halved(tensor, times):
        return tensor if times == 0 else halved(tensor * 0.5, times - 1)

    for _ in range(2):
        assert not halved(x, 3).requires_grad
        assert (x * 2).requires_grad


def test_no_grad_ends_with_an_error_too():
    with pytest.raises(InputError), no_grad():
        raise InputError("planted")
    assert (leaf(3) * 2).requires_grad


# frozen


def small_model():
    return nn.Sequential(nn.Conv1d(2, 3, 2, seed=0), nn.Linear(3, 2, seed=1))


def state_of(model):
    return [(p.requires_grad, p.data.flags.writeable) for p in model.parameters()]


def test_frozen_parameters_take_no_gradient_and_cannot_be_written():
    model, x = small_model(), leaf(1, 4, 2)
    model[0].b.requires_grad = False
    model[1].b.data.flags.writeable = False
    before = state_of(model)
    with frozen(model) as same:
        assert same is model
        assert state_of(model) == [(False, False)] * 4
        for parameter in model.parameters():
            with pytest.raises(ValueError, match="read-only"):
                parameter.data += 1
        model(x).sum().backward()
    assert state_of(model) == before
    assert all(p.grad is None for p in model.parameters()) and x.grad is not None


def test_frozen_ends_with_an_error_too():
    model = small_model()
    before = state_of(model)
    with pytest.raises(InputError), frozen(model):
        raise InputError("planted")
    assert state_of(model) == before
    model[0].w.data += 1


def test_frozen_blocks_nest_and_share_parameters():
    model = small_model()
    model.layers.append(model[1])  # the same layer twice
    before = state_of(model)
    with frozen(model):
        with frozen(model[0]):
            pass
        assert state_of(model) == [(False, False)] * 4
    assert state_of(model) == before


def test_backward_after_the_block_uses_what_the_forward_decided():
    model, x = small_model(), leaf(1, 4, 2)
    with frozen(model):
        y = model(x).sum()
    y.backward()
    assert x.grad is not None and all(p.grad is None for p in model.parameters())


# Threads


def in_a_thread(function):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_no_grad_belongs_to_its_thread():
    x = leaf(3)
    with no_grad():
        assert contextvars.Context().run(in_a_thread, lambda: (x * 2).requires_grad)
        here = contextvars.copy_context()
        assert not in_a_thread(lambda: here.run(lambda: (x * 2).requires_grad))
    inside, outside = threading.Event(), threading.Event()

    def other():
        with no_grad():
            inside.set()
            assert outside.wait(60)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(other)
        assert inside.wait(60)
        here = (x * 2).requires_grad
        outside.set()
        done.result()
    assert here


def test_a_function_decorated_with_no_grad_serves_several_threads_at_once():
    both = threading.Barrier(2)

    @no_grad()
    def inside():
        both.wait(60)
        result = leaf(3) * 2
        both.wait(60)
        return result.requires_grad

    def work():
        return inside(), (leaf(3) * 2).requires_grad

    with ThreadPoolExecutor(2) as pool:
        assert [f.result() for f in [pool.submit(work) for _ in range(2)]] == [(False, True)] * 2


def test_graphs_in_several_threads_do_not_disturb_each_other():
    def work(seed):
        x, w = leaf(1, 8, 8, 2, seed=seed), leaf(3, 3, 2, 4, seed=seed + 100)
        for _ in range(5):
            ops.square(ops.conv(x, w, activation="relu")).sum().backward()
        return x.grad, w.grad

    expected = [work(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    for (dx, dw), (dx_expected, dw_expected) in zip(found, expected, strict=True):
        assert_array_equal(dx, dx_expected)
        assert_array_equal(dw, dw_expected)
