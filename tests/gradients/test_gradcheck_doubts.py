"""Where differences decide nothing gradcheck says so: at kinks, jumps, under rounding. And no healthy op is accused."""

import itertools
import os
from types import SimpleNamespace

import numpy as np
import pytest

from minicnn import ops
from minicnn.backend import use_backend
from minicnn.errors import GradcheckError
from minicnn.gradients import checking
from minicnn.gradients.checking import _chosen, gradcheck
from minicnn.gradients.differences import Differences, Slopes, Unsettled, unsettled
from minicnn.gradients.reports import Finding, GradcheckReport, InputReport
from minicnn.operation import op
from minicnn.survey import rows
from minicnn.tensor import Tensor

BACKENDS = ("numpy", "numba")


@pytest.fixture(autouse=True)
def nothing_is_compiled():
    with use_backend("numpy"):
        yield


def scaled(function, factor):
    """The function, with its gradient times a factor."""

    @op
    def wrong(x):
        return function(x), lambda dy: factor * dy * np.sign(x)

    return wrong


# Kinks


@pytest.mark.parametrize("near", [3e-8, -9e-7, 3.4e-7, 0.0])
@pytest.mark.parametrize(
    "kinked", [ops.relu, ops.abs, lambda x: ops.maximum(x, np.zeros(3)), lambda x: ops.clip(x, 0, 3)]
)
def test_at_a_kink_the_verdict_is_inconclusive(kinked, near):
    report = gradcheck(kinked, np.array([1.0, near, -2.0]))
    if report.ok:  # the convention of maximum and abs at 0 is the mean of both slopes, which is what a difference sees
        assert near == 0
        return
    assert report.verdict == "inconclusive" and not report.failed and not report
    assert [doubt.index for doubt in report.inputs[0].inconclusive] == [(1,)]
    assert f"inconclusive at x[1] = {near:.3g}: a kink" in str(report)
    assert "2/3 ok, 1 inconclusive" in str(report)


def test_beside_a_kink_there_is_no_doubt():
    assert gradcheck(ops.relu, np.array([2e-6, -2e-6, 1.0])).verdict == "passed"


def test_a_tie_of_a_maximum_is_a_kink():
    report = gradcheck(lambda x: ops.max_pool(x, 2), np.array([1.0, 1.0 + 3e-8, 0.0, 5.0]).reshape(1, 4, 1))
    assert [doubt.index for doubt in report.inputs[0].inconclusive] == [(0, 0, 0), (0, 1, 0)]


def test_a_jump_decides_nothing():
    @op
    def step(x):
        return np.where(x > 0, 1.0, 0.0), lambda dy: 0 * dy

    assert gradcheck(step, np.array([3e-8, 1.0])).verdict == "inconclusive"


def test_a_gradient_outside_both_slopes_is_wrong_even_at_a_kink():
    with pytest.raises(GradcheckError, match="1/3 entries wrong"):
        gradcheck(
            lambda x: x * 0.5 + scaled(np.abs, 1.0)(x) * 0.0 + _at_zero(x, 7.0), np.array([1.0, 3e-8, -2.0]), seed=1
        )


def _at_zero(x, value):
    @op
    def relu(x):
        return np.maximum(x, 0), lambda dy: dy * np.where(np.abs(x) < 1e-6, value, x > 0)

    return relu(x)


def test_a_kink_excuses_no_other_entry():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(scaled(np.abs, 2.0), np.array([1.0, 3e-8, -2.0]))
    (report,) = caught.value.report.inputs
    assert report.wrong == [(0,), (2,)] or report.wrong == [(0,), (1,), (2,)]
    assert caught.value.report.verdict == "FAILED"


def test_rounding_decides_nothing():
    report = gradcheck(lambda x: x + 1e9, np.array([1.0, 2.0, 3.0]))
    assert report.verdict == "inconclusive"
    assert "rounding" in str(report)
    wrong = op(lambda x: (x + 1e9, lambda dy: -dy))
    with pytest.raises(GradcheckError, match="3/3 entries wrong"):  # larger steps tell
        gradcheck(wrong, np.array([1.0, 2.0, 3.0]))


def test_a_curve_is_no_kink():
    @op
    def steep(x):
        return np.exp(300 * x), lambda dy: 0 * x

    with pytest.raises(GradcheckError, match="3/3 entries wrong"):
        gradcheck(steep, np.array([0.01, 0.02, 0.03]))


@pytest.mark.parametrize(
    ("function", "at", "analytic", "why"),
    [
        (lambda x: x * x * 1e6, 1.0, 2e6 + 50, None),  # both slopes are 100 away, half as much at half the step
        (ops.abs, 0.0, 0.5, "a kink"),
        (ops.abs, 0.0, 1.05, "a kink"),  # half of what is allowed beyond the slopes
        (ops.abs, 0.0, 1.06, None),
        (ops.abs, 0.0, -1.05, "a kink"),
        (ops.abs, 0.0, -1.06, None),
    ],
)
def test_slopes_that_come_together_with_the_step_are_those_of_a_curve(function, at, analytic, why):
    differences = Differences(function, [np.array([at])], np.ones(1), 1e-4)
    found = unsettled(differences, 0, (0,), analytic, differences.slopes(0, (0,)), 0.1)
    assert (found and found.why) == why
    assert found is None or (found.index, found.value, found.left, found.right) == ((0,), at, -1, 1)


FOUND = Slopes(-1.0, 1.0, 0.25, 0.125)  # with 0.25 allowed, a gradient of 0.625 is the last that rounding explains
TO_A_KINK = [10, 2, 0.5, 0.3, 1000, 0.5, 0.25, 2]


@pytest.mark.parametrize(
    ("analytic", "at", "why", "asked"),
    [
        (0.625, {}, "rounding", [10, 100]),
        (0.625, {10: (0, 0, 1, 0.125)}, "rounding", [10, 100]),
        (0.625, {10: (0, 0, 1, 0.1)}, "a kink", TO_A_KINK),
        (0.625, {100: (0, 0, 1, 0.1)}, "a kink", [10, 100, *TO_A_KINK[1:]]),
        (0.75, {}, "a kink", TO_A_KINK[1:]),
        (0.75, {1000: (0, 0.515, 0.4925, 0)}, "rounding, as in float32", [2, 0.5, 0.3, 1000]),  # 0.25 + 0.75 / 100
        (0.75, {1000: (0, 0.516, 0.4925, 0)}, "a kink", TO_A_KINK[1:]),
        (0.75, {1000: (0, 0.515, 0.4924, 0)}, "a kink", TO_A_KINK[1:]),
        (1.125, {}, "a kink", TO_A_KINK[1:]),
        (1.126, {}, None, TO_A_KINK[1:]),
        (1.625, {0.25: (0, 1.5, 0, 0)}, "a kink", TO_A_KINK[1:]),  # one of the slopes is as large
        (0.75, {0.5: (-0.5, 0.5, 0, 0), 0.25: (-0.25, 0.25, 0, 0)}, None, TO_A_KINK[1:]),
        (0.75, {0.5: (-0.5, 0.5, 0, 0), 0.25: (-0.34, 0.36, 0, 0)}, None, TO_A_KINK[1:]),
        (0.75, {0.5: (-0.5, 0.5, 0, 0), 0.25: (-0.35, 0.36, 0, 0)}, "a kink", TO_A_KINK[1:]),
    ],
)
def test_larger_and_smaller_steps_tell_why_a_difference_decides_nothing(analytic, at, why, asked):
    steps = []

    def slopes(number, index, step):
        assert (number, index) == (1, (2,))
        steps.append(step)
        return Slopes(*at.get(step, (-1.0, 1.0, 0.25 if step < 1000 else 9.0, 0.125)))

    differences = SimpleNamespace(eps=1, arrays=[None, np.arange(3.0)], slopes=slopes)
    found = unsettled(differences, 1, (2,), analytic, FOUND, 0.25)
    assert (found and found.why, steps) == (why, asked)
    assert found is None or (found.index, found.value, found.left, found.right) == ((2,), 2, -1, 1)


def test_a_failure_says_that_it_is_not_a_kink():
    with pytest.raises(GradcheckError, match="not a kink: the numeric value is the same for h = 1e-04 … 1e-07"):
        gradcheck(scaled(np.abs, 2.0), np.array([1.0, -2.0]))


# Ties


def largest(give):
    """The largest of each row; give(mask) is the share of each entry that is equal to it."""

    @op
    def rowmax(x):
        y = x.max(axis=1)
        return y, lambda dy: dy[:, None] * give(x == y[:, None])

    return rowmax


TIED = np.array([[1.0, 1, 0], [2, 0, 2], [3, 1, 2]])


@pytest.mark.parametrize("give", [lambda mask: mask, lambda mask: mask & (mask.sum(axis=1, keepdims=True) == 1)])
def test_ties_that_are_each_given_the_whole_or_nothing_are_wrong(give):
    with pytest.raises(GradcheckError, match="pattern: ties: moved together, equal entries give the slope") as caught:
        gradcheck(largest(give), TIED)
    (report,) = caught.value.report.inputs
    assert report.wrong == [(0, 0), (0, 1), (1, 0), (1, 2)] and report.inconclusive == []
    (finding,) = report.findings
    assert finding.kind == "ties" and finding.text.endswith(": what they share is given to each, or to none")
    index, analytic, numeric = report.worst  # the difference across both sides is half of the slope to one
    assert index == (0, 0) and analytic in (0, pytest.approx(2 * numeric))


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_ties_of_small_and_large_slopes_are_wrong_alike(scale):
    @op
    def rowmax(x):
        y = x.max(axis=1)
        return scale * y, lambda dy: scale * dy[:, None] * (x == y[:, None])

    with pytest.raises(GradcheckError, match="pattern: ties: moved together, equal entries give the slope"):
        gradcheck(rowmax, TIED, atol=1e-9)


def first(mask):
    return mask & (mask.cumsum(axis=1) == 1)


@pytest.mark.parametrize("give", [lambda mask: mask / mask.sum(axis=1, keepdims=True), first])
def test_ties_that_are_shared_or_given_to_one_are_not(give):
    assert not gradcheck(largest(give), TIED).failed


def test_the_ties_of_two_inputs_are_moved_together():
    @op
    def maximum(x, y):
        return np.maximum(x, y), lambda dy: (dy * (x >= y), dy * (y >= x))

    with pytest.raises(GradcheckError) as caught:
        gradcheck(maximum, [TIED, np.ones((3, 3))])
    assert [[finding.kind for finding in report.findings] for report in caught.value.report.inputs] == [["ties"]] * 2
    assert not gradcheck(ops.maximum, [TIED, np.ones((3, 3))]).failed
    assert not gradcheck(ops.relu, np.zeros((2, 2))).failed  # moved together, they are at a kink


def test_ties_accuse_only_the_inputs_that_have_them_and_a_gradient():
    @op
    def highest(x, y, z):
        largest_of_each = x.max(axis=1)
        return largest_of_each + y.max() + z, lambda dy: (dy[:, None] * (x == largest_of_each[:, None]), None, dy)

    with pytest.raises(GradcheckError) as caught:
        gradcheck(highest, [TIED, np.ones(2), np.ones(3)])
    x, y, z = caught.value.report.inputs
    assert [finding.kind for finding in x.findings] == ["ties"] and not x.inconclusive
    assert [doubt.index for doubt in y.inconclusive] == [(0,), (1,)] and not y.failed and not y.findings
    assert z.ok and not z.findings


def test_ties_of_one_input_do_not_hide_what_is_wrong_with_the_next():
    @op
    def shifted(x, s):
        y = x.max(axis=1)
        return y + s, lambda dy: (dy[:, None] * (x == y[:, None]), -dy)

    with pytest.raises(GradcheckError) as caught:
        gradcheck(shifted, [TIED, np.array([1.0, 2, 3])])
    tied, wrong = caught.value.report.inputs
    assert [[finding.kind for finding in report.findings] for report in (tied, wrong)] == [["ties"], ["sign"]]
    assert tied.notes == [] and len(wrong.notes) == 1


# Float32 inside


@pytest.mark.parametrize(
    "rounded", [lambda x: np.float64(np.float32(x)) ** 2, lambda x: np.float64(np.float32(x) ** 2)]
)
def test_float32_inside_is_told_from_a_kink_and_from_a_wrong_gradient(rounded):
    square = op(lambda x: (rounded(x), lambda dy: 2 * dy * x))
    report = gradcheck(square, np.random.default_rng(0).standard_normal((4, 4)))
    assert report.verdict == "inconclusive" and len(report.inputs[0].inconclusive) > 4
    assert {doubt.why for doubt in report.inputs[0].inconclusive} == {"rounding, as in float32"}
    wrong = op(lambda x: (rounded(x), lambda dy: 3 * dy * x))
    with pytest.raises(GradcheckError):
        gradcheck(wrong, np.random.default_rng(0).standard_normal((4, 4)))


@pytest.mark.parametrize(("eps", "slope"), [(1e-4, 1), (1e-9, 0)])
def test_a_step_is_as_long_as_it_is_after_rounding(eps, slope):
    x = np.array([1000.0], np.float32)  # beside it, numbers are 6e-5 apart
    found = Differences(lambda x: x, [x], np.ones(1, np.float32), eps)
    assert found.slopes(0, (0,)).central == found.row(0, (0,))[0] == slope


# What a backward may not do


def test_a_backward_that_writes_into_dy_is_refused():
    @op
    def relu(x):
        def backward(dy):
            dy *= x > 0
            return dy

        return np.maximum(x, 0), backward

    with pytest.raises(GradcheckError, match="backward writes into dy"):
        gradcheck(relu, np.array([1.0, -2.0]))


def test_a_backward_that_writes_into_the_input_is_refused():
    @op
    def square(x):
        def backward(dy):
            x[...] *= 2
            return dy * x

        return x * x, backward

    with pytest.raises(GradcheckError, match="backward writes into the input x"):
        gradcheck(square, np.array([1.0, -2.0]))


def test_two_gradients_for_one_input_are_refused():
    random = np.random.default_rng(0)

    @op
    def square(x):
        return x * x, lambda dy: 2 * dy * x + 1e-12 * random.standard_normal(x.shape)

    with pytest.raises(GradcheckError, match="backward gave two gradients to x"):
        gradcheck(square, np.array([1.0, -2.0]))


@pytest.mark.parametrize("first", [True, False])
def test_a_gradient_that_comes_every_other_time_is_refused(first):
    given = itertools.cycle([first, not first])

    @op
    def double(x):
        return 2 * x, lambda dy: 2 * dy if next(given) else None

    with pytest.raises(GradcheckError, match=r"^gradcheck: backward gave two gradients to x for the same inputs$"):
        gradcheck(double, np.array([1.0, -2.0]))


def test_a_gradient_that_grows_by_itself_is_told():
    kept = np.zeros(2)

    @op
    def square(x):
        def backward(dy):
            nonlocal kept
            kept = kept + 2 * dy * x
            return kept

        return x * x, backward

    with pytest.raises(GradcheckError, match=r"two gradients to x .* each call adds the same to the last one's \(\+="):
        gradcheck(square, np.array([1.0, -2.0]))


# The report


def test_a_report_in_full():
    doubts = [Unsettled((i,), 0.5 * i, -1.0, 1.0, "a kink") for i in range(5)]
    wrong = InputReport("x", (2, 2), 4, [(0, 1), (1, 1)], worst=((0, 1), -0.5, 2.0), direction=(1.0, 1.0))
    wrong.findings, wrong.notes = [Finding("sign", "the opposite sign")], ["not a kink"]
    sample = InputReport("w", (60, 50), 200, direction=(1.25, 2.0), direction_ok=False)
    doubtful = InputReport("b", (6,), 6, inconclusive=doubts)
    right = [InputReport(letter * 24, (3,), 3) for letter in "cde"]
    report = GradcheckReport([right[0], wrong, doubtful, sample, *right[1:]], 1e-6, "float64", "f(x)", "numpy")
    report.notes = ["next: look"]
    assert str(report).splitlines() == [
        "gradcheck FAILED f(x)   backend numpy  float64  eps 1e-06",
        "  x (2, 2): 2/4 entries wrong",
        "    worst x[0, 1]   analytic -0.5   numeric 2  abs 2.5e+00  rel 1.2e+00",
        "    pattern: the opposite sign",
        "    not a kink",
        "  b (6,): 1/6 ok, 5 inconclusive",
        *(
            f"    inconclusive at b[{i}] = {0.5 * i:.3g}: a kink, slope -1 on its left and 1 on its right"
            for i in range(3)
        ),
        "    and at 2 more",
        "  w (60, 50): 0/200 sampled entries wrong",
        "    along a random direction   analytic 1.25   numeric 2",
        f"  {'c' * 24} (3,): 3/3 ok    {'d' * 24} (3,): 3/3 ok",
        f"  {'e' * 24} (3,): 3/3 ok",
        "  next: look",
    ]
    assert [found.kind for found in report.findings] == ["sign"] and report.verdict == "FAILED"
    assert (wrong.ok, doubtful.ok, doubtful.failed, sample.failed, right[0].ok) == (False, False, False, True, True)
    verdicts = [
        (GradcheckReport(found, 1e-6, "float64").verdict, bool(GradcheckReport(found, 1e-6, "float64")))
        for found in (right, [right[0], doubtful], [doubtful, wrong])
    ]
    assert verdicts == [("passed", True), ("inconclusive", False), ("FAILED", False)]


def test_a_worst_entry_that_is_zero_has_a_relative_error_too():
    report = InputReport("x", (), 1, [()], worst=((), 0.0, 0.0))
    assert report.details() == ["worst x   analytic 0   numeric 0  abs 0.0e+00  rel 0.0e+00"]


@pytest.mark.parametrize(
    ("apart", "said"),
    [
        (1.0, "not a kink: the numeric value is the same for h = 1e-04 … 1e-07"),
        (1.01, "the numeric value is 2, 3.01, 2, 2 for h = 1e-04, 1e-05, 1e-06, 1e-07: it depends on the step"),
    ],
)
def test_a_value_is_the_same_within_the_tolerance(apart, said):
    def slopes(number, index, step):
        assert (number, index) == (3, (1,))
        return SimpleNamespace(central=2 + apart * (round(1e6 * step) == 10))

    report = InputReport("x", (2,), worst=((1,), 7.0, 2.0))
    differences = SimpleNamespace(eps=1e-6, slopes=slopes)
    assert checking._not_a_kink(differences, 3, report, 0.5, 0.25) == said


@pytest.mark.parametrize(
    ("given", "left", "right", "wrong"),
    [
        ([4.0, 5.0], 1.0, 1.0, True),
        ([2.0, 2.0], 3.0, 3.0, False),  # 1 too many is 0.25 of 4
        ([2.0, 2.1], 3.0, 3.0, True),
        ([4.0, 5.0], 1.0, 2.125, True),  # the sides are 0.125 of 9 apart
        ([4.0, 5.0], 1.0, 2.2, False),
        ([4.0, np.nan], 1.0, 1.0, False),
        ([1.0], 4.0, 4.0, False),  # one entry is no tie
    ],
)
def test_entries_at_kinks_that_are_smooth_together_add_up(given, left, right, wrong):
    """A quarter of the largest number is allowed, and between both sides half as much."""
    moved = []

    def together(moves, sign):
        moved.append((moves[0].tolist(), sign))
        return left if sign < 0 else right

    doubts = [Unsettled((i,), 0.0, 0.0, 0.0, "a kink") for i in range(len(given))]
    report = InputReport("x", (3,), 3, inconclusive=[*doubts, Unsettled((2,), 0.0, 0.0, 0.0, "rounding")])
    slopes = lambda number, index: SimpleNamespace(central=9.0)  # noqa: E731
    differences = SimpleNamespace(arrays=[np.zeros(3)], eps=0.5, together=together, slopes=slopes)
    checking._compare_ties([report], differences, [np.array([*given, 0.0, 0.0])[:3]], 0.025)
    assert report.failed == wrong and len(report.inconclusive) == 1 + len(given) * (not wrong)
    assert report.worst == (((0,), given[0], 9.0) if wrong else None)
    assert moved == ([([0.5, 0.5, 0.0], -1), ([0.5, 0.5, 0.0], 1)] if len(given) > 1 else [])


def test_the_report_tells_backend_precision_options_and_what_to_do_next():
    with use_backend("numpy"), pytest.raises(GradcheckError) as caught:
        gradcheck(scaled(np.abs, 2.0), [Tensor(np.array([1.0, -2.0]), name="height")])
    message = str(caught.value)
    assert "FAILED wrong(height)   backend numpy  float64  eps 1e-06" in message
    assert caught.value.report.notes == [
        "first bad backend: numpy, the definition: the backward is wrong, not a kernel",
        "next: run it again, inside `with minicnn.record() as tape:`, and then",
        '      print(tape.why("height", (0,)))',
    ]
    assert "first bad backend: numpy" in message and 'print(tape.why("height", (0,)))' in message
    assert all(len(line) <= 80 for line in message.splitlines())


def test_a_kernel_that_is_wrong_on_one_backend_is_told_from_a_wrong_formula():
    from planted_bugs import BUGS, inputs_of

    bug = BUGS["wrong on numba"]
    with (
        use_backend("numba"),
        pytest.raises(GradcheckError, match=r"first bad backend: numba \(numpy passes\)") as caught,
    ):
        gradcheck(bug.make(True), inputs_of(bug, 0))
    assert caught.value.report.first_bad_backend == "numba"
    with use_backend("numpy"):
        assert gradcheck(bug.make(True), inputs_of(bug, 0))


@pytest.mark.parametrize(("count", "asked"), [(1, [0]), (7, range(7)), (17, range(0, 17, 2)), (24, range(0, 24, 3))])
def test_some_of_the_wrong_entries_are_tried_on_a_simpler_backend(monkeypatch, count, asked):
    x, tried = np.arange(1.0, count + 1), []

    def slopes(number, index):
        tried.append((number, *index))
        return SimpleNamespace(central=2.0 * x[index])  # as the gradient is there

    monkeypatch.setattr(checking, "Differences", lambda *given: SimpleNamespace(slopes=slopes))
    differences = SimpleNamespace(arrays=[x], cotangent=np.ones(count), eps=1e-6)
    report = InputReport("x", x.shape, wrong=[(i,) for i in range(count)])
    with use_backend("numba"):
        assert checking._first_bad_backend(ops.square, differences, 0, report, 1e-9, 1e-9) == "numba"
        assert tried == [(0, i) for i in asked]
        detached = lambda x: Tensor(x.data)  # noqa: E731
        assert checking._first_bad_backend(detached, differences, 0, report, 1e-9, 1e-9) == "numpy"
        assert checking._first_bad_backend(detached, differences, 0, report, 2.0 * count, 0) == "numba"
        assert checking._before("numba") == ("numpy",) and checking._before("numpy") == ()


def test_a_pattern_of_most_entries_is_told_with_their_share():
    @op
    def square(x):
        factor = np.full(x.shape, -2.0)
        factor[0, :2] = 7.0, -5.0
        return x * x, lambda dy: factor * dy * x

    with pytest.raises(GradcheckError, match="10 of 12 wrong entries: each has the opposite sign"):
        gradcheck(square, np.random.default_rng(0).standard_normal((3, 4)))


def test_what_has_no_pattern_gets_no_name():
    noise = np.random.default_rng(3).standard_normal((3, 4))

    @op
    def square(x):
        return x * x, lambda dy: 2 * dy * x + noise

    with pytest.raises(GradcheckError, match="pattern: none that is known") as caught:
        gradcheck(square, np.random.default_rng(0).standard_normal((3, 4)))
    assert [finding.kind for finding in caught.value.report.findings] == ["unknown"]


def test_parts_that_an_engine_overwrites_are_named(monkeypatch):
    def overwrite(leaf, gradient, owned):
        leaf.grad = np.array(gradient)

    monkeypatch.setattr("minicnn.graph.deposit", overwrite)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda x: ops.exp(x) + ops.tanh(x), np.array([0.5, 1.0, -0.3]))
    (finding,) = caught.value.report.findings
    assert finding.kind == "fan-out" and "x is used 2 times, and its gradient holds only what" in finding.text


def test_a_large_gradient_is_explained_from_its_sample():
    @op
    def square(x):
        return x * x, lambda dy: -2 * dy * x

    with pytest.raises(GradcheckError, match="200/200 sampled entries wrong") as caught:
        gradcheck(square, np.random.default_rng(0).standard_normal((60, 50)))
    assert [finding.kind for finding in caught.value.report.findings] == ["sign"]


def test_the_one_wrong_entry_among_thousands_is_found():
    @op
    def square(x):
        def backward(dy):
            dx = 2 * dy * x
            dx[17, 33] += 1
            return dx

        return x * x, backward

    with pytest.raises(GradcheckError, match=r"worst x\[17, 33\]"):
        gradcheck(square, np.random.default_rng(0).standard_normal((60, 50)))


def test_an_entry_that_the_sample_holds_is_not_checked_again():
    """The direction leads to the only kink, which the sample has met already."""
    random = np.random.default_rng(0).spawn(1)[0]
    random.standard_normal(3000)  # the cotangent
    index = _chosen(np.empty(3000), random)[7]
    x = np.ones(3000)
    x[index] = 0.0
    with pytest.raises(GradcheckError, match="along a random direction") as caught:
        gradcheck(lambda x: ops.relu(x) * 1000.0, x)
    (report,) = caught.value.report.inputs
    assert report.checked == 200 and [doubt.index for doubt in report.inconclusive] == [index]


# No healthy op is called wrong


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_no_healthy_row_is_called_wrong(row):
    """By some draws of its inputs, on one backend after the other. MINICNN_DRAWS=100 takes an hour."""
    for seed in range(int(os.environ.get("MINICNN_DRAWS", "6"))):
        with use_backend(BACKENDS[seed % 2]):
            assert not gradcheck(row.function(), list(row.case.draw(np.random.default_rng(seed))), seed=seed).failed
