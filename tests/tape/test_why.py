"""Every gradient of every op is the sum of the products that `why` names, and they stand where it says."""

import math

import numpy as np
import pytest

import minicnn
from minicnn import InputError, Tensor, op, ops
from minicnn.gradients.cases import CASES
from minicnn.tape import products


@op
def ours(x):
    """An operation whose slope is 1, as a sum's."""
    return x + 1.0, lambda dy: dy


def recorded(case, seed=0):
    """(tape, its leaves) of an op's row with a random cotangent."""
    leaves = [
        Tensor(array, requires_grad=True, name=f"input{i}")
        for i, array in enumerate(case.draw(np.random.default_rng(seed)))
    ]
    with minicnn.record() as tape:
        y = case.function(*leaves)
        y.backward(np.random.default_rng(1).standard_normal(y.shape))
    return tape, leaves


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_products_sum_to_the_gradient(case):
    tape, leaves = recorded(case)
    for leaf in leaves:
        gradient = tape.find(leaf).gradient
        if gradient is None:
            continue
        index = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape)
        why = tape.why(leaf, index)
        assert why.gradient == leaf.grad[index]
        assert abs(why.remainder) <= 1e-12 * max(1, abs(why.gradient))
        sizes = [abs(product.value) for product in why.products]
        assert sizes == sorted(sizes, reverse=True)
        for product in why.products:
            assert product.at is not None  # on shapes this small, nothing is left undivided
            assert product.upstream == product.step.cotangent[product.at]
            assert math.isclose(product.upstream * product.factor, product.value, rel_tol=1e-12, abs_tol=1e-300)
            if product.of is not None:
                assert tape.find(product.of).array[product.position] == product.factor


RULED = [case for case in CASES if case.op in (*products.RULES, *products.ELEMENTWISE)]
# Asking runs a convolution hundreds of times.
QUICK = [pytest.param(c, marks=() if c.op != "conv" or c.name == "strided" else pytest.mark.thorough) for c in RULED]


@pytest.mark.parametrize("case", QUICK, ids=lambda case: str(case))
def test_rules_find_what_the_op_itself_says(case):
    """The rules of convolutions and products against the way that needs no rule."""
    tape, leaves = recorded(case)
    for leaf in leaves:
        for step, which in tape.find(leaf).uses:
            if step.gradients[which] is None:
                continue
            index = tuple(n // 2 for n in leaf.shape)
            by_rule, _ = products.of_use(step, which, index)
            by_asking, _ = products._probed(step, which, index)
            found = {p.at: p.value for p in by_rule if abs(p.value) > 1e-14}
            expected = {p.at: p.value for p in by_asking if abs(p.value) > 1e-14}
            assert found.keys() == expected.keys()
            assert all(math.isclose(found[at], expected[at], rel_tol=1e-9, abs_tol=1e-14) for at in found)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_products_of_groups_of_filters_are_those_that_the_op_itself_says(rank, which):
    random = np.random.default_rng(rank)
    shapes = (1, *[3] * rank, 4), (*[2] * rank, 2, 6), (6,)
    leaves = [Tensor(random.standard_normal(shape), requires_grad=True) for shape in shapes]
    with minicnn.record() as tape:
        y = ops.conv(*leaves, groups=2)
        y.backward(random.standard_normal(y.shape))
    index = tuple(n - 1 for n in shapes[which])
    by_rule, _ = products.of_use(tape.steps[0], which, index)
    by_asking, _ = products._probed(tape.steps[0], which, index)
    found, expected = ({p.at: p.value for p in some} for some in (by_rule, by_asking))
    assert found == pytest.approx(expected, rel=1e-9) and len(found) > 1


def test_a_convolution_by_hand():
    x = Tensor(np.arange(9.0).reshape(1, 3, 3, 1))
    w = Tensor(np.ones((2, 2, 1, 1)), requires_grad=True)
    with minicnn.record() as tape:
        y = ops.conv(x, w)
        y.backward(np.array([1.0, 10, 100, 0]).reshape(1, 2, 2, 1))
    why = tape.why(w, (1, 0, 0, 0))
    #  w[1, 0] meets x[1, 0] = 3, x[1, 1] = 4, x[2, 0] = 6 and x[2, 1] = 7
    assert [(p.value, p.at, p.of, p.position) for p in why.products] == [
        (600.0, (0, 1, 0, 0), "x", (0, 2, 0, 0)),
        (40.0, (0, 0, 1, 0), "x", (0, 1, 1, 0)),
        (3.0, (0, 0, 0, 0), "x", (0, 1, 0, 0)),
    ]
    assert (why.gradient, why.total, why.remainder, why.zeros) == (643, 643, 0, 1)
    shown = str(why)
    assert shown.splitlines()[0] == "w.grad[1, 0, 0, 0] = 643"
    assert "the sum of 3 products, in y = conv(…) at test_why.py:" in shown
    assert "+600.000000000 = 100 y.grad[0, 1, 0, 0] × 6 x[0, 2, 0, 0]" in shown
    assert "1 more are zero" in shown and "remainder 0" in shown


@pytest.mark.parametrize("stack", [(), (2,), (2, 3)])
def test_a_product_of_matrices_says_where_both_of_its_numbers_stand(stack):
    random, one = np.random.default_rng(0), tuple(n - 1 for n in stack)
    x, w = (
        Tensor(random.standard_normal((*stack, *shape)), requires_grad=True, name=name)
        for name, shape in (("x", (2, 3)), ("w", (3, 4)))
    )
    with minicnn.record() as tape:
        ops.matmul(x, w).backward(random.standard_normal((*stack, 2, 4)))
    of_x, of_w = tape.why(x, (*one, 1, 2)).products, tape.why(w, (*one, 2, 3)).products
    assert {(p.at, p.of, p.position) for p in of_x} == {((*one, 1, n), "w", (*one, 2, n)) for n in range(4)}
    assert {(p.at, p.of, p.position) for p in of_w} == {((*one, m, 3), "x", (*one, m, 2)) for m in range(2)}


def test_twelve_products_are_shown_and_the_rest_is_summed():
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        (w * np.arange(1.0, 21.0)).sum().backward()
    lines = str(tape.why(w, 0)).splitlines()
    assert "the sum of 20 products" in lines[1]
    assert [float(line.split()[0]) for line in lines[2:14]] == [20.0 - i for i in range(12)]
    assert lines[14].split() == ["+36.000000000", "8", "more,", "none", "larger"]  # 8 + 7 + … + 1
    assert float(lines[15].split()[0]) == 210


def test_the_sum_of_the_rest_may_be_the_longest_number():
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        (w * np.array([-6.0] * 12 + [5.0] * 20)).sum().backward()
    *_, row, rest, total, following = str(tape.why(w, 0)).splitlines()
    assert row.startswith("    −6.000000000 = ") and rest == "  +100.000000000   20 more, none larger"
    assert total == "   +28.000000000   their sum; remainder 0" and following.startswith("  next: ")


def test_parts_of_a_gradient_are_added_in_the_order_of_the_backward_pass():
    w = Tensor(np.array([1.0]), requires_grad=True)
    with minicnn.record() as tape:
        ((w * 0.5 + w) * 0.1 + w).sum().backward()
    assert tape.find(w).gradient.tolist() == w.grad.tolist() == [1 + 0.1 + 0.05] != [0.05 + 0.1 + 1]


def test_every_use_of_a_tensor_counts():
    w = Tensor(np.array([2.0, 3.0]), requires_grad=True)
    with minicnn.record() as tape:
        square = w * w
        loss = (square + 5.0 * w).sum()
        loss.backward()
    why = tape.why(w, 1)
    assert sorted(p.value for p in why.products) == [3, 3, 5]
    assert {p.step.output.name for p in why.products} == {"square", "mul_2"}
    assert "backward began here" in str(tape.why(loss, ()))
    assert tape.why(loss, ()).remainder == 0


def test_uses_outside_of_the_tape_are_a_remainder():
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        y = w * 3.0
        z = y * 2.0
    (z + y * 4.0).sum().backward()
    why = tape.why(y, 0)
    assert (why.gradient, why.total, why.remainder) == (6, 2, 4)
    assert "used outside the recording" in str(why)


def test_a_use_to_which_no_gradient_came_back_is_no_beginning():
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        y = w * 3.0
        z = y * 2.0
    (z * 0.0 + y * 4.0).sum().backward()
    why = tape.why(y, 0)
    assert (why.gradient, why.began, why.products, why.zeros, why.remainder) == (4, 0, [], 1, 4)


def test_what_the_tensor_holds_by_now_is_told():
    w = Tensor(np.array([2.0]), requires_grad=True)
    (w * 7.0).sum().backward()
    with minicnn.record() as tape:
        (w * 3.0).sum().backward()
    assert tape.why(w, 0).gradient == 3
    assert "w.grad now holds 10" in str(tape.why(w, 0))
    w.grad = np.array([3.0 + 2e-6])
    assert tape.why(w, 0).now is None and "now holds" not in str(tape.why(w, 0))
    w.grad = np.array([3.0 + 4e-6])
    assert tape.why(w, 0).now == w.grad[0]
    w.grad = np.array([3.0, 3.0])
    assert tape.why(w, 0).now is None


def test_the_way_on_ends_at_the_last_operation():
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        ops.exp(w).sum().backward()
    assert tape.why(w, 0).next == ("exp_1", (0,)) and tape.why("exp_1", 0).next is None


@pytest.mark.parametrize(
    ("use", "told"),
    [(ops.exp, True), (lambda w: w + 1.0, False), (ours, True), (lambda w: 1.0 - w, False), (ops.square, True)],
)
def test_a_slope_is_named_unless_it_is_that_of_a_sum(use, told):
    w = Tensor(np.array([2.0]), requires_grad=True)
    with minicnn.record() as tape:
        use(w).sum().backward()
    assert ("slope of" in str(tape.why(w, 0))) == told


def test_many_terms_are_summed_in_blocks(monkeypatch):
    monkeypatch.setattr(products, "PROBES", 20)
    x = Tensor(np.random.default_rng(0).standard_normal((40, 3)), requires_grad=True)
    with minicnn.record() as tape:
        ops.softmax(x, axis=0).backward(np.random.default_rng(1).standard_normal((40, 3)))
    why = tape.why(x, (4, 1))
    assert any(p.at is None for p in why.products)
    assert abs(why.remainder) < 1e-12
    assert "many of softmax_1.grad" in str(why)


def test_blocks_that_are_not_divided_further_are_of_one_size(monkeypatch):
    """Of sixteen terms eight pairs are left after seven backwards: of all, of each half and of each quarter."""
    runs = []

    @op
    def spread(x):
        return np.full(16, x.sum()), lambda dy: runs.append(dy) or np.full(2, dy.sum())

    monkeypatch.setattr(products, "PROBES", 7)
    x = Tensor(np.ones(2), requires_grad=True)
    with minicnn.record() as tape:
        spread(x).backward(np.arange(1.0, 17))
    runs.clear()
    found, zeros = products._probed(tape.steps[0], 0, (1,))
    assert [(product.value, product.at) for product in found] == [(4.0 * pair + 3, None) for pair in range(8)]
    assert zeros == 0 and [np.count_nonzero(dy) for dy in runs] == [16, 8, 8, 4, 4, 4, 4, *[2] * 8]


def test_float32_leaves_a_remainder_of_its_precision():
    random = np.random.default_rng(0)
    x = Tensor(random.standard_normal((2, 9, 9, 8)).astype(np.float32))
    w = Tensor(random.standard_normal((3, 3, 8, 4)).astype(np.float32), requires_grad=True)
    with minicnn.record() as tape:
        ops.sum(ops.square(ops.conv(x, w))).backward()
    why = tape.why(w, (0, 1, 2, 3))
    assert 0 < abs(why.remainder) < 1e-5 * sum(abs(p.value) for p in why.products)


@pytest.mark.parametrize("index", [(0,), (0, 5), (0.5, 0), "ab", (0, 0, 0), None])
def test_an_index_that_names_no_element(index):
    w = Tensor(np.ones((2, 3)), requires_grad=True)
    with minicnn.record() as tape:
        w.sum().backward()
    with pytest.raises(InputError, match=r"why: index is .*; expected 2 integers for w \(2, 3\)"):
        tape.why(w, index)
    assert tape.why(w, (-1, -1)).index == (1, 2)


def test_what_is_multiplied_stands_in_columns():
    w = Tensor(np.array([1.0]), requires_grad=True)
    with minicnn.record() as tape:
        short = w * 6.0
        much_longer = w * -5.0
        ops.sum(short + much_longer * -1.0).backward()
    first, second, total = str(tape.why(w, 0)).splitlines()[2:5]
    assert first.index("×") == second.index("×") and "much_longer" in second
    assert (first[:17], second[:17], total[:17]) == ("   +6.000000000 =", "   +5.000000000 =", "  +11.000000000  ")


def test_a_number_without_dimensions_has_one_place():
    assert products._copies((), (), ()).shape == (1, 0)
    assert products._copies((), (), (2, 3)).tolist() == [[i, j] for i in range(2) for j in range(3)]
