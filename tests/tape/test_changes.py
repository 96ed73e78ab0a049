"""Arrays that a program changes in place between forward and backward: a tape and gradcheck name them."""

import numpy as np
import pytest

import minicnn
from minicnn import Tensor, gradcheck, nn, op, ops, optim
from minicnn.errors import GradcheckError
from minicnn.tape import InPlaceError, changes


def leaf(*values):
    return Tensor(np.array(values, np.float64), requires_grad=True)


def test_a_changed_operand_is_named_with_its_operation_line_and_element():
    x, weights = leaf(1, 2, 3), leaf(4, 5, 6)
    with minicnn.record():
        loss = (x * weights).sum()
        weights.data[1] = 7
        with pytest.raises(InPlaceError) as caught:
            loss.backward()
    message = str(caught.value)
    assert message.startswith("backward: weights, which mul (test_changes.py:") and "\n" not in message
    assert "was changed in place after the forward ([1] was 5, is 7)" in message


def test_a_changed_result_that_its_own_backward_needs_is_named():
    x = leaf(1, 2)
    with minicnn.record():
        y = ops.exp(x)
        loss = y.sum()
        y.data[:] = 0
    with pytest.raises(InPlaceError, match=r"y, which exp .* needs .*\[0\] was 2.71828, is 0"):
        loss.backward()  # after the block, and still on the tape


def test_a_result_that_changed_before_its_next_use_is_named():
    x = leaf(1, 2)
    with minicnn.record():
        doubled = x * 2
        doubled.data *= 3
        loss = doubled.sum()
        with pytest.raises(InPlaceError, match=r"doubled.*, the result of mul .* before sum .* \(\[0\] was 2, is 6\)"):
            loss.backward()


def test_a_result_of_two_operands_that_changed_before_its_next_use_is_named():
    a, b = (Tensor(np.array([2.0, 3.0]), requires_grad=True) for _ in range(2))
    with minicnn.record():
        y = a * b
        y.data += 1
        z = ops.square(y).sum()
        with pytest.raises(
            InPlaceError, match=r"^backward: y, the result of .*mul.*, was changed in place before .*square"
        ):
            z.backward()


def test_arrays_that_are_no_tensors_are_watched_too():
    x, mask = leaf(1, 2), np.array([1.0, 0.0])
    with minicnn.record():
        loss = (x * mask).sum()
        mask[:] = 1
        with pytest.raises(InPlaceError, match=r"mask, which mul .*\[1\] was 0, is 1"):
            loss.backward()


def test_an_array_without_a_name_of_its_own_is_named_by_the_tape():
    x, masks = leaf(1, 2), [np.array([1.0, 0.0])]
    with minicnn.record():
        loss = (x * masks[0]).sum()
        masks[0][:] = 1
        with pytest.raises(InPlaceError, match=r"^backward: constant, which mul .*\[1\] was 0, is 1"):
            loss.backward()


@pytest.mark.parametrize(("named", "name"), [(False, "tensor"), (True, "scales")])
def test_a_tensor_without_a_name_of_its_own_has_the_one_that_it_has_by_then(named, name):
    x, held = leaf(1, 2), [leaf(1, 0)]
    with minicnn.record():
        loss = (x * held[0]).sum()
        held[0].data[1] = 1
        scales = held[0] if named else None
        with pytest.raises(InPlaceError, match=rf"^backward: {name}, which mul .*\[1\] was 0, is 1"):
            loss.backward()
    assert (scales is None) != named


def test_an_array_that_cannot_be_put_back_is_not_trusted():
    x, weights = leaf(1, 2), leaf(4, 5)
    with minicnn.record():
        loss = (x * weights).sum()
        weights.data[1] = 7
        weights.data.flags.writeable = False
        with pytest.raises(InPlaceError, match=r"weights, which mul .*\[1\] was 5, is 7"):
            loss.backward()
    assert changes._difference(np.zeros(2), np.zeros(2, int)) == "(2,) float64 became (2,) int64"
    assert changes._difference(np.zeros(2), np.zeros(1)) == "(2,) float64 became (1,) float64"


def test_what_the_program_wrote_stays_where_backward_cannot_be_asked_again():
    @op
    def only_once(x):
        runs = []

        def backward(dy):
            runs.append(dy)
            if len(runs) > 1:
                raise ValueError("it has run")
            return dy

        return x * 1.0, backward

    x = leaf(1, 1)
    with minicnn.record() as tape:
        loss = only_once(x).sum()
        x.data[1] = 7
        with pytest.raises(InPlaceError, match=r"x, which only_once .*\[1\] was 1, is 7"):
            loss.backward()
    assert x.data.tolist() == [1, 7] and tape.find("x").array.tolist() == [1, 1]


def test_an_array_keeps_the_name_that_it_had_when_it_was_used():
    def backward_of(loss, another_name):
        loss.backward()

    x, weights = leaf(1, 2), leaf(4, 5)
    with minicnn.record():
        loss = (x * weights).sum()
        weights.data[1] = 7
        with pytest.raises(InPlaceError, match=r"^backward: weights, which mul"):
            backward_of(loss, weights)


def test_what_was_not_a_number_and_still_is_none_has_not_changed():
    x, mask = leaf(1, 2, 3), np.array([np.nan, 0.0, np.nan])
    with minicnn.record():
        loss = (x * mask).sum()
        mask[1:] = 1, 2
        with pytest.raises(InPlaceError, match=r"\(\[1\] was 0, is 1\)"):
            loss.backward()


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (2.0, 7.0, "it was 2, is 7"),
        ([[1, 2], [3, 4]], [[1, 2], [5, 6]], "[1, 0] was 3, is 5"),
        ([np.nan, 1], [np.nan, 1.2345678], "[1] was 1, is 1.23457"),
        ([1.0, np.nan], [1.0, 2], "[1] was nan, is 2"),
        ([1.0, 2], [np.nan, 3], "[0] was 1, is nan"),
    ],
)
def test_the_first_element_that_differs_is_told(before, now, said):
    assert changes._difference(np.array(before), np.array(now)) == said


def test_a_layers_parameter_is_named_as_the_program_calls_it():
    layer = nn.Conv2d(1, 1, 2, name="first", seed=0)
    x = Tensor(np.ones((1, 3, 3, 1), np.float32), requires_grad=True)
    with minicnn.record():
        loss = layer(x).sum()
        layer.w.data *= 2
        with pytest.raises(InPlaceError, match=r"first\.w, which conv "):
            loss.backward()


def test_changes_that_no_gradient_depends_on_are_allowed():
    x, y = leaf(1, 2), leaf(3, 4)
    with minicnn.record() as tape:
        total = x + y
        loss = (total * 2.0).sum()
        x.data[:], y.data[:], total.data[:], loss.data[...] = 0, 0, 0, 0  # a sum needs none of them
        loss.backward()
    assert x.grad.tolist() == [2, 2] and len(tape) == 3


def test_new_arrays_and_changes_after_backward_are_allowed():
    w = leaf(1, 2)
    optimizer = optim.SGD([w], 0.1)
    with minicnn.record():
        for _ in range(3):
            optimizer.zero_grad()
            ops.square(w).sum().backward()
            optimizer.step()
        loss = ops.square(w).sum()
        w.data = w.data * 2
        loss.backward()


def test_a_result_with_another_array_was_not_changed_in_place():
    x = leaf(1, 2)
    with minicnn.record():
        y = x * 2.0
        y.data = y.data * 3
        loss = y.sum()
        loss.backward()
    assert x.grad.tolist() == [2, 2]


def test_nothing_is_compared_without_a_tape():
    x, weights = leaf(1, 2), leaf(4, 5)
    loss = (x * weights).sum()
    weights.data[:] = 0
    loss.backward()
    assert x.grad.tolist() == [0, 0]  # of the new values, silently


def test_the_inner_and_the_outer_tape_agree():
    x = leaf(1, 2)
    with minicnn.record(), minicnn.record():
        y = ops.tanh(x)
        loss = y.sum()
        y.data += 1
        with pytest.raises(InPlaceError, match="y, which tanh"):
            loss.backward()


@pytest.mark.parametrize("seed", [0, 1])
def test_gradcheck_names_what_f_changes_in_place(seed):
    def f(x):
        y = ops.exp(x)
        z = y * 1.0
        y.data[...] = 1
        return z

    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, np.random.default_rng(seed).standard_normal((2, 3)))
    (finding,) = caught.value.report.findings
    assert finding.kind == "in place" and finding.text.startswith("y, which exp (test_changes.py:")
    assert "first bad backend" not in str(caught.value)


def test_gradcheck_allows_changes_that_do_no_harm():
    def f(x):
        y = x * 2.0
        z = ops.square(y + 1.0)
        y.data[...] = 1
        return z

    assert gradcheck(f, np.ones((2, 3)))


def test_a_result_that_changed_before_a_use_without_gradient_is_allowed():
    x = leaf(1, 2)
    with minicnn.record():
        y = x * 2.0
        loss = y.sum()
        y.data[:] = 0
        with minicnn.no_grad():
            y.mean()
        loss.backward()
    assert x.grad.tolist() == [2, 2]


def test_gradcheck_names_a_result_that_f_scales_in_place():
    def f(x):
        y = x * 2.0
        y.data *= 3
        return ops.square(y)

    with pytest.raises(GradcheckError, match="the result of mul"):
        gradcheck(f, np.ones((2, 3)))
