"""When gradcheck names a pattern, and when it does not: each beside its nearest miss."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError
from minicnn.gradients import evidence
from minicnn.gradients.checking import gradcheck
from minicnn.gradients.evidence import Evidence, where
from minicnn.operation import op


@pytest.fixture(autouse=True)
def nothing_is_compiled():
    with use_backend("numpy"):
        yield


# Where the wrong entries lie


def place(wrong, name="t", x=None):
    """Return what is said of the place of wrong entries, given as an array of truths."""
    x = np.ones(np.shape(wrong)) if x is None else np.asarray(x)
    flat = np.ravel(wrong).astype(bool)
    return where(Evidence(name, x, x, np.arange(x.size), x.ravel(), x.ravel(), flat, x, x, {}))


def rows(*chosen, of=5):
    """Return which entries of a matrix of `of` rows lie in the chosen ones."""
    return np.isin(np.arange(of), chosen)[:, None] & np.ones((of, 4), bool)


def entries(*chosen, shape=(5, 5)):
    wrong = np.zeros(shape, bool)
    for index in chosen:
        wrong[index] = True
    return wrong


BORDER = np.pad(np.zeros((3, 3), bool), 1, constant_values=True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (BORDER, "a place at the border"),
        (entries((0, 1), (1, 4), (4, 2), (3, 0)), ""),  # four of sixteen: others at the border are right
        (BORDER | entries((2, 2)), ""),
        (entries((1, 1), (2, 3), (3, 2)), ""),
        (rows(2), "the index along axis 0 = 2"),
        (rows(0, 4), "the index along axis 0 = 0 or 4, its ends"),
        (rows(1, of=2), "the index along axis 0 = 1"),
        (rows(0, 3, of=4), "the index along axis 0 = 0 or 3, its ends"),
        (rows(1, 3, of=4), "the index along axis 0 odd"),
        (rows(0, 2, of=3), ""),  # three rows have too few between their ends
        (rows(0, 1), "the index along axis 0 ≤ 1"),
        (rows(3, 4), "the index along axis 0 ≥ 3"),
        (rows(0, 1, 2), "the index along axis 0 ≤ 2"),
        (rows(2, 3, 4), "the index along axis 0 ≥ 2"),
        (rows(1, 2), ""),
        (rows(0, 2, 3), ""),
        (rows(1, 3, 5, of=6), "the index along axis 0 odd"),
        (rows(0, 2, 4, of=6), "the index along axis 0 even"),
        (rows(0, 2, of=6), ""),  # row 4 is even, and right
        (rows(0, 3, of=6), ""),
        (rows(0, 1) & ~entries((0, 0), shape=(5, 4)), ""),
        (entries((0, 0)), ""),  # one entry has everything in common with itself
        (np.ones((5, 5)), ""),
        (rows(4).T, "the index along axis 1 = 4"),
        (entries((4, 0), (4, 1), shape=(5, 4)), "the index along axis 0 = 4"),
        (entries((4, 2), (3, 2), (4, 3), (3, 3), shape=(5, 4)), ""),
    ],
)
def test_the_place_of_wrong_entries(wrong, said):
    assert place(wrong) == said


def test_the_axes_of_filters_and_pictures_have_their_names():
    inside = np.zeros((3, 4, 2, 5), bool)
    inside[2, :, :, 4] = True
    assert place(inside, "w") == "kh = 2 and c_out = 4"
    assert place(inside, "x") == "N = 2 and C = 4"
    assert place(inside[:, 0], "w") == "k = 2 and c_out = 4"
    assert place(inside[:, 0], "image") == "N = 2 and C = 4"
    assert place(inside, "t") == "the index along axis 0 = 2 and the index along axis 3 = 4"
    assert place(rows(2), "w") == place(rows(2), "x") == "the index along axis 0 = 2"
    assert place([True, True, False, False, False], "w") == "the index ≤ 1"
    slices = np.zeros((2, 3, 2, 2, 2), bool)
    slices[:, 1] = True
    assert place(slices, "x") == "D = 1" and place(slices, "kernel") == "kh = 1"
    edge = np.ones((2, 4, 5, 3), bool)
    edge[:, 1:-1, 1:-1] = False
    assert place(edge, "x") == "a place at the border"
    edge[0, 0, 0, 0] = False
    assert place(edge, "x") == ""


@pytest.mark.parametrize("shape", [(4, 4, 5, 3), (3, 3, 4, 3, 3)])
def test_the_border_is_that_of_places_and_of_no_batch_or_channels(shape):
    inside = np.zeros(shape, bool)
    inside[(slice(None), *[slice(1, -1)] * (len(shape) - 2))] = True
    assert place(~inside, "x") == place(~inside) == "a place at the border"


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ([5, -1, -2, 3, 4], "t < 0"),
        ([-5, 1, 2, -3, -4], "t > 0"),
        ([5, -1, -2, -3, 4], ""),  # the fourth is negative as well, and right
        ([-5, 1, 2, 3, -4], ""),
        ([-5, 1, -2, -3, -4], ""),
        ([5, -1, 2, 3, 4], ""),
        ([0, 0, 0, 0, 0], ""),
    ],
)
def test_the_sign_of_wrong_entries(x, said):
    assert place([False, True, True, False, False], x=x) == said


SIX = [True, False, True, True, False, False, False, True, False, True, True, False]


@pytest.mark.parametrize(
    ("wrong", "low", "high", "said"),
    [
        (SIX, 1, 7, "t ≥ 7 (right up to 6)"),
        (SIX, 7, 1, "t ≤ 6 (right from 7)"),
        (SIX, 1, -12, "|t| ≥ 7 (right up to 6)"),
        ([*SIX[:10], False, False], 1, 7, ""),  # five
        ([*SIX[:11], True], 1, 7, ""),  # five are right
    ],
)
def test_a_bound_is_that_of_six_entries_on_either_side(wrong, low, high, said):
    x = np.where(wrong, high, low) + np.where(wrong, np.cumsum(wrong), np.cumsum(np.logical_not(wrong))) - 1
    x[:3] *= 1 if high > 0 else -1
    assert place(wrong, x=x * 1.0) == said


def test_a_place_that_other_points_contradict_is_none():
    def point(*wrong):
        x = np.where(np.isin(np.arange(5), wrong), -1.0, 1.0)
        return Evidence("t", x, x, np.arange(5), x, x, x < 0, x, x, {})

    here = point(0, 1)
    assert where(here) == where(here, here) == where(here, here, point()) == "the index ≤ 1"
    assert where(here, here, point(1, 2)) == "t < 0"  # where values say what places do not
    everywhere = point(*range(5))
    assert where(here, everywhere) == where(here, everywhere, point(1, 2)) == ""


def test_what_all_checked_entries_have_in_common_says_nothing():
    def said(places, *wrong, shape=(5, 5)):
        x = np.ones(shape)
        chosen, is_wrong = np.array(places), np.isin(places, wrong)
        return where(Evidence("t", x, x, chosen, x.ravel()[chosen], x.ravel()[chosen], is_wrong, x, x, {}))

    assert said([10, 11, 12, 13, 14], 11, 13) == "the index along axis 1 odd"  # of a row
    assert said([3, 5, 6, 7], 3, 5) == "a place at the border" and place([True, False, True]) == ""
    assert said([3, 6, 7], 3) == said([3, 5], 3, 5) == ""


# What is wrong with them


def said_of(change, *shapes, at=None, forward=lambda x: x**2, slope=lambda x: 2 * x):
    """Return (kind, text) of the finding for x², whose gradient is changed: all of it, or the entries in `at`."""

    @op
    def altered(x):
        def backward(dy):
            right = dy * slope(x)
            wrong = change(right, dy, x)
            return wrong if at is None else np.where(at, wrong, right)

        return forward(x), backward

    x = np.random.default_rng(0).standard_normal(*shapes)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(altered, x)
    (finding,) = caught.value.report.findings
    return finding.kind, finding.text


def noisy(gradient, dy, x):
    return gradient + np.random.default_rng(1).standard_normal(x.shape)


def flipped(count):
    """Negate so many entries of a row, and change the others without a pattern."""
    return lambda g, dy, x: np.where(np.arange(x.shape[-1]) < count, -g, noisy(g, dy, x))


def but_one(value):
    """Double all but one."""
    return lambda g, dy, x: np.where(np.arange(x.shape[-1]) == 1, value, 2 * g)


def rolled(by):
    return lambda g, dy, x: np.roll(g, by, -1)


SECOND = np.arange(5) == 1
TWO = (np.arange(5) == 1) | (np.arange(5) == 2)
NAMED = {
    "sign": (flipped(6), (6,), "every wrong entry has the opposite sign (ratio -1)"),
    "sign of half": (flipped(3), (6,), "3 of 6 wrong entries: each has the opposite sign (ratio -1)"),
    "not finite": (lambda g, dy, x: np.full_like(g, np.nan), (4,), "is not a finite number"),
    "zeros": (lambda g, dy, x: 0 * g, (4,), "every wrong entry is zero: nothing is passed on there"),
    "cotangent": (lambda g, dy, x: 2 * x, (3, 4), "is not multiplied by dy, the cotangent"),
    "ratio 2": (lambda g, dy, x: 2 * g, (5,), "has ratio 2.000: a term is counted twice, or a 2 is too many"),
    "ratio -2": (lambda g, dy, x: -2 * g, (5,), "ratio -2.000: the sign is wrong, and a term is counted twice"),
    "ratio 1/2": (lambda g, dy, x: g / 2, (5,), "or a 2 is forgotten (the slope of x² is 2x)"),
    "ratio 1/2 or a mean": (lambda g, dy, x: g / 2, (2, 5), "is 2x), or it is divided by 2 = the length of axis 0 of"),
    "ratio 1/12": (lambda g, dy, x: g / 12, (3, 4), "divided by 12 = the elements of the result: a mean where the sum"),
    "ratio 3": (lambda g, dy, x: 3 * g, (3, 4), "multiplied by 3 = the length of axis 0 of the result (3, 4): a sum"),
    "ratio 8": (lambda g, dy, x: 8 * g, (3, 4, 2), "multiplied by 8 = the length of axes 1, 2 of the result"),
    "ratio 1.3": (lambda g, dy, x: 1.3 * g, (3, 4), "every wrong entry has ratio 1.300: a constant factor"),
    "ratio 2 but for one": (but_one(np.nan), (6,), "5 of 6 wrong entries: each has ratio 2.000"),
    "lacks x": (lambda g, dy, x: g / x, (3, 4), "lacks the factor x"),
    "lacks x²": (lambda g, dy, x: g / x**2, (3, 4), "lacks the factor x²"),
    "lacks x² in three": (lambda g, dy, x: g / x**2, (3,), "lacks the factor x²"),
    "x too often": (lambda g, dy, x: g * x, (3, 4), "has the factor x too often"),
    "x² too often": (lambda g, dy, x: g * x**2, (3, 4), "has the factor x² too often"),
    "lacks 1 - y": (lambda g, dy, x: g / (1 - x**2), (3, 4), "lacks the factor 1 - y"),
    "dy itself": (lambda g, dy, x: dy, (3, 4), "is dy itself: it is not multiplied by the slope"),
    "transposed": (lambda g, dy, x: g.T, (4, 4), "its axes 0 and 1 are in another order"),
    "two axes exchanged": (lambda g, dy, x: g.transpose(2, 1, 0), (3, 3, 3), "its axes 0 and 2 are in another order"),
    "reversed": (lambda g, dy, x: g[:, ::-1], (3, 4), "the gradient is reversed along axis 1: a flip is missing"),
    "reversed both ways": (lambda g, dy, x: g[::-1, ::-1], (3, 4), "the gradient is reversed along axes 0 and 1: "),
    **{f"shifted by {by}": (rolled(by), (3, 5), f"shifted by {by} along axis 1: an index") for by in (1, -1, 2, -2)},
    "shifted, the least length": (rolled(1), (3, 4), "shifted by 1 along axis 1"),
    "dy too much": (lambda g, dy, x: g + dy, (3, 4), "dy itself is in it, and should not be"),
    "1.05 of dy missing": (lambda g, dy, x: g - 1.05 * dy, (3, 4), "every wrong entry lacks the term 1.05 · dy"),
    "dy missing": (lambda g, dy, x: g - dy, (3, 4), "dy itself is missing, the path by which x goes straight"),
}
UNKNOWN = "none that is known; the ratio analytic / numeric runs from"
NOT_NAMED = {
    "sign of less than half": (flipped(3), (7,), None),
    "sign of two": (flipped(2), (3,), None),
    "dy too much in two": (lambda g, dy, x: g + dy, (5,), TWO),
    "shifted by three": (rolled(3), (3, 8), None),
    "shifted, too short": (rolled(2), (3, 4), None),
    "shifted but for one": (lambda g, dy, x: np.where(x == x[1, 4], 9, np.roll(g, 1, -1)), (3, 8), None),
    "reversed but for one": (lambda g, dy, x: np.where(x == x[2], 9, g[::-1]), (7,), None),
    "only the ends exchanged": (lambda g, dy, x: g[[5, 1, 2, 3, 4, 0]], (6,), None),
    "nearly the opposite": (lambda g, dy, x: -g * (1 + 0.04 * np.sin(np.arange(12)).reshape(3, 4)), (3, 4), None),
    "noise": (noisy, (3, 4), None),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_pattern_is_named(name):
    change, shape, said = NAMED[name]
    assert said in said_of(change, shape)[1]


FEW = {  # one or two entries fit much; other cotangents and other inputs decide
    "ratio of one": (lambda g, dy, x: 1.3 * g, SECOND, "every wrong entry has ratio 1.300: a constant factor"),
    "cotangent of one": (lambda g, dy, x: 2 * x, SECOND, "every wrong entry is not multiplied by dy"),
    "factor of two": (lambda g, dy, x: g / x**2, TWO, "lacks the factor x²"),
    "x too many in two": (lambda g, dy, x: g * x, TWO, "has the factor x too often"),
}


@pytest.mark.parametrize("name", FEW)
def test_few_entries_are_named_by_other_inputs(name):
    change, at, said = FEW[name]
    assert said in said_of(change, (5,), at=at)[1]


@pytest.mark.parametrize("name", NOT_NAMED)
def test_its_nearest_miss_is_not(name):
    change, shape, at = NOT_NAMED[name]
    kind, text = said_of(change, shape, at=at)
    assert kind == "unknown" and UNKNOWN in text, text


@op
def softsign_at_midnight(x):
    return x / (1 + np.abs(x)), lambda dy: dy / (1 + np.abs(x))


@op
def tanh_of_the_output(x):
    y = np.tanh(x)
    return y, lambda dy: dy * (1 - y)


@pytest.mark.parametrize(
    ("f", "x", "said"),
    [
        (
            softsign_at_midnight,
            [0.0, 0.5, 3.0],
            "every wrong entry has the factor 1 + |x| too often; due is dy/(1 + |x|)²",
        ),
        (
            softsign_at_midnight,
            [1.0, -1.0, 1.0],
            "every wrong entry has the factor 1 + |x| too often; due is dy/(1 + |x|)²",
        ),
        (tanh_of_the_output, [1.0, 1.0, 1.0], "1 - y stands where 1 - y² is due: the gradient is dy · (1 - y)"),
        (tanh_of_the_output, [-1.0, 0.0, 1.0], "1 - y stands where 1 - y² is due: the gradient is dy · (1 - y)"),
    ],
)
def test_what_zeros_and_equal_values_hide_is_seen_at_other_inputs(f, x, said):
    with pytest.raises(GradcheckError) as caught:
        gradcheck(f, np.array(x))
    (finding,) = caught.value.report.findings
    assert finding.text.startswith(said)


@pytest.mark.parametrize("problem", [ValueError, RuntimeError, ZeroDivisionError])
def test_a_function_that_takes_only_some_inputs_is_explained_by_those(problem):
    @op
    def of_whole_numbers(x):
        if np.abs(x - np.rint(x)).max() > 1e-3:
            raise problem("whole numbers only")
        return x**2, lambda dy: -2 * dy * x

    with pytest.raises(GradcheckError) as caught:
        gradcheck(of_whole_numbers, np.array([1.0, 2.0, -3.0]))
    (finding,) = caught.value.report.findings
    assert finding.text == "every wrong entry has the opposite sign (ratio -1)"


def test_a_path_goes_straight_through_only_where_the_result_has_the_shape_of_the_input():
    @op
    def summed(x):
        return (x**2 + x).sum(axis=1), lambda dy: 2 * dy[:, None] * x

    with pytest.raises(GradcheckError) as caught:
        gradcheck(summed, np.random.default_rng(0).standard_normal((3, 4)))
    (finding,) = caught.value.report.findings
    assert (finding.kind, finding.text) == ("term", "every wrong entry lacks the term dy")


def test_where_a_function_has_no_finite_result_is_no_evidence():
    @op
    def logarithm(x):
        return np.log(x), lambda dy: -dy / x

    with pytest.raises(GradcheckError) as caught:
        gradcheck(logarithm, np.array([0.01, 0.02, 3.0]))
    (finding,) = caught.value.report.findings
    assert finding.text == "every wrong entry has the opposite sign (ratio -1)"


def test_an_operand_for_which_a_backward_returns_nothing_gives_no_part():
    @op
    def product(x, y):
        return x * y, lambda dz: (dz * y, None)

    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x: product(x, x) + ops.exp(x), np.array([1.0, -2.0, 0.5, 3.0]))
    (finding,) = caught.value.report.findings
    assert finding.text == "every wrong entry lacks the term dy · x"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (None, "every wrong entry lacks the term 2 · dy · x"),
        (np.arange(5) < 2, "every wrong entry has the index along axis 1 ≤ 1 and lacks the term 2 · dy · x"),
    ],
)
def test_a_term_that_is_lost_is_named(at, said):
    def lost(gradient, dy, x):
        return gradient - 2 * dy * x

    both = {"forward": lambda x: x**2 + np.exp(x), "slope": lambda x: 2 * x + np.exp(x)}
    assert said_of(lost, (3, 5), at=at, **both) == ("term", said)


def test_a_bound_on_the_values_is_told_with_what_is_right():
    bounded = op(lambda x: (np.maximum(x, 0), lambda dy: dy * (x > 0) * (x < 10)))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(bounded, np.array([-1.0, 0.5, 12.0, 20.0]))
    (finding,) = caught.value.report.findings
    assert finding.kind == "zeros" and "x ≥ 1" in finding.text and "(right up to" in finding.text


def test_where_two_slips_give_the_same_both_are_named():
    roll = op(lambda x: (np.roll(x, 1), lambda dy: np.roll(dy, 1)))
    with pytest.raises(GradcheckError) as caught:
        gradcheck(roll, np.random.default_rng(0).standard_normal(6))
    assert [finding.kind for finding in caught.value.report.findings] == ["transpose", "kernel"]


def test_inputs_that_cannot_be_the_factor_do_not_hide_one_that_is():
    @op
    def product(x, s, z):
        return x * z + s.sum(), lambda dy: (dy, np.full_like(s, dy.sum()), dy * x)

    draw = np.random.default_rng(0).standard_normal
    with pytest.raises(GradcheckError, match="every wrong entry lacks the factor z"):
        gradcheck(product, [draw((3, 4)), draw(5), draw((3, 4))])


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x, w: x @ w, lambda dy, x, w: noisy(dy @ w.T, dy, x)),  # another input, turned, does not explain it
        (lambda x, w: (x @ w).sum(axis=1), lambda dy, x, w: noisy(dy[:, None] * w.sum(axis=1), dy, x)),
        (lambda x, w: x @ w, lambda dy, x, w: np.vstack([dy[:1] @ w, noisy(dy @ w.T, dy, x)[1:]])),  # one row fits
    ],
)
def test_noise_is_not_explained_by_another_input(forward, backward):
    @op
    def linear(x, w):
        return forward(x, w), lambda dy: (backward(dy, x, w), None)

    x, w = np.random.default_rng(0).standard_normal((2, 3, 3))
    for f, inputs in ((linear, [x, w]), (lambda x: linear(x, w), [x])):
        with pytest.raises(GradcheckError) as caught:
            gradcheck(f, inputs)
        finding = caught.value.report.findings[0]
        assert finding.kind == "unknown" and UNKNOWN in finding.text


def test_of_several_inputs_the_op_that_returns_none_is_named():
    @op
    def mul(x, y):
        return x * y, lambda dz: (dz * y, None)

    with pytest.raises(GradcheckError, match="y gets no gradient: the backward of mul returns None for it"):
        gradcheck(mul, [np.array([1.0, 2.0]), np.array([3.0, 4.0])])


def test_what_decides_nothing_does_not_count_as_an_error():
    (report,) = gradcheck(ops.relu, np.array([1.0, 3e-8, -2.0])).inputs
    assert [doubt.index for doubt in report.inconclusive] == [(1,)] and report.worst_relative < 1e-6
    (report,) = gradcheck(lambda x: ops.relu(x) * 2, np.array([0.0])).inputs
    assert report.worst_relative == 0.0  # nothing is settled


def test_only_three_doubts_are_told():
    def said(count):
        return str(gradcheck(ops.relu, np.full(count, 3e-8)))

    assert said(3).count("inconclusive at x[") == 3 and "more" not in said(3)
    assert said(5).count("inconclusive at x[") == 3 and "and at 2 more" in said(5)


def test_the_worst_entry_is_told_with_both_errors():
    @op
    def identity(x):
        return x.copy(), lambda dy: dy * np.array([1.0, 1.5, 3.0])

    with pytest.raises(GradcheckError) as caught:
        gradcheck(identity, np.ones(3))
    (report,) = caught.value.report.inputs
    index, analytic, numeric = report.worst
    assert index == (2,) and analytic / numeric == pytest.approx(3)
    assert f"abs {abs(2 * numeric):.1e} rel 6.7e-01" in " ".join(str(caught.value).split())


def test_the_relative_error_is_that_of_the_largest_entry():
    slightly = op(lambda x: (x * 3, lambda dy: dy * 3.03))
    (report,) = gradcheck(slightly, np.array([1.0, 2.0, 3.0]), rtol=0.02).inputs
    assert report.ok and report.worst_relative == pytest.approx(0.01, rel=1e-4)


# The facts that a search begins with


def facts(places, wrong, size=1, allowed=1.0, numeric=0.0):
    """Return evidence on a gradient of 0, 1, 2, … of which some entries were checked."""
    given, y = np.arange(float(np.max(places)) + 1), np.zeros(size)
    spread = (np.broadcast_to(value, len(places)) for value in (numeric, allowed))
    return Evidence("x", given, given, np.asarray(places), *spread, np.asarray(wrong, bool), y, y, {})


def test_an_explanation_is_held_to_a_twentieth_of_the_error():
    found = facts([2, 10, 40], [True, True, False], numeric=-2.0)
    assert found.limit.tolist() == [4 / 20, 12 / 20, 1] and facts([40], [True]).limit.tolist() == [1]


@pytest.mark.parametrize(
    ("size", "count"), [(0, evidence.ASKED), (1, evidence.ASKED), (evidence.NUMBERS // 10, 10), (evidence.NUMBERS, 8)]
)
def test_few_places_are_kept_half_of_them_wrong_ones(size, count):
    wrong = np.arange(1000) % 2 == 0
    found = evidence.some_places(facts(np.arange(1000), wrong, size))
    assert len(found) <= count and abs(len(found) - count) <= count / 10
    assert abs(np.count_nonzero(wrong[found]) - len(found) / 2) <= 1 and (np.diff(found) > 0).all()
    few = evidence.some_places(facts(np.arange(count), np.arange(count) > 0, size))
    assert few.tolist() == list(range(count))


@pytest.mark.parametrize(("array", "size"), [([0.0, 4], 2), ([-4.0, -4], 4), ([0.0, 0], 1)])
def test_another_point_is_half_a_deviation_away(array, size):
    one = SimpleNamespace(standard_normal=np.ones)
    assert_array_equal(evidence._added(np.array(array), one), np.array(array) + size / 2)


@pytest.mark.parametrize(
    ("answers", "places", "found"),
    [
        ("abc", [2, 3, 20], "abc"),
        ("a-bc", [2, 3, 20, 20], "abc"),  # where a point is no good, the other move gives one
        ("-ab", [2, 3, 20], "ab"),
        ("-a--", [2, 3, 20, 3], "a"),
    ],
)
def test_evidence_is_sought_at_two_other_points_and_here_with_another_cotangent(answers, places, found, monkeypatch):
    given, asked = iter(answers), []

    def evidence_at(begun, f, arrays, cotangent, places, atol, rtol):
        asked.append((arrays[0].item(), cotangent.shape, places.tolist(), f, atol, rtol))
        return None if (answer := next(given)) == "-" else answer

    monkeypatch.setattr(evidence, "_evidence_at", evidence_at)
    monkeypatch.setattr(evidence, "_added", lambda array, random: array + 1)
    monkeypatch.setattr(evidence, "_scaled", lambda array, random: array * 10)
    here = facts([0, 1], [True, False], size=3)
    here.differences = SimpleNamespace(arrays=[np.array([2.0])])
    assert evidence.elsewhere(here, "f", 1e-6, 1e-5) == [*found] and list(given) == []
    assert asked == [(place, (3,), [0, 1], "f", 1e-6, 1e-5) for place in places]


def test_subsets_are_short_ones_first_and_not_too_long():
    assert list(evidence.subsets([1, 2, 3], 1)) == [(1,), (2,), (3,)]
    assert list(evidence.subsets([1, 2])) == list(evidence.subsets([1, 2], 5)) == [(1,), (2,), (1, 2)]
