"""The slips that gradcheck names, by bugs planted in operations as learners write them; and it accuses no healthy one.

$ python tests/gradients/test_slips.py     prints the table of tutorials/manual/gradient_checks.md
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from slips_planted import AFTER, BUGS, HARD, OPERATIONS, made

import minicnn
from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError, InputError
from minicnn.gradients import slips, slopes, sums
from minicnn.gradients.checking import gradcheck
from minicnn.gradients.differences import Differences
from minicnn.gradients.evidence import Evidence, Slip, names_of_axes, near
from minicnn.operation import op

PAGE = Path(__file__).parents[2] / "tutorials" / "manual" / "gradient_checks.md"


def name_of(bug):
    return f"{bug.op}: {bug.slip}"


def findings_of(bug, seed=0):
    """Return the findings on the input that the bug spoils."""
    with use_backend("numpy"), pytest.raises(GradcheckError) as caught:
        gradcheck(made(bug.op, bug.backward), OPERATIONS[bug.op][2](np.random.default_rng(seed)), seed=seed)
    return caught.value.report.inputs[bug.accused].findings


def verdict(bug, findings):
    """Return "named", "unnamed" where none fits or not all entries, or else "misnamed"."""
    if any(found.kind in bug.kinds and any(words in found.text for words in bug.says) for found in findings):
        return "unnamed" if findings[0].kind == "unknown" or findings[0].share < 1 else "named"
    return "unnamed" if findings[0].kind == "unknown" else "misnamed"


def test_the_bugs_are_as_many_as_promised():
    assert len(BUGS) == 80 and len(AFTER) == 40 and len({bug.op for bug in AFTER}) >= 25
    assert len({name_of(bug) for bug in BUGS + AFTER}) == 120 and len(OPERATIONS) + len(HARD) >= 60


def test_of_the_bugs_written_after_the_freeze_most_are_named_and_none_misnamed():
    verdicts = [(name_of(bug), verdict(bug, findings_of(bug))) for bug in AFTER]
    assert [name for name, said in verdicts if said == "misnamed"] == []
    assert sum(said == "named" for _, said in verdicts) >= 34


# The first has one reason for some entries and another for the rest; the others are wrong in a way without a name.
UNNAMED = {"maximum: half to each", "max: shared by all", "softplus: the tangent", "sum: row of the first"}
UNNAMED |= {"norm: sign of x"}


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("bug", BUGS + AFTER, ids=name_of)
def test_a_slip_is_named_whatever_the_numbers(bug, seed):
    findings = findings_of(bug, seed)
    assert verdict(bug, findings) == ("unnamed" if name_of(bug) in UNNAMED else "named"), findings
    if seed == 0:
        assert row_of(bug, findings) in PAGE.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_healthy_operation_is_called_wrong(name):
    with use_backend("numpy"):
        for seed in range(2):
            assert gradcheck(made(name), OPERATIONS[name][2](np.random.default_rng(seed)), seed=seed).ok


def test_no_healthy_operation_is_called_wrong_where_inputs_are_hard():
    with use_backend("numpy"):
        verdicts = [gradcheck(made(name), inputs).verdict for name, inputs in HARD]
    assert len(verdicts) >= 18 and {*verdicts} == {"passed", "inconclusive"}


@pytest.mark.parametrize("shape", [(3, 3), (3, 4)])
def test_one_term_of_a_product_with_itself_is_half_of_the_diagonals(shape):
    @op
    def with_itself(x):
        return x @ x.T, lambda dy: dy @ x

    with use_backend("numpy"), pytest.raises(GradcheckError) as caught:
        gradcheck(with_itself, [np.random.default_rng(0).standard_normal(shape)])
    [found] = caught.value.report.inputs[0].findings
    assert (found.kind, found.share) == ("term", 1) and "x stands twice in a product" in found.text


def test_a_gradient_is_not_reversed_along_an_axis_of_one_entry():
    """Here dy is, along both axes, and the gradient along the other: two slips at once, which have no name."""
    weights = np.array([[0.3], [-1.1], [2.0]])

    @minicnn.op
    def running(x):
        def backward(dy):
            return np.cumsum((weights[::-1] * dy).sum(axis=0, keepdims=True), axis=1)

        return weights * np.cumsum(np.broadcast_to(x, (3, 4)), axis=1), backward

    with use_backend("numpy"), pytest.raises(GradcheckError) as caught:
        gradcheck(running, [np.random.default_rng(0).normal(size=(1, 4))])
    assert [found.kind for found in caught.value.report.inputs[0].findings] == ["unknown"]


def row_of(bug, findings):
    """Return the row of a bug in the page's table."""
    said = "; or: ".join(found.text for found in findings).removeprefix("every wrong entry ").replace("|", "\\|")
    said = "none that is known" if findings[0].kind == "unknown" else said
    when = "before" if bug in BUGS else "after"
    return f"| {bug.op} | {bug.slip} | {when} | {said} | {verdict(bug, findings)} |"


def test_the_page_holds_the_table():
    page = PAGE.read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.endswith(("named |", "misnamed |"))]
    expected = [f"| {bug.op} | {bug.slip} | " for bug in BUGS + AFTER]
    assert [row[: len(start)] for row, start in zip(rows, expected, strict=True)] == expected
    counts = {word: sum(row.endswith(f"| {word} |") for row in rows[80:]) for word in ("named", "unnamed", "misnamed")}
    assert f"{counts['named']} named, {counts['unnamed']} unnamed, {counts['misnamed']} misnamed" in page


# A sum over a group of entries


def summed(y, rows):
    """Return evidence on a function of x whose result is y, with these slopes of its elements, one row per entry."""
    y = np.asarray(y, float)
    found = Evidence("x", y, y, np.arange(y.size), y.ravel(), y.ravel(), np.ones(y.size, bool), y, y, {})
    found.rows = np.asarray(rows, float)
    return found


def softmax_slopes(y):
    """Return the slopes of softmax within each row of y, and 0 from row to row."""
    whole = np.zeros((y.size, y.size))
    for i, row in enumerate(y):
        part = slice(i * len(row), (i + 1) * len(row))
        whole[part, part] = np.diag(row) - np.outer(row, row)
    return whole


def test_the_slopes_of_softmax_are_a_part_of_its_own_and_one_of_the_sum():
    y = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])
    delta, (beta,) = sums._parts(summed(y, softmax_slopes(y)), (1,), ("y",))
    assert_allclose(delta, y.ravel())
    assert_allclose(beta, -y.ravel())
    assert sums._parts(summed(y, softmax_slopes(y)), (0,), ("y",)) is None  # slopes outside of the groups
    assert sums._parts(summed(y, softmax_slopes(y)), (1,), ("1",)) is None  # of another form inside them
    assert sums._parts(summed(y, np.eye(6)), (1,), ("y",)) is None  # no sum at all


def test_one_slope_of_another_form_is_enough_and_one_vector_of_two_suffices():
    y = np.array([0.0, 1, 2, 3, 5])
    rows = np.outer([1.0, 2, 3, 4, 5], y)
    delta, betas = sums._parts(summed(y, rows), (0,), ("1", "y"))  # of which the first takes no part
    assert_allclose(delta, np.zeros(5), atol=1e-9)
    assert_allclose(betas, [[0, 0, 0, 0, 0], [1, 2, 3, 4, 5]], atol=1e-9)
    rows[4, 1] = 6  # what is zero still fits
    assert sums._parts(summed(y, rows), (0,), ("y",)) is None


def test_the_slips_of_a_sum_in_full():
    """Softmax along the rows: its gradient is y · dy − y · Σ y · dy."""
    y, dy = np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]), np.arange(1.0, 7).reshape(2, 3)
    point = summed(y, softmax_slopes(y))
    point.cotangent, point.numeric = dy, (y * dy - y * (y * dy).sum(axis=1, keepdims=True)).ravel()
    point.x = x = y + 1
    vectors = {"1": np.ones((2, 3)), "y": y, "x": x, "exp(y)": np.exp(y)}

    def over(array, axis=1):
        return array.sum(axis=axis, keepdims=True)

    due, its = over(y * dy), "Σ y · dy over axis 1"
    along, sum_over = "the sum runs over another axis", f"{its} is due, not over"
    expected = [
        (
            "sum",
            "the gradient holds only the term of the entry's own result: the sum over the others is missing",
            y * (1 - y) * dy,
        ),
        ("sum", "the term of the entry's own result is missing", y * y * dy - y * due),
        ("sum", f"the sum is missing: {its}, the projection that is to be taken out", y * dy),
        ("sign", f"{its} has the wrong sign", y * dy + y * due),
        ("ratio", f"{its} is counted twice", y * dy - 2 * y * due),
        ("ratio", f"a mean stands where {its} is due", y * dy - y * due / 3),
        ("ratio", f"the sum stands where a mean is due: {its}", y * dy - y * due * 3),
        ("cotangent", f"dy is missing within {its}", y * dy - y * over(y)),
        ("sum", f"{its}: the sum itself is missing", y * dy - y * y * dy),
        ("sum", f"{its}: only its factor is there", y * dy - y),
        ("axis", f"{along}: {sum_over} axis 0", y * dy - y * over(y * dy, 0)),
        ("axis", f"{along}: {sum_over} axes 0 and 1", y * dy - y * over(y * dy, (0, 1))),
        *(
            ("instead", f"{name} stands where y is due within {its}", y * dy - y * over(array * dy))
            for name, array in vectors.items()
            if name != "y"
        ),
        *(
            ("instead", f"{new} stands where {old} is due: it multiplies {its}", y * dy - y * due * there / array)
            for new, there in vectors.items()
            for old, array in vectors.items()
            if new != old
        ),
    ]
    found = list(sums.sums([point], None))
    assert [slip[:2] for slip in found] == [(kind, text) for kind, text, _ in expected]
    for slip, (_, text, gradient) in zip(found, expected, strict=True):
        assert_allclose(slip.predict(point), gradient.ravel(), atol=1e-12, err_msg=text)


@pytest.mark.parametrize(
    ("x", "y", "begins"), [((2, 3), (3, 2), False), ((2001,), (2001,), False), ((2000,), (2000,), True)]
)
def test_a_sum_is_looked_for_in_results_that_are_like_the_input_and_not_large(x, y, begins):
    found = sums.sums([checked(np.ones(x), np.zeros(x), y)], None)
    assert (next(found, None) is not None) == begins


def test_slopes_as_few_as_the_vectors_say_nothing():
    for y, names in ((np.array([[0.4, 0.6]]), ("y",)), (np.array([[0.5, 0.3, 0.2]]), ("y", "1"))):
        assert sums._parts(summed(y, softmax_slopes(y)), (1,), names) is None  # anything fits


@pytest.mark.parametrize("y", [[0.0, 1, 2, 1000], [1000.0, 1000, 1000, 1000]])
def test_a_vector_that_is_not_finite_is_passed_over(y):
    with np.errstate(over="ignore"):
        assert sums._parts(summed([y], np.ones((4, 4))), (1,), ("exp(y)",)) is None


# Constants and masks


def checked(given, due, y=None, others=None):
    """Return evidence on an input with this gradient where that one is due; all its entries were checked."""
    given, due = np.asarray(given, float), np.asarray(due, float)
    y = given if y is None else np.zeros(y)
    wrong = given.ravel() != due.ravel()
    allowed = np.full(given.size, 1e-6)
    point = Evidence("x", given, given, np.arange(given.size), due.ravel(), allowed, wrong, y, y, others or {})
    point.differences = SimpleNamespace(arrays=[given])
    return point


@pytest.mark.parametrize(
    ("given", "due", "ratio"),
    [([3.7], [1.0], None), ([3.7, 3.7], [1.0, 1], 3.7), ([3.7, 3.7, 1], [1.0, 1, 0], 3.7), ([0.0, 0], [1.0, 2], None)],
)
def test_a_constant_factor_is_that_of_several_entries(given, due, ratio):
    """A factor of one entry is any number, and 0 is no factor."""
    found = [slip for slip in slips.constants([checked(given, due)], None) if slip.kind == "ratio"]
    assert [slip.text for slip in found] == ([] if ratio is None else [f"has ratio {ratio:.3f}: a constant factor"])


def test_which_slips_need_rows_of_the_jacobian():
    points = [checked([2.0, 6], [1.0, 3])]
    found = [*slips.constants(points, None), *slips.masks(points, None)]
    assert {slip.kind for slip in found if slip.asks} == {"cotangent"} and all(slip.entry for slip in found)
    quick = ["not finite", "zeros", "sign", "ratio", "passed", "passed"]
    assert [slip.kind for slip in found if not slip.asks] == quick
    point = checked([2.0, 6], [1.0, 0])
    zeros, twice = (next(slip for slip in found if slip.kind == kind).predict(point) for kind in ("zeros", "ratio"))
    assert zeros.tolist() == [0, 0] and twice.tolist() == [2, 0]
    both = [slip.predict(point) for slip in found if slip.kind == "passed"]
    assert_array_equal(both, [[np.nan, 6], [0, 6]])


@pytest.mark.parametrize(("y", "count"), [((2, 3), [2]), ((7,), []), ((3,), []), ((2,), [])])
def test_results_are_counted_per_entry_where_they_are_as_many_for_each(y, count):
    found = slips._counts(checked(np.ones(3), np.zeros(3), y))
    assert [n for what, n in found if what == "the results per entry of x"] == count


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (7 / 6, "divided by 6 instead of 7 = the elements of x"),  # as a variance of a sample is
        (-7 / 6, "the sign is wrong, and divided by 6 instead of 7 = the elements of x"),
        (7 / 8, ""),
    ],
)
def test_a_ratio_of_neighbouring_counts_has_its_reason(ratio, said):
    assert slips.meaning_of(checked(np.ones(7), np.zeros(7), (1,)), ratio) == said


FAMILIES = ("constants", "uses", "order", "lost_terms", "sums", "rules", "other_points", "masks")


@pytest.mark.parametrize(
    ("kind", "least"), [(kind, 1) for kind in ("zeros", "not finite", "sign", "ratio", "cotangent")] + [("flip", 3)]
)
def test_a_slip_of_an_order_is_seen_in_three_entries_at_least(kind, least):
    for count in (1, 2, 3):
        given = np.full(count, np.nan) if kind == "not finite" else np.full(count, 2.0)
        slip = Slip(kind, "", lambda p: p.given)
        assert slips._fit(slip, [checked(given, np.ones(count))]) == ("everywhere" if count >= least else "")


@pytest.mark.parametrize("count", [3, 4])
def test_a_changed_slope_is_seen_in_four_entries_at_least(count):
    x = np.arange(2.0, count + 2)
    point = checked(2 * x * x, 2 * x)
    point.x, point.y, point.cotangent, point.rows = x, x * x, np.ones(count), np.diag(2 * x)
    with np.errstate(all="ignore"):
        found = [slip.text for slip in slopes.rules([point], None)]
    assert found == ["has the factor x too often; due is 2 · dy · x"] * (count == 4)


def test_a_ratio_is_that_of_a_count_within_a_thousandth():
    assert near(1.0009, 1) and not near(1.0011, 1) and near(-3.002, -3) and not near(-3, 3)


def test_one_family_of_slips_is_asked_after_the_other_at_every_point(monkeypatch):
    points, asked = [checked([1.0, 2], [2.0, 4]) for _ in range(3)], []
    for family in FAMILIES:
        look = lambda *given, family=family: asked.append((family, *given)) or iter(())  # noqa: E731
        monkeypatch.setattr(slips, family, look)
    (found,) = slips.causes(points, "f")
    assert (found.kind, found.text) == (
        "unknown",
        "none that is known; the ratio analytic / numeric runs from 0.5 to 0.5",
    )
    assert asked[:8] == [(family, points, "f") for family in FAMILIES]
    assert asked[8:] == [(family, points, None) for family in ("constants", "masks")]  # of most of the entries


@pytest.mark.parametrize(("family", "count"), [(family, 1 + (family in ("order", "rules"))) for family in FAMILIES])
def test_two_kinds_are_told_only_of_an_order_and_of_a_rule(monkeypatch, family, count):
    for other in FAMILIES:
        monkeypatch.setattr(slips, other, lambda points, f: [])
    found = [Slip(kind, f"{kind} {i}", lambda p: p.given) for i, kind in enumerate("aabc")]
    monkeypatch.setattr(slips, family, lambda points, f: found)
    point = checked([1.0, 2, 3], [2.0, 4, 6])
    assert [finding.text for finding in slips.causes([point], None)] == ["a 0", "b 2"][:count]


def test_the_terms_that_a_sum_may_lack_and_what_is_left_of_it():
    point = checked(np.ones(2), np.zeros(2), (3,))
    point.rows, point.cotangent = np.array([[1.0, 2, 3], [4.0, 5, 0]]), np.array([10.0, 100, 1000])
    lacks = "missing accumulation: "
    one = "x reaches several elements of the result, and its gradient holds only the term of one, the "
    terms = point.rows * point.cotangent
    expected = [
        *(
            (f"{lacks}the gradient holds only the terms of the result's [{i}]; sum over axis 0", terms[:, i])
            for i in range(3)
        ),
        (f"{lacks}{one}last of them: is it overwritten (=) where it must be added to (+=)?", [3000, 500]),
        (f"{lacks}{one}first of them", [10, 40]),
        *(
            (f"{lacks}the terms of the result's [{i}] are not in the sum", terms.sum(axis=1) - terms[:, i])
            for i in range(3)
        ),
    ]
    found = list(slips.lost_terms([point], None))
    assert [slip.text for slip in found] == [text for text, _ in expected] and {slip.kind for slip in found} == {
        "fan-out"
    }
    for slip, (text, left) in zip(found, expected, strict=True):
        assert_array_equal(slip.predict(point), left, err_msg=text)


@pytest.mark.parametrize(
    ("x", "y", "count"),
    [
        ((3, 2), (3, 3), 2),
        ((2, 3), (3, 3), 2),
        ((3, 3), (3, 3), 4),
        ((2, 2), (3, 3), 0),
        ((3, 2), (3, 2), 0),
        ((3,), (3,), 0),
    ],
)
def test_an_input_may_stand_twice_in_a_product_that_is_square(x, y, count):
    found = slips.lost_terms([checked(np.ones(x), np.zeros(x), y)], None)
    assert [slip.text for slip in found if slip.kind == "term"] == [
        "x stands twice in a product, and the gradient holds only one of its two terms"
    ] * count


def test_results_of_more_elements_than_forty_eight_are_not_searched_for_a_term():
    for y, axes in (((6, 8), {"axis 0", "axis 1", "axes 0 and 1"}), ((7, 7), {"axis 0", "axis 1"}), ((49,), set())):
        found = slips.lost_terms([checked(np.ones(2), np.zeros(2), y)], None)
        assert {slip.text.partition("; sum over ")[2] for slip in found} - {""} == axes


@pytest.mark.parametrize(
    ("shape", "turned", "reversed_along"),
    [
        ((2, 1, 3, 3), True, ["axis 0"]),
        ((2, 3, 1, 4), False, ["axis 0", "axis 1", "axes 0 and 1"]),
        ((2, 3, 3), True, ["axis 0"]),
        ((3, 3), True, ["axis 0", "axis 1", "axes 0 and 1"]),
        ((2, 1), False, ["axis 0"]),
        ((1, 1), False, []),
        ((4,), False, ["axis 0"]),
    ],
)
def test_another_input_may_be_turned_or_reversed_along_what_slides(shape, turned, reversed_along):
    point = checked([1.0, 2], [2.0, 4], others={"w": np.ones(shape)})
    point.differences = SimpleNamespace(arrays=[point.x, point.others["w"]])
    right = "the gradient would be right for w"
    expected = [("transpose", f"{right} transposed: backward wants w.T where w stands, or the reverse")] * turned
    expected += [("kernel", f"unflipped kernel: {right} reversed along {axes}") for axes in reversed_along]
    assert [slip[:2] for slip in slips._with_another_input(point, None)] == expected


def test_a_use_of_an_input_may_be_all_that_its_gradient_holds():
    def f(x):
        return ops.square(x) + ops.exp(x) + x * 3.0

    point = checked([1.0, 2], [2 + np.e + 3, 4 + np.e**2 + 3])
    point.x, point.differences, point.cotangent = point.given, SimpleNamespace(arrays=[point.given]), np.ones(2)
    held = {slip.text.partition("holds only what ")[2]: slip.predict(point) for slip in slips.uses([point], f)}
    parts = {"square": point.x * 2, "exp": np.exp(point.x), "mul": np.full(2, 3.0)}
    names = ["mul and exp", "mul and square", "exp and square", "mul", "exp", "square"]
    names = [f"{name} gave; the parts must be added up" for name in names]
    assert {frozenset(name.split()) for name in held} == {frozenset(name.split()) for name in names} and len(held) == 6
    for text, gradient in held.items():
        said = text.partition(" gave")[0].split(" and ")
        assert_allclose(gradient, sum(parts[name] for name in said), err_msg=text)
    short = checked([1.0, 2], [2.0, 4])
    short.differences, short.cotangent = point.differences, point.cotangent
    assert {slip.predict(short) is None for slip in slips.uses([point], f)} == {True}  # the parts are not the whole


def test_a_moved_cotangent_has_zeros_where_nothing_comes_from():
    dy = np.arange(1.0, 9).reshape(2, 4)
    assert_array_equal(slips._moved(dy, 1, 1), [[0, 1, 2, 3], [0, 5, 6, 7]])
    assert_array_equal(slips._moved(dy, 1, -1), [[2, 3, 4, 0], [6, 7, 8, 0]])
    assert_array_equal(slips._moved(dy, 0, -1), [[5, 6, 7, 8], [0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("rows", "first", "last"),
    [
        ([[1, 1, 0], [0, 0, 1]], [10, 30], [20, 30]),
        ([[1, 1, 1], [0, 1, 1]], [10, 20], [30, 30]),
        ([[1, 0, 0], [1, 0, 0]], None, None),  # a term of two entries, but no entry of two terms
        ([[1, 1e-10, 0], [0, 0, 1]], None, None),
        ([[1, 1e-8, 0], [0, 0, 1]], [10, 30], [2e-7, 30]),
    ],
)
def test_the_first_and_the_last_term_of_an_entry(rows, first, last):
    point = checked(np.ones(2), np.zeros(2), (3,))
    point.rows, point.cotangent = np.array(rows, float), np.array([10.0, 20, 30])
    for expected, is_last in ((first, False), (last, True)):
        found = slips._end(point, (0,), is_last)
        assert (found if found is None else found.tolist()) == expected


def test_the_terms_of_an_entry_are_summed_over_the_other_axes():
    point = checked(np.ones(2), np.zeros(2), (2, 3))
    point.rows, point.cotangent = np.array([np.ones(6), np.arange(6)]), np.arange(6.0).reshape(2, 3)
    assert slips._along(point, (0,)).tolist() == [[3, 12], [5, 50]]
    assert slips._along(point, (1,)).tolist() == [[3, 5, 7], [9, 17, 29]]
    assert slips._along(point, (0, 1)).tolist() == [[0, 1, 2, 3, 4, 5], [0, 1, 4, 9, 16, 25]]


def test_two_gradients_are_exchanged_if_each_is_that_of_the_other():
    point = checked([1.0, 2], [3.0, 4])
    point.differences = SimpleNamespace(slopes=lambda number, index: SimpleNamespace(central=number * 10.0))
    for other, found in ((None, None), ([3.0, 4], [10, 10]), ([3.0, 5], None), ([2.0, 4], None)):
        point.gradients = [point.analytic, None if other is None else np.array(other)]
        there = slips._exchanged(point, 1)
        assert (there if there is None else there.tolist()) == found


# The order of entries, and the values that belong to them


def test_an_order_is_undone_in_the_gradient_itself_without_the_jacobian():
    point = checked(np.arange(12.0).reshape(3, 4), np.ones((3, 4)), (3, 4))
    found = list(slips.order([point], None))
    mending = [slip for slip in found if slip.text.startswith(("the gradient is ", "each entry holds "))]
    assert {slip.kind for slip in mending} == {"transpose", "flip", "shift", "stale"}
    assert all(slip.mends and not slip.asks for slip in mending)
    assert all(slip.asks and not slip.mends for slip in found if slip not in mending)


@pytest.mark.parametrize("summed_up", [np.cumsum, lambda due: np.cumsum(due[::-1])[::-1]])
def test_a_running_sum_is_undone_from_either_end(summed_up):
    due = np.array([1.0, -2, 4])
    point = checked(summed_up(due), due)
    found = [slip.predict(point).tolist() for slip in slips.order([point], None) if slip.kind == "stale"]
    assert len(found) == 2 and due.tolist() in found


@pytest.mark.parametrize(
    ("x", "y", "axes", "said"),
    [
        ((3,), (2, 3), (0,), True),
        ((1, 3), (2, 3), (0,), True),
        ((3,), (2, 3), (1,), False),
        ((3,), (2, 3), (0, 1), False),
        ((2,), (2, 3), (0,), False),
        ((1, 2, 3), (2, 3), (0,), False),
    ],
)
def test_an_input_is_broadcast_along_axes_that_it_lacks(x, y, axes, said):
    assert slips._is_broadcast(checked(np.ones(x), np.zeros(x), y), axes) == said


def at_the_opposite(f, given):
    """Return what the slip says that takes x for −x, of a function of (2, 3) and this gradient."""
    x, cotangent = np.array([2.0, 3.0]), np.ones(2)
    point = checked(given, [9.0, 9.0])
    point.x, point.cotangent, point.y = x, cotangent, f(minicnn.Tensor(x)).numpy()
    point.differences = Differences(f, [x], cotangent, 1e-6)
    found = slips.at_inputs(f, 0, lambda p, array: -array)(point)
    return None if found is None else found.round(6).tolist()


def test_a_function_at_other_values_explains_a_gradient_if_it_has_one_of_this_shape_there():
    def squared(x):
        return x * x

    def turned(x):
        return squared(x) if x.data[0] > 0 else squared(x).reshape((1, 2))

    assert at_the_opposite(squared, [-4.0, -6.0]) == [-4, -6] and at_the_opposite(squared, [-4.0, 6.0]) is None
    assert at_the_opposite(turned, [-4.0, -6.0]) is None


@pytest.mark.parametrize("problem", [ValueError, InputError, IndexError, ZeroDivisionError, FloatingPointError])
def test_a_function_that_does_not_take_other_values_is_not_explained_by_them(problem):
    def positive(x):
        if x.data.min() < 0:
            raise problem("positive numbers only")
        return x * x

    assert at_the_opposite(positive, [-4.0, -6.0]) is None


def test_what_has_no_gradient_has_no_parts_on_the_tape():
    point = checked([1.0, 2.0], [2.0, 4.0])
    assert slips.parts_on_the_tape(lambda x: minicnn.Tensor(np.ones(2)), point) == []
    ((name, part),) = slips.parts_on_the_tape(lambda x: x * 3.0, point)
    assert name == "mul" and part.tolist() == [3, 6]


def test_the_values_that_belong_to_slopes_have_their_names():
    random = np.random.default_rng(0)
    x, w, rows = random.standard_normal((2, 3)) + 1000, random.standard_normal(3), random.standard_normal((2, 1))
    point = checked(x, np.zeros((2, 3)), (2, 3), {"w": w, "rows": rows, "one": np.ones(1), "other": np.ones((4, 3))})
    point.y = random.standard_normal((2, 3))
    everything = np.arange(6)
    found = slopes._values(point, everything, everything)
    named = {"x": x, "y": point.y, "w": w + 0 * x, "rows": rows + 0 * x}
    for name, array in (("w", w), ("rows", rows)):
        named |= {f"(x - {name})": x - array, f"(y - {name})": point.y - array}
    softmax = np.exp(x - 1000)
    for along, axis in (("0", (0,)), ("1", (1,)), ("0 and 1", (0, 1))):
        count = np.prod([x.shape[i] for i in axis])
        mean = np.sum(x, axis, keepdims=True) / count
        named |= {
            f"(x - its mean along {along})": x - mean,
            f"(the length of x along {along})": np.sum(x * x, axis, keepdims=True) ** 0.5 + 0 * x,
            f"(the deviation of x along {along})": (np.sum((x - mean) ** 2, axis, keepdims=True) / count) ** 0.5
            + 0 * x,
            f"(the softmax of x along {along})": softmax / np.sum(softmax, axis, keepdims=True),
        }
    assert found.keys() == named.keys()
    for name, array in named.items():
        assert_allclose(found[name], array.ravel(), rtol=1e-9, err_msg=name)
    point.others = {"y": w}
    assert {"y", "the result"} <= slopes._values(point, everything, everything).keys()


@pytest.mark.parametrize(
    ("x", "slope", "found"),
    [
        ([1, 2, 3, 4, 0], [2, 4, 6, 8, 5], {(slopes.Unit("{}", "x", 1),): 2}),
        ([1, 2, 3, 0], [2, 4, 6, 5], {}),
        ([1, 2, 3, 4], [7, 7, 7, 7], {(): 7}),
        ([1, 2, 3], [7, 7, 7], {}),
    ],
)
def test_a_slope_is_identified_by_four_values_at_least(x, slope, found):
    columns = np.array([x, np.ones(len(x))])
    with np.errstate(divide="ignore", invalid="ignore"):
        assert slopes._identified(np.array(slope, float), columns, [slopes.Unit("{}", "x", 1)]) == found


@pytest.mark.parametrize(
    ("rule", "alone", "with_dy"),
    [
        ([], "1", "dy"),
        ([("{}", "x", 1)], "x", "dy · x"),
        ([("{}", "x", -1)], "1/x", "dy/x"),
        ([("(1 - {})", "y", 1)], "1 - y", "dy · (1 - y)"),
        ([("(1 - {})", "y", -1)], "1/(1 - y)", "dy/(1 - y)"),
        ([("(1 - {})", "y", 2)], "(1 - y)²", "dy · (1 - y)²"),
        ([("{}", "x", -0.5), ("exp({})", "x", 1), ("{}", "w", 3)], "exp(x) · w³/√x", "dy · exp(x) · w³/√x"),
        ([("{}", "x", -2), ("{}", "y", 0.5), ("{}", "w", -1)], "√y/x²/w", "dy · √y/x²/w"),
    ],
)
def test_a_product_in_words(rule, alone, with_dy):
    rule = tuple(slopes.Unit(*unit) for unit in rule)
    assert (slopes.told(rule), slopes.told(rule, "dy")) == (alone, with_dy)
    assert [unit.inverse().power for unit in rule] == [-unit.power for unit in rule]


@pytest.mark.parametrize(
    ("unit", "cost"),
    [
        (("{}", "x", 1), 0),
        (("{}", "x", -1), 0),
        (("{}", "x", 2), 0.1),
        (("{}", "x", -0.5), 0.05),
        (("{}", "y", 1), 0.15),
        (("{}", "(x - w)", 1), 0.2),
        (("(1 - {})", "y", -2), 0.55),
        (("exp({})", "x", 1), 1),
    ],
)
def test_the_less_usual_a_value_the_more_it_costs(unit, cost):
    assert slopes.Unit(*unit).cost == pytest.approx(cost)


X, Y, ONE_LESS = (slopes.Unit(*unit) for unit in (("{}", "x", 1), ("{}", "y", 1), ("(1 - {})", "y", 1)))


@pytest.mark.parametrize(
    ("change", "constant", "known", "kind", "text"),
    [
        (slopes.Change(1, (X,), slope=True), 1, {(X,): 2.0}, "factor", "has the factor x too often; due is 2 · dy · x"),
        (slopes.Change(1, (X.inverse(),), slope=True), 1, {(X,): 1.0}, "factor", "lacks the factor x; due is dy · x"),
        (slopes.Change(1, (X,), slope=True), -2, {}, "factor", "has the factor x too often, and ratio -2.000"),
        (slopes.Change(1, (X,), lost=True), 0.5, {}, "term", "lacks the term 0.5 · dy · x"),
        (
            slopes.Change(1, (), lost=True),
            1,
            {},
            "fan-out",
            "missing accumulation: dy itself is missing, the path by which x goes straight through",
        ),
        (
            slopes.Change(1, (), lost=True),
            -1,
            {},
            "fan-out",
            "missing accumulation: dy itself is in it, and should not be, the path by which x goes straight through",
        ),
        (slopes.Change(1, (), lost=True), 1.001, {}, "term", "lacks the term 1.001 · dy"),
        (slopes.Change(1, ()), 3, {(X,): 1.0}, "factor", "is 3 · dy itself: it is not multiplied by the slope"),
        (
            slopes.Change(1.1, (Y,), due=(X,)),
            1,
            {(X,): 3.0},
            "instead",
            "y stands where x is due: the gradient is dy · y; due is 3 · dy · x",
        ),
        (
            slopes.Change(1.9, (X, ONE_LESS), due=(X, Y)),
            1,
            {(X, Y): 1.0},
            "instead",
            "1 - y stands where y is due: the gradient is dy · x · (1 - y); due is dy · x · y",
        ),
        (slopes.Change(2, (Y,), due=(X,)), 1, {(X,): 1.0}, "instead", "the gradient is dy · y; due is dy · x"),
        (
            slopes.Change(2, (X.inverse(), Y)),
            1,
            {},
            "instead",
            "the gradient is dy · y/x, one term of the product rule",
        ),
    ],
)
def test_a_changed_slope_in_words(change, constant, known, kind, text):
    point = checked([1.0, 2], [2.0, 4])
    slip = slopes._slip(point, np.ones((2, 2), bool), change, constant, known)
    assert slip[:2] == (kind, text) and slip.entry == (kind in ("factor", "term")) and slip.asks and not slip.mends


def test_no_product_of_powers_of_one_value_is_identified():
    x, squared = slopes.Unit("{}", "x", 1), slopes.Unit("{}", "x", 2)
    values = np.arange(1.0, 6)
    columns = np.array([values, values**2, np.ones(5)])
    assert slopes._identified(2 * values**3, columns, [x, squared]) == {}
    assert slopes._identified(2 * values**3, columns, [x, slopes.Unit("{}", "w", 2)]) == {
        (x, slopes.Unit("{}", "w", 2)): pytest.approx(2)
    }


def test_the_changes_of_a_slope_in_full():
    x, over, y = slopes.Unit("{}", "x", 1), slopes.Unit("{}", "x", -1), slopes.Unit("(1 - {})", "y", 1)
    found = slopes._changes([x, over, y], {(x,): 2.0})
    assert [(round(cost, 9), *rest) for cost, *rest in found] == [
        (1.0, (x,), True, False, None),
        (0.3, (over,), True, False, None),  # it undoes what is there
        (1.45, (y,), True, False, None),
        (2.0, (), False, True, None),
        (1, (), False, False, (x,)),
        (2.4, (x,), False, True, None),
        (2.5, (x,), False, False, (x,)),
        (2.4, (over,), False, True, None),
        (2.5, (over,), False, False, (x,)),
        (3.85, (y,), False, True, None),
        (2.725, (y,), False, False, (x,)),
        (4.25, (x, y), False, True, None),
        (3.025, (x, y), False, False, (x,)),
        (4.25, (over, y), False, True, None),
        (3.025, (over, y), False, False, (x,)),
        (1.4, (over,), False, False, (x,)),
    ]


def test_two_factors_that_stand_alone_are_simple_ones():
    units = [
        slopes.Unit(*unit) for unit in (("{}", "x", 1), ("{}", "x", 2), ("{}", "(x - w)", 1), ("(1 + {})", "y", 1))
    ]
    units.append(slopes.Unit("exp({})", "z", -1))
    pairs = [change.rule for change in slopes._changes(units, {}) if len(change.rule) == 2]
    assert pairs == [(units[0], units[-1])] * 2  # as a term that is lost, and in place of the slope


def test_of_three_factors_two_are_values_as_they_are():
    random = np.random.default_rng(0)
    x, z, w = random.uniform(0.5, 2, (3, 9))
    plain = [slopes.Unit("{}", "x", 1), slopes.Unit("{}", "z", 1), slopes.Unit("cos({})", "w", 1)]
    found = slopes._identified(3 * x * z * np.cos(w), np.array([x, z, np.cos(w), np.ones(9)]), plain)
    assert found == {tuple(plain): pytest.approx(3)}
    odd = [slopes.Unit("exp({})", "x", 1), *plain[1:]]
    assert slopes._identified(3 * np.exp(x) * z * np.cos(w), np.array([np.exp(x), z, np.cos(w), np.ones(9)]), odd) == {}


@pytest.mark.parametrize(("constant", "cost"), [(1, 1), (2, 2), (0.5, 2), (-0.25, 2), (1 / 3, 2), (0.37, 3)])
def test_an_odd_constant_costs_more_than_a_simple_one(constant, cost):
    x = np.arange(2.0, 6)
    point = checked(constant * 2 * x * x, 2 * x)
    point.x, point.y, point.cotangent, point.rows = x, x * x, np.ones(4), np.diag(2 * x)
    part = slopes.Slopes(point, np.eye(4, dtype=bool), np.arange(4))
    units = [slopes.Unit("{}", "x", 1)]
    found = list(slopes._fitting([part], [part.columns(units)], units, {}))
    assert [(found_cost, found_constant) for found_cost, change, found_constant in found if change.slope] == [
        (cost, pytest.approx(constant))
    ]


def test_one_value_in_place_of_another_is_cheaper_than_another_power():
    x, z, twice, root = (slopes.Unit("{}", *rest) for rest in (("x", 1), ("z", 1), ("x", 2), ("z", 0.5)))
    found = [change for change in slopes._changes([x, z, twice, root], {(x,): 1.0}) if change.due and change.cost < 2]
    assert [(change.cost, change.rule) for change in found] == [(1, ()), (1.1, (z,)), (1.4, (twice,)), (1.1, (z,))]
    (half,) = [change for change in slopes._changes([x, z, twice, root], {(x,): 1.0}) if change.rule == (root,)][:1]
    assert half.cost == pytest.approx(1.05)


def test_the_vectors_of_a_sum_are_those_that_lie_along_the_last_axes():
    others = {"w": np.arange(3.0), "one": np.ones(1), "rows": np.ones((2, 1)), "same": np.ones((2, 3)), "n": np.ones(2)}
    point = checked(np.ones((2, 3)), np.zeros((2, 3)), (2, 3), others)
    found = sums._vectors(point)
    assert list(found) == ["1", "y", "x", "exp(y)", "w", "(y - w)", "same", "(y - same)"]
    assert {array.shape for array in found.values()} == {(2, 3)} and found["(y - w)"].tolist() == [[0, -1, -2]] * 2


def test_the_axes_of_an_array_have_names_or_numbers():
    assert names_of_axes("w", (3, 3, 2, 4)) == ["kh", "kw", "c_in", "c_out"]
    assert names_of_axes("images", (2, 9, 3)) == ["N", "L", "C"]
    assert names_of_axes("w", (2, 3)) == ["the index along axis 0", "the index along axis 1"]
    assert names_of_axes("x", (3,)) == ["the index"] and names_of_axes("x", ()) == []


if __name__ == "__main__":
    print(*(row_of(bug, findings_of(bug)) for bug in BUGS + AFTER), sep="\n")
