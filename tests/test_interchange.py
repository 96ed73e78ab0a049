"""What Python and NumPy ask of a Tensor: numbers, text, comparison, arrays, and the functions of NumPy."""

import math
import operator

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minicnn
from minicnn import InputError, Tensor, devices, gradcheck, no_grad, ops


def plain(*values):
    return Tensor(np.float32(values))


def wanting(*values):
    return Tensor(np.float32(values), requires_grad=True)


def refused(message, function, *arguments, error=InputError, **options):
    """The call raises `error` with one line that contains `message`."""
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


class Elsewhere(np.ndarray):
    """An array that says it is on a GPU, as CuPy's do."""

    __cuda_array_interface__ = {}  # noqa: RUF012


# Arrays


def test_an_array_of_a_tensor_holds_its_values_and_shares_them():
    t = plain(1, 2, 3)
    array = np.asarray(t)
    assert type(array) is np.ndarray and array.dtype == np.float32 and np.shares_memory(array, t.data)
    assert not np.shares_memory(np.array(t), t.data) and not np.shares_memory(np.asarray(t, copy=True), t.data)
    assert np.asarray(t, dtype=np.float64).dtype == np.float64 and np.array(t, dtype=int).tolist() == [1, 2, 3]
    assert np.shares_memory(np.array(t, copy=False), t.data)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, dtype=np.float64, copy=False)
    assert_array_equal(np.array([t, t]), [[1, 2, 3], [1, 2, 3]])
    assert np.array([Tensor(1.0), Tensor(2.0)]).tolist() == [1, 2]


@pytest.mark.parametrize("give", [lambda t: t, lambda t: t * 2, lambda t: t.sum()], ids=["leaf", "result", "number"])
@pytest.mark.parametrize("take", [np.asarray, np.array, lambda t: np.array([t, t]), lambda t: Tensor([t, t])])
def test_an_array_of_what_requires_a_gradient_is_refused_with_the_way_out(give, take):
    t = give(wanting(1, 2))
    refused("requires a gradient, which arrays lack; use .detach() or .numpy()", take, t)
    assert_array_equal(np.asarray(t.detach()), t.numpy())
    refused("requires a gradient", ops.add, 1.0, [t, t])


def test_what_lives_on_a_gpu_is_no_array_and_meets_none_of_the_host():
    far = Tensor(np.ones(3).view(Elsewhere))
    assert far.device == "cuda"
    refused("np.asarray: the Tensor is on a GPU; use .numpy() to copy its values", np.asarray, far)
    message = "lives on 'cuda', {} lives on 'cpu'; move one by .to(device), or a whole model by model.to(device)"
    refused(f"add: x {message.format('y')}", ops.add, far, plain(1, 2, 3))
    refused(f"concat: parts[0] {message.format('parts[1]')}", ops.concat, [far, plain(1, 2, 3)])


def test_without_minicnn_fast_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(devices, "_open_gpu", devices._no_gpu)
    refused("cuda: minicnn.fast, which computes on GPUs, is not installed", plain(1).to, "cuda")


def test_results_under_no_grad_become_arrays():
    with no_grad():
        y = wanting(1, 2) * 2
    assert np.asarray(y).tolist() == [2, 4]


# Functions of NumPy


@pytest.mark.parametrize(
    "function",
    [
        *(np.sum, np.mean, np.std, np.median, np.exp, np.sqrt, np.add.reduce, np.cumsum, np.linalg.norm, np.floor),
        *(np.atleast_2d, np.histogram, lambda t: np.concatenate([t, t]), lambda t: np.stack((t, t)), np.ravel),
        *(lambda t: np.where(t > 1, t, 0), lambda t: np.maximum(t, 2), lambda t: np.clip(t, 0, 1)),
        *(lambda t: np.einsum("i,i", t, t), lambda t: np.interp(1.5, t, t), lambda t: np.max(a=t), np.negative),
    ],
)
def test_functions_of_numpy_give_values(function):
    t = plain(1, 2, 3)
    value, expected = function(t), function(t.data)
    for one, other in zip(*((v if isinstance(v, tuple) else (v,)) for v in (value, expected)), strict=True):
        assert type(one) is type(other) and one.dtype == other.dtype != object
        assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("function", "name", "advice"),
    [
        (np.exp, "np.exp", "use minicnn.ops.exp"),
        (np.sum, "np.sum", "use minicnn.ops.sum"),
        (np.negative, "np.negative", "use minicnn.ops.neg"),
        (lambda t: np.concatenate([t, t]), "np.concatenate", "use minicnn.ops.concat"),
        (lambda t: np.maximum(t, 0), "np.maximum", "use minicnn.ops.maximum"),
        (lambda t: np.minimum(plain(0), t), "np.minimum", "use minicnn.ops.minimum"),
        (lambda t: np.moveaxis(t, 0, 0), "np.moveaxis", "use minicnn.ops.transpose"),
        (lambda t: np.add(t, 1, dtype=float), "np.add", "use minicnn.ops.add"),
        (np.std, "np.std", "use minicnn.ops.std"),
        (np.median, "np.median", "compose it from minicnn.ops"),
        (np.linalg.det, "np.linalg.det", "compose it from minicnn.ops"),
    ],
)
def test_functions_of_numpy_that_would_lose_a_gradient_name_the_op(function, name, advice):
    message = f"{name}: a Tensor requires a gradient; {advice}, or .detach() for values without one"
    refused(message, function, wanting(1, 2))
    refused(message, function, wanting(1, 2) * 2)


def test_functions_through_which_no_gradient_flows_take_any_tensor():
    t = wanting(3, 1, 2)
    assert np.argmax(t) == 0 and np.argsort(t).tolist() == [1, 2, 0] and np.shape(t) == (3,) and np.ndim(t) == 1
    assert np.allclose(t, [3, 1, 2]) and np.array_equal(t, t) and np.isfinite(t).all()
    assert type(np.zeros_like(t)) is np.ndarray and np.zeros_like(t).dtype == np.float32


def test_operators_of_arrays_are_operations_in_numpys_own_words_too():
    x = np.array([1.0, 2.0])
    for function in (np.add, np.subtract, np.multiply, np.divide, np.power):
        assert type(function(x, Tensor(x))) is type(function(Tensor(x), x)) is Tensor
        assert gradcheck(lambda t, function=function: function(x, t) * function(t, 1.5), x)
    assert gradcheck(lambda t: np.matmul(np.ones((2, 2)), t) @ x, x)


def test_an_array_takes_a_tensor_in_place_if_no_gradient_is_lost():
    total = same = np.zeros(2)
    total += Tensor([1.0, 2.0])
    assert total is same and total.tolist() == [1, 2]
    refused("use minicnn.ops.add", operator.iadd, total, wanting(1, 2))
    assert total.tolist() == [1, 2]


# Numbers and text


def test_one_element_is_a_number_and_a_condition_whatever_its_shape():
    for t in (Tensor(2.5), Tensor([2.5]), Tensor([[2.5]], requires_grad=True)):
        assert (float(t), int(t), bool(t), complex(t), t.item(), math.sqrt(t)) == (2.5, 2, True, 2.5, 2.5, 2.5**0.5)
    assert not Tensor(0.0) and not Tensor([[0]]) and Tensor([False, True])[1]
    assert int(Tensor(-1.7)) == -1 and type(int(Tensor(3))) is int


@pytest.mark.parametrize("convert", [bool, float, int, Tensor.item])
@pytest.mark.parametrize("shape", [(2,), (0,), (1, 2)])
def test_several_elements_are_no_number_and_no_condition(convert, shape):
    refused(f"Tensor: shape {shape} is not one number", convert, Tensor(np.zeros(shape)))


def test_an_integer_without_axes_is_an_index():
    i, steps = Tensor(2), np.arange(5)
    assert operator.index(i) == 2 and list(range(i)) == [0, 1] and "abc"[i] == "c" and steps[i] == 2
    assert steps[Tensor([2])].tolist() == [2]  # an axis stays an axis, as with arrays
    for t in (Tensor(2.0), Tensor([2]), plain(1, 2)):
        refused("expected an integer without axes", operator.index, t, error=TypeError)


def test_a_number_is_formatted_as_one():
    assert f"{Tensor(2.5):.2f}" == "2.50" and f"{Tensor(2.5)}" == "2.5" and f"{Tensor(7):03d}" == "007"
    assert f"{wanting(1, 2)}" == repr(wanting(1, 2))
    refused("format: '.2f' is for one number; the Tensor has shape (2,)", format, plain(1, 2), ".2f")


def test_rows_are_counted_and_walked_through():
    t = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    assert len(t) == 3 and [row.shape for row in t] == [(2,)] * 3
    sum(row.sum() * k for k, row in enumerate(t)).backward()
    assert t.grad.tolist() == [[0, 0], [1, 1], [2, 2]]
    for walk in (len, iter):
        with pytest.raises(TypeError):
            walk(Tensor(1.0))


def test_the_absolute_value_is_the_op():
    assert gradcheck(lambda t: abs(t), np.array([-1.0, 2.0]))


# Comparison


OTHERS = {
    "Tensor": plain(2, 2, 2),
    "array": np.float64([2, 2, 2]),
    "list": [2, 2, 2],
    "number": 2,
    "NumPy number": np.float32(2),
    "Tensor without axes": Tensor(2.0, requires_grad=True),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("symbol", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparison_is_elementwise_on_either_side(symbol, kind):
    t, other, compare = wanting(1, 2, 3), OTHERS[kind], getattr(operator, symbol)
    assert type(compare(t, other)) is np.ndarray
    assert_array_equal(compare(t, other), compare(t.data, 2))
    assert_array_equal(compare(other, t), compare(2, t.data))


def test_comparison_broadcasts_and_refuses_what_does_not():
    t = Tensor(np.arange(6).reshape(2, 3))
    assert (t == Tensor([[1], [4]])).tolist() == [[False, True, False], [False, True, False]]
    refused("equal: shapes (2, 3) and (2,) do not broadcast", operator.eq, t, Tensor([1, 2]))
    assert t[t > 3].data.tolist() == [4, 5] and (t * (t > 3)).sum().item() == 9
    assert np.float32(0.1) == Tensor(np.float32(0.1)) and Tensor(np.float32([0.1]))[0] == 0.1


@pytest.mark.parametrize("other", [None, "a", object(), [None]])
def test_what_is_no_number_is_never_equal_and_has_no_order(other):
    t = plain(1, 2)
    assert (t == other) is False and (other == t) is False and (t != other) is True
    with pytest.raises(TypeError):
        t < other  # noqa: B015


def test_a_condition_on_several_elements_is_refused():
    with pytest.raises(ValueError, match="ambiguous"):
        bool(plain(1, 2) == plain(1, 2))


def test_a_tensor_is_hashed_by_identity():
    t, same = plain(1, 2), plain(1, 2)
    assert len({t, same}) == 2 and {t: "t", same: "same"}[t] == "t" and hash(t) != hash(same)


def test_values_are_found_in_a_tensor():
    t = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert 3 in t and 5 not in t and None not in t


# Figures


def test_figures_take_tensors(tmp_path):
    from matplotlib.figure import Figure

    random = np.random.default_rng(0)
    figure = Figure()
    axes = figure.subplots()
    image = axes.imshow(Tensor(random.random((4, 5, 3), np.float32)))
    assert image.get_array().shape == (4, 5, 3)
    x, losses = plain(1, 2, 3), [Tensor(0.5), Tensor(0.25), Tensor(0.125)]
    assert_array_equal(axes.plot(x)[0].get_ydata(), x.data)
    assert_array_equal(axes.plot(x, losses)[0].get_ydata(), [0.5, 0.25, 0.125])
    axes.scatter(x, x)
    axes.hist(x)
    axes.bar(x, x)
    axes.set_title(f"loss {losses[-1]:.3f}")
    figure.savefig(tmp_path / "figure.png")
    refused(".detach() or .numpy()", axes.imshow, Tensor(np.eye(3), requires_grad=True))
    refused(".detach() or .numpy()", axes.plot, wanting(1, 2))


# The package keeps Tensors apart by identity


def test_a_tape_keeps_equal_tensors_apart():
    with minicnn.record() as tape:
        x, y = wanting(1, 2), wanting(1, 2)
        z = (x * 2 + y * 3 + x).sum()
        z.backward()
    assert len(tape.find(x).uses) == 2 and len(tape.find(y).uses) == 1
    assert tape.find(x).gradient.tolist() == [3, 3] and tape.find(y).gradient.tolist() == [3, 3]
