"""What exactly is said, and from where on: of numbers, errors, what a function does, and slips."""

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
from judged_here import judged

from minicnn import Tensor
from minicnn.learn import catalogue, observing
from minicnn.learn.comparing import common_factor, difference, largest
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.judging import Outcome, collect, prepare, where
from minicnn.learn.progress import Progress
from minicnn.learn.verdict import Row, Verdict

NAN, INF = float("nan"), float("inf")


def arrays(*values):
    return [np.array(value) if isinstance(value, list | int | float) else value for value in values]


@pytest.mark.parametrize(
    ("expected", "value", "said"),
    [
        ([8.0], [8.5], None),  # 1/16 of the largest is allowed here, and no more
        ([8.0], [8.51], "at [0] expected 8, got 8.51"),
        ([-8.0, 1.0], [-8.0, 1.5], None),
        ([8.0, 1.0], [8.0, 0.4], "at [1] expected 1, got 0.4; 1 of 2 numbers is wrong"),
        ([[1.0, 2.0]], [[1.0, 20.0]], "at [0, 1] expected 2, got 20; 1 of 2 numbers is wrong"),
        ([NAN, 1.0], [NAN, 1.0], None),
        ([INF, -INF], [INF, -INF], None),
        ([INF, 1.0], [-INF, 1.0], "at [0] expected inf, got -inf; 1 of 2 numbers is wrong"),
        ([1.0, 1.0], [NAN, 1.0], "at [0] expected 1, got nan; 1 of 2 numbers is wrong"),
        ([NAN, 1.0], [1.0, 1.0], "at [0] expected nan, got 1; 1 of 2 numbers is wrong"),
        (3, 4, "expected 3, got 4"),
        (1.23456789, 0.5, "expected 1.234568, got 0.5"),
        (3.0, [3.0], "expected a single number, got shape (1,)"),
        ([[3.0]], 3.0, "expected shape (1, 1), got a single number"),
        ([], [], None),
        ("Ada", "Ada", None),
        ("Ada", "Lee", "expected 'Ada', got 'Lee'"),
        ("Ada", [1, 2], "expected 'Ada', got an array of shape (2,)"),
        (None, 1.5, "expected None, got 1.5"),
        (True, 1, "expected True, got 1"),
        (True, True, None),
        ([0.0], [0.5e-12 / 16], None),
        ([0.0], [2e-12 / 16], "at [0] expected 0, got 1.25e-13"),
        ([3], [4], "at [0] expected 3, got 4"),
    ],
)
def test_values_agree_within_the_tolerance(expected, value, said):
    expected, value = (v if isinstance(v, bool) else arrays(v)[0] for v in (expected, value))
    assert difference(expected, value, 1 / 16) == said


def test_what_is_zero_but_for_rounding_is_told_by_the_scale():
    for size, said in ((1e-6, True), (1.1e-6, True), (0.9e-6, False)):
        expected = np.array([size])
        # At the scale's border the number itself counts, a little above it, and the scale below.
        found = difference(expected, expected + 1e-5, 1e-3, scale=1)
        assert (found is not None) == (said and size > 1e-6)


def test_the_largest_number_is_a_finite_one():
    assert largest(np.array([1.0, -3.0, INF, NAN])) == 3 and largest(np.array([NAN])) == largest("name") == 0
    assert largest(np.zeros(0)) == 0


@pytest.mark.parametrize(
    ("pairs", "factor"),
    [
        ([([1.0, 2.0], [3.0, 6.0])], 3),
        ([([1.0, 2.0], [-1.0, -2.0])], -1),
        ([([1.0, 2.0], [3.0, 6.0]), ([4.0], [12.0])], 3),
        ([([1.0, 2.0], [3.0, 6.0]), ([4.0], [8.0])], None),
        ([([1.0, 2.0], [1.0, 2.0])], None),
        ([([1.0, 2.0], [0.0, 0.0])], None),
        ([([1.0, 2.0], [1.00005, 2.0001])], None),  # right but for rounding
        ([([1.0, 2.0], [1.0002, 2.0004])], 1.0002),
        ([([1.0, 2.0], [3.0, 6.0004])], 3),
        ([([1.0, 2.0], [3.0, 6.002])], None),
        ([([1.0, 2.0], [3.0, INF])], None),
        ([([1.0, 2.0], [3.0, NAN])], None),
        ([([1.0, 0.0005], [3.0, 0.009])], 3),  # what is nearly zero has no ratio, but stays small
        ([([1.0, 0.0005], [3.0, -0.02])], None),
        ([([-1.0, 0.002], [-3.0, 0.006])], 3),
        ([([1.0, 0.002], [3.0, 0.009])], None),
        ([([0.0], [0.0])], None),
        ([([1.0], [[3.0]])], None),
        ([("Ada", [3.0])], None),
        ([([1.0], None)], None),
        ([], None),
    ],
)
def test_one_factor_by_which_all_is_wrong(pairs, factor):
    found = common_factor([arrays(*pair) for pair in pairs])
    assert found is None if factor is None else found == pytest.approx(factor, rel=1e-12)


def raised(problem, file=__file__):
    try:
        raise problem
    except BaseException as caught:
        return where(caught, file)


def test_an_error_says_where_it_is_and_what_stands_there():
    number = raised.__code__.co_firstlineno + 2
    place = f"line {number} of {Path(__file__).name}"
    assert raised(ValueError("no\n  good")) == f"{place} raises ValueError: no good\n    raise problem"
    assert raised(ValueError()) == f"{place} raises ValueError\n    raise problem"
    assert raised(ValueError("x" * 201)) == f"{place} raises ValueError: {'x' * 200}\n    raise problem"
    assert raised(NotImplementedError()) == f"{place} is still the hole: write the function in its place"
    assert raised(NotImplementedError("conv")) == f"{place} is still the hole: conv"
    assert raised(SystemExit(0)) == f"{place} ends the program: an exercise returns its answer and goes on"
    assert raised(ValueError("no"), "elsewhere.py") == "it raises ValueError: no"
    assert raised(SystemExit(0), "elsewhere.py") == "it raises SystemExit: 0"


def test_an_error_of_python_itself_says_its_line(tmp_path):
    file = str(tmp_path / "mine.py")
    with pytest.raises(SyntaxError) as caught:
        compile("a = 1\nb = = 2\n", file, "exec")
    assert where(caught.value, file) == "line 2 of mine.py is not Python: invalid syntax"
    assert where(caught.value, "other.py") == "it raises SyntaxError: invalid syntax (mine.py, line 2)"


def test_an_error_is_that_of_the_innermost_line_of_the_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(f"def inner():\n    1 / 0  # {'x' * 80}\n\n\ndef outer():\n    inner()\n", encoding="utf-8")
    module = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), module)
    with pytest.raises(ZeroDivisionError) as caught:
        module["outer"]()
    assert where(caught.value, str(file)) == (
        f"line 2 of mine.py raises ZeroDivisionError: division by zero\n    1 / 0  # {'x' * 55}"
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "None; is there a `return`?"),
        (Tensor(np.zeros((2, 3))), "a Tensor of shape (2, 3)"),
        (np.zeros(3), "an array of shape (3,)"),
        ((1, 2), "a tuple of 2"),
        ([1], "a list of 1"),
        (1.23456789, "1.234568"),
        (np.float32(0.5), "0.5"),
        (7, "7"),
        (True, "True"),
        ("x" * 41, "x" * 40),
        (np.int64(3), "3"),
        ({}, "a dict"),
    ],
)
def test_a_value_in_a_few_words(value, words):
    assert observing.told(value) == words


def test_what_is_compared_is_an_array_a_truth_value_a_name_or_nothing():
    assert observing.comparable(None, "J") is None and observing.comparable(np.bool_(True), "J") is True
    found = observing.comparable(Tensor(np.array([1.5])), "J")
    assert isinstance(found, np.ndarray) and found.tolist() == [1.5]
    for value, said in (
        ({}, "J is a dict, expected a number or an array"),
        (["a"], "J is a list of 1, expected numbers"),
        (np.array(["a"]), "J is an array of shape (1,), expected numbers"),
    ):
        with pytest.raises(observing.Unfit) as problem:
            observing.comparable(value, "J")
        assert str(problem.value) == said


def test_where_arrays_are_asked_for_a_tensor_is_refused_wherever_it_stands():
    tensor = Tensor(np.zeros(3))
    one, two = observing.answer(arrays=True), observing.answer("a", "b", arrays=True)
    assert one(lambda: 1.5, [])[""] == 1.5 and one(lambda: np.arange(2), [])[""].tolist() == [0, 1]
    assert two(lambda: (1, np.float64(2)), []) == {"a": 1, "b": 2}
    for observe, returned in ((one, tensor), (two, (1, tensor)), (two, [tensor, 1])):
        with pytest.raises(observing.Unfit) as said:
            observe(lambda returned=returned: returned, [])
        assert str(said.value) == (
            "what you return is a Tensor of shape (3,), expected NumPy's array: a Tensor's is .data"
        )
    assert observing.answer()(lambda: tensor, [])[""].shape == (3,)
    with pytest.raises(observing.Unfit, match=r"^expected a number or an array, got None; is there a `return`\?$"):
        one(lambda: None, [])
    for returned, got in ((1, "1"), (np.zeros(2), "an array of shape (2,)"), ((1,), "a tuple of 1")):
        with pytest.raises(observing.Unfit) as said:
            two(lambda returned=returned: returned, [])
        assert str(said.value) == f"expected 2 values, (a, b), got {got}"


def test_a_gradient_needs_a_tensor_on_which_it_flows_back():
    observe, x = observing.answer_and_gradients("w", "x"), Tensor(np.ones(2), requires_grad=True)
    for returned, said in (
        (np.zeros(2), "got an array of shape (2,), expected a Tensor: from plain numbers no gradient can flow back"),
        (1.5, "got 1.5, expected a Tensor: from plain numbers no gradient can flow back"),
        (None, "expected a Tensor, got None; is there a `return`?"),
        (
            Tensor(np.zeros(2)),
            "no gradient flows back to w: either it is not used, or only its plain numbers are, as with .data",
        ),
    ):
        with pytest.raises(observing.Unfit) as problem:
            observe(lambda x, returned=returned: returned, [x])
        assert str(problem.value) == said


def test_arguments_within_lists_and_dicts_are_looked_at():
    first, second, third = (Tensor(np.array([n]), requires_grad=True) for n in (1.0, 2.0, 3.0))
    given = [[first], {"one": second}, (third, np.zeros(1))]
    seen = observing.answer_and_gradients("a", "b", "c")(lambda a, b, c: a[0] * 2 + b["one"] * 3 + c[0] * 4, given)
    assert [value.tolist() for value in seen.values()] == [[20], [2], [3], [4]]
    for change, name in (
        (lambda a, b, c: a.append(first), "a"),
        (lambda a, b, c: b["one"].data.fill(7), "b"),
        (lambda a, b, c: c[1].fill(7), "c"),
    ):
        with pytest.raises(observing.Unfit, match=f"^it changes {name}, which it was given to read$"):
            observing.call(change, given)


def test_an_argument_that_is_changed_is_named():
    def second(first, weights, *more):
        weights[0].data += 1

    with pytest.raises(observing.Unfit, match=r"^it changes weights, which it was given to read$"):
        observing.call(second, [np.zeros(1), [Tensor(np.zeros(1))]])
    with pytest.raises(observing.Unfit, match=r"^it changes an argument, which it was given to read$"):
        observing.call(lambda *given: given[1].fill(7), [np.zeros(1), np.zeros(1)])
    assert observing.call(lambda x, y: y, [np.zeros(1), 3]) == 3
    assert observing.call(lambda x, y: 4, [np.array([NAN, 1.0]), {"": Tensor([NAN])}]) == 4  # which equals nothing


def test_gradients_are_looked_at_too():
    x, w = Tensor(np.array([2.0, 3.0])), Tensor(np.array([5.0, 7.0]), requires_grad=True)
    seen = observing.answer_and_gradients("w")(lambda x, w: x * w, [x, w])
    assert list(seen) == ["", "the gradient to w"] and seen[""].tolist() == [10, 21]
    assert seen["the gradient to w"].tolist() == [2 * np.cos(0), 3 * np.cos(1)]
    other = Tensor(np.ones(2), requires_grad=True)
    seen = observing.answer_and_gradients("other", "w")(lambda other, w: w * 1.0, [other, w])
    assert seen["the gradient to other"].tolist() == [0, 0]
    with pytest.raises(observing.Unfit, match=r"^expected a Tensor, got a list of 1$"):
        observing.answer_and_gradients("w")(lambda w: [w], [w])
    with pytest.raises(observing.Unfit, match=r"^expected 2 values, \(a, b\), got a tuple of 3$"):
        observing.answer("a", "b")(lambda w: (w, w, w), [w])
    assert observing.answer("a", "b")(lambda: [1, 2], []).keys() == {"a", "b"}


def test_a_verdict_as_text():
    rows = [Row("a small one", True), Row("a large one", False, "expected 1, got 2\n    return 2")]
    verdict = Verdict("gram_matrix", False, rows, ["Think " + "again " * 20], "one\ntwo")
    assert str(verdict).splitlines() == [
        "gram_matrix: not yet; 1 of 2 cases are right",
        "",
        "  right  a small one",
        "  WRONG  a large one",
        "           expected 1, got 2",
        "               return 2",
        "",
        "  Think again again again again again again again again again again again again",
        "  again again again again again again again again",
        "",
        "It printed:",
        "  | one",
        "  | two",
    ]
    assert not verdict and Verdict.from_data(verdict.as_data()) == verdict
    assert repr(Verdict("verify", True, rows[:1])) == "verify: right, in all 1 cases\n\n  right  a small one"
    assert str(Verdict("verify", False)) == "verify: not yet"


def test_a_long_line_of_source_goes_on_below_its_beginning():
    verdict = Verdict("verify", False, [Row("one", False, f"it raises\n    return {'a + ' * 20}a")])
    first, second = str(verdict).splitlines()[-2:]
    assert first == "               return a + a + a + a + a + a + a + a + a + a + a + a + a + a + a"
    assert second == "               + a + a + a + a + a + a"


# Judging


def loss_of(change):
    """A total_cost whose answer is changed."""
    return lambda c, s, a=10, b=40: change(a * c + b * s)


def test_a_verdict_says_the_same_only_once():
    def some(c, s, a=10, b=40):
        if a == 10:
            raise ValueError("not with 10")
        return np.full(2, a)

    found = judged(some)
    texts = [row.text for row in found.rows if row.text]
    assert not found and len(found.rows) == 4
    assert {text for text in texts if text.startswith("line ")} == {texts[0]} and "the same" in texts
    assert texts.count("expected a single number, got shape (2,)") == 1


def test_right_answers_have_no_advice_and_no_texts():
    found = judged(loss_of(lambda J: J))
    assert found and found.advice == [] and [row.text for row in found.rows] == [""] * 4
    assert str(found).startswith("total_cost: right, in all 4 cases\n\n  right  ")


def test_a_factor_is_told_of_what_no_slip_explains():
    (text,) = judged(loss_of(lambda J: 0.25 * J), slips=()).advice
    assert text == "Every number is 0.25 times what is expected."
    assert judged(loss_of(lambda J: J + 1.0), slips=()).advice == []
    (text,) = judged(loss_of(lambda J: -1234567.0 * J), slips=()).advice
    assert text == "Every number is -1.23457e+06 times what is expected."


def test_parts_that_are_apart_have_a_factor_each():
    solution = catalogue.find("conv_gradient").function

    def scaled(dy, x, w):
        dx, dw, db = solution(dy, x, w)
        return 2 * dx, dw, 3 * db

    said = ["Every number of dx is 2 times what is expected.", "Every number of db is 3 times what is expected."]
    assert judged(scaled, "conv_gradient", slips=(), apart=True).advice == said
    assert judged(scaled, "conv_gradient", slips=(), apart=False).advice == said[:1]
    first = judged(scaled, "conv_gradient", slips=()).rows[0].text
    assert first.startswith("dx: at [") and "; db: at [" in first and "dw" not in first


def test_a_slip_is_asked_again_once_a_later_one_explains_the_first_part():
    solution = catalogue.find("conv_gradient").function

    def answer(sign, mean):
        def conv_gradient(dy, x, w):
            dx, dw, db = solution(dy, x, w)
            return sign * dx, dw, db * mean

        return conv_gradient

    slips = (Slip("mean", "no mean", answer(1, 0.3)), Slip("sign", "no sign", answer(-1, 1)))
    found = judged(answer(-1, 0.3), "conv_gradient", slips=slips, apart=False)
    assert found.advice == ["no sign", "no mean"]
    assert judged(answer(1, 0.3), "conv_gradient", slips=slips[::-1], apart=False).advice == ["no mean"]


def test_two_parts_are_told_of_and_no_third():
    found = judged(lambda dy, x, w: (x + 1, w + 1, w[0, 0, 0] + 1), "conv_gradient", slips=())
    assert found.rows[0].text.count(": ") == 2 and "db: " not in found.rows[0].text


def test_what_depends_on_a_wrong_result_is_not_told():
    found = judged(lambda A: 3.0 * (A @ A.T), name="gram_matrix")  # its gradient is wrong, too
    assert found.rows[0].text == "at [0, 0] expected 25, got 75"


def test_a_slip_is_told_by_the_error_that_it_ends_in():
    def fails(c, s, a=10, b=40):
        raise ValueError("two apples")

    slips = (Slip("pears", "no pears", raises="pears"), Slip("apples", "no apples", raises="two apples"))
    found = judged(fails, slips=slips)
    assert found.rows == () and found.advice[1:] == ["no apples"]
    assert found.advice[0].startswith("line ") and found.advice[0].splitlines()[0].endswith("ValueError: two apples")


@pytest.mark.parametrize(("apart", "advice"), [(2.9e-5, ["a half"]), (3.1e-5, [])])
def test_a_slip_is_recognized_within_three_tolerances(apart, advice):
    halved, tolerance = loss_of(lambda J: J / 2 + 1), catalogue.find("total_cost").cases[0].tolerance
    found = judged(loss_of(lambda J: (J / 2 + 1) * (1 + apart)), slips=(Slip("half", "a half", halved),))
    assert not found and found.advice == advice and tolerance == 1e-5


def test_a_slip_that_fails_in_the_same_cases_is_recognized_by_the_others():
    def failing(problem):
        def total_cost(c, s, a=10, b=40):
            if a == 10:
                raise problem("not with 10")
            return a * c + b * s

        return total_cost

    slips = (Slip("ten", "no ten", failing(KeyError)), Slip("sign", "no sign", loss_of(lambda J: -J)))
    assert judged(failing(ValueError), slips=slips).advice == ["no ten"]


def test_a_slip_that_warns_is_recognized_without_its_warning():
    def warns(c, s, a=10, b=40):
        warnings.warn("a slip divides by zero", stacklevel=1)
        return a * c - b * s

    assert judged(lambda c, s, a=10, b=40: a * c - b * s, slips=(Slip("sign", "plus?", warns),)).advice == ["plus?"]


def test_an_outcome_is_an_answer_or_a_problem():
    exercise = catalogue.find("total_cost")
    answers = collect(exercise, prepare(exercise), loss_of(lambda J: J))
    assert [outcome.problem for outcome in answers] == [""] * 4 and Outcome({}).problem == ""
    assert all(trial.scales[""] == max(abs(a.seen[""]) for a in answers) for trial in prepare(exercise))


@pytest.mark.parametrize("kind", [Case, Slip, Exercise, Progress, Row, Verdict])
def test_what_is_known_of_an_exercise_does_not_change(kind):
    with pytest.raises(dataclasses.FrozenInstanceError):
        object.__new__(kind).name = "another"
