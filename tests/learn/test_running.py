"""A learner's file may raise, loop forever, exit or print: each is told in one line, with its own line's number."""

import json
import sys
import warnings
from contextlib import contextmanager

import numpy as np
import pytest

from minicnn import Tensor, learn
from minicnn.errors import InputError, MissingFileError
from minicnn.learn import candidate, catalogue, examining, fairness
from minicnn.learn.judging import Outcome
from minicnn.learn.messages import encode

TOTAL = "def total_cost(J_content, J_style, alpha=10, beta=40):\n"


@pytest.fixture
def verdict_on(tmp_path):
    def verdict(text, name="total_cost", **options):
        file = tmp_path / "mine.py"
        file.write_text(text, encoding="utf-8")
        return learn.check_file(name, file, **options)

    return verdict


def test_a_loop_that_never_ends_is_stopped_in_its_line_while_it_prints(verdict_on):
    found = verdict_on(TOTAL + "    while True:\n        print('round and round')\n", seconds=1)
    assert not found
    why, advice = found.advice
    assert "still running after 1 s, in line 3 of mine.py" in why or "in line 2 of mine.py" in why
    assert "Does a loop never end?" in advice and ":." not in str(found)
    assert "round and round" in found.printed and len(found.printed) < 2100 and found.printed.endswith("… and more")


def test_what_is_printed_is_shown_beside_a_right_answer(verdict_on):
    text = "import sys\n" + TOTAL + "    print('content', J_content, '– all of it')\n"
    found = verdict_on(text + "    return J_content * alpha + J_style * beta\n")
    assert found and "content 0.2 – all of it" in found.printed and "It printed:" in str(found)


def test_a_file_knows_where_it_is(verdict_on):
    text = "from pathlib import Path\nprint('this is', Path(__file__).name)\n" + TOTAL
    found = verdict_on(text + "    return J_content * alpha + J_style * beta\n")
    assert found and "this is mine.py" in found.printed


FILES = {
    "a loop when it is loaded": ("while True:\n    pass\n", "still running after 1 s, in line"),
    "it ends the process": ("import os\n" + TOTAL + "    os._exit(3)\n", "ended, with status 3, before it was judged"),
    "it exits when loaded": ("import sys\nsys.exit()\n", "line 2 of mine.py ends the program"),
    "no Python": ("def total_cost(:\n", "line 1 of mine.py is not Python"),
    "no function": ("answer = 42\n", "mine.py defines no function total_cost"),
    "another name": (
        TOTAL.replace("_", "") + "    return 0\n",
        "mine.py defines no function total_cost; it defines totalcost",
    ),
    "it asks": (TOTAL + "    return input('J? ')\n", "line 2 of mine.py raises EOFError"),
    "what it imports is not there": ("import nowhere_at_all\n", "line 1 of mine.py raises ModuleNotFoundError"),
    "not begun": (TOTAL + "    raise NotImplementedError\n", "line 2 of mine.py is still the hole"),
    "a recursion without end": (TOTAL + "    return total_cost(J_content, J_style)\n", "raises RecursionError"),
    "a sleep": ("import time\n" + TOTAL + "    time.sleep(60)\n", "in line 3 of mine.py"),
}


@pytest.mark.thorough
@pytest.mark.parametrize(("text", "said"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_judged_says_why_in_one_line(verdict_on, text, said):
    found = verdict_on(text, seconds=1)
    assert not found and said in found.advice[0].splitlines()[0]
    assert "Traceback" not in str(found)


def raises(J_content, J_style, alpha=10, beta=40):
    return alpha / (beta - beta)


def exits(J_content, J_style, alpha=10, beta=40):
    sys.exit("enough")


def changes(embeddings, labels):
    embeddings *= 2
    return labels


ODD = {
    "raises": ("total_cost", raises, "raises ZeroDivisionError: division by zero\n    return alpha / (beta - beta)"),
    "exits": ("total_cost", exits, "ends the program: an exercise returns its answer and goes on"),
    "returns nothing": ("total_cost", lambda c, s, a=10, b=40: None, "got None; is there a `return`?"),
    "text": ("total_cost", lambda c, s, a=10, b=40: "34", "expected 34, got '34'"),
    "a row": ("total_cost", lambda c, s, a=10, b=40: [a * c + b * s], "expected a single number, got shape (1,)"),
    "objects": ("total_cost", lambda c, s, a=10, b=40: {"J": 34}, "what you return is a dict, expected a number"),
    "ragged": ("im2col", lambda x, size, stride=1: [[1], [1, 2]], "what you return is a list of 2, expected"),
    "one of two": ("conv_gradient", lambda dy, x, w: x, "expected 3 values, (dx, dw, db), got an array of shape"),
    "too few": ("total_cost", lambda c: c, "raises TypeError"),
    "changes": ("batch_hard", changes, "it changes embeddings, which it was given to read"),
    "NaN": ("pair_head", lambda f, g, w, b: np.full(len(f), np.nan), "got nan"),
    "another shape": ("gram_matrix", lambda A: A @ A.T @ A, "expected shape (2, 2), got shape (2, 3)"),
    "off the tape": ("gram_matrix", lambda A: Tensor(A.data @ A.data.T), "no gradient flows back to A: either"),
    "NumPy's numbers": ("gram_matrix", lambda A: A.data @ A.data.T, "from plain numbers no gradient can flow back"),
    "NumPy's functions": ("gram_matrix", lambda A: np.square(A), "minicnn.ops has most of them"),
}


@pytest.mark.parametrize(("name", "function", "said"), ODD.values(), ids=ODD)
def test_an_answer_of_another_kind_is_told_in_one_line(name, function, said):
    found = learn.check(name, function)
    assert not found and said in " ".join([row.text for row in found.rows] + list(found.advice))


def test_a_factor_that_is_no_known_slip_is_named():
    found = learn.check("total_cost", lambda c, s, a=10, b=40: 3 * (a * c + b * s))
    assert "Every number is 3 times what is expected." in found.advice


def test_two_slips_at_once_both_have_their_hint():
    def conv_gradient(dy, x, w):
        dx, dw, _ = catalogue.find("conv_gradient").function(dy, x, w)
        return -dx, dw, dy.mean(axis=(0, 1, 2))

    slips = {slip.name: slip.hint for slip in catalogue.find("conv_gradient").slips}
    assert set(learn.check("conv_gradient", conv_gradient).advice) == {slips["signs"], slips["db a mean"]}


def test_bad_arguments_get_one_line(tmp_path):
    with pytest.raises(InputError, match="no exercise 'gram'; did you mean gram_matrix"):
        learn.check("gram", len)
    with pytest.raises(InputError, match="function is a int; expected your total_cost, a function"):
        learn.check("total_cost", 34)
    with pytest.raises(MissingFileError, match=r"nothing\.py does not exist; to begin one: minicnn learn start"):
        learn.check_file("total_cost", tmp_path / "nothing.py")
    with pytest.raises(InputError, match="seconds is nan; expected a number above 0"):
        examining.examine(catalogue.find("total_cost"), tmp_path, float("nan"))
    with pytest.raises(InputError, match="function is a int; expected your content_kernel, a function"):
        learn.check("content_kernel", 34)
    with pytest.raises(InputError, match="the source of content_kernel is not to be found"):
        learn.check("content_kernel", eval("lambda a, b, partial: None"))


def test_progress_that_cannot_be_kept_is_only_warned_of(tmp_path, monkeypatch):
    (tmp_path / "exercises.json").write_text("[1, 2", encoding="utf-8")
    monkeypatch.setenv("MINICNN_LEARN", str(tmp_path))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert learn.check("total_cost", lambda c, s, a=10, b=40: a * c + b * s)
    assert "is not a record of exercises; move it away" in str(said[0].message)


# The process of the file, in this one


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    """Call it with the text of a file: what candidate.load returns of it."""
    monkeypatch.setattr(sys, "path", ["first"])
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setitem(sys.modules, "learner", None)

    def load(text, name="gram_matrix", file="mine.py"):
        (tmp_path / file).write_text(text, encoding="utf-8")
        return candidate.load(name, str(tmp_path / file))

    return load


def cells(*sources):
    return json.dumps({"cells": [{"cell_type": "code", "source": source} for source in sources], "nbformat": 4})


def test_a_file_is_loaded_as_a_module_beside_its_neighbours(loaded, tmp_path):
    function = loaded("text = 'A'\ndef gram_matrix(A):\n    return A, text\n")
    module = sys.modules["learner"]
    assert function(3) == (3, "A") and function is module.gram_matrix and function.__module__ == "learner"
    assert (module.__file__, sys.path, sys.dont_write_bytecode) == (
        str(tmp_path / "mine.py"),
        ["first", str(tmp_path)],
        True,
    )
    assert loaded("w = 3\n", "engine_02").w == 3 and loaded("w = 4\n", "engine_02") is sys.modules["learner"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "mine.py defines no function gram_matrix"),
        ("gram_matrix = 3\nfrom math import sqrt\n", "mine.py defines no function gram_matrix"),
        (
            "def gram(A): return A\nclass Gram: pass\none = 1\n",
            "mine.py defines no function gram_matrix; it defines gram, Gram",
        ),
        (
            "x = 1\n1 / 0\ndef gram_matrix(A): return A\n",
            "line 2 of mine.py raises ZeroDivisionError: division by zero\n    1 / 0",
        ),
        ("exit(3)\n", "line 1 of mine.py ends the program: an exercise returns its answer and goes on"),
        ("x = (\n", "line 1 of mine.py is not Python: '(' was never closed"),
    ],
)
def test_a_file_without_the_function_is_refused(loaded, text, said):
    with pytest.raises(candidate.Refused) as told:
        loaded(text.replace("exit", "raise SystemExit"))
    assert str(told.value) == said


def test_of_a_notebook_the_first_trouble_is_told_if_the_function_is_missing(loaded):
    right = "def gram_matrix(A):\n    return A\n"
    assert loaded(cells("1 / 0", right, "undefined"), file="mine.ipynb")(3) == 3
    with pytest.raises(
        candidate.Refused, match=r"^line 1 of cell 1 of mine\.ipynb raises \w+: division by zero\n    1 / 0$"
    ):
        loaded(cells("1 / 0", "undefined"), file="mine.ipynb")
    with pytest.raises(candidate.Refused, match=r"^mine\.ipynb defines no function gram_matrix$"):
        loaded(cells("x = 1"), file="mine.ipynb")
    with pytest.raises(candidate.Refused, match=r"is not a notebook .*; expected one of Jupyter$"):
        loaded("[]", file="mine.ipynb")


def test_an_outcome_is_sent_with_its_parts_or_its_problem():
    array = np.arange(2.0)
    assert candidate._data(Outcome({"": array, "dx": True})) == {
        "seen": {"": encode(array), "dx": encode(True)},
        "problem": "",
    }
    assert candidate._data(Outcome(None, "no good")) == {"seen": {}, "problem": "no good"}
    assert candidate._data(Outcome({"": len})) == {"problem": "the answer is a builtin_function_or_method"}


class Case:
    """A case of an excerpt, which makes its arguments there."""

    def arguments(self):
        return [3, 4]


@pytest.mark.parametrize(
    ("inputs", "program", "arguments"),
    [
        ([[encode(1), encode("a")], []], {"cases": [Case()]}, [[1, "a"], []]),
        (None, {"cases": [Case(), Case()]}, [[3, 4], [3, 4]]),
        (None, {"TRIALS": [("a title", "one"), ("another", "two")]}, [["one"], ["two"]]),
        (None, {}, []),
    ],
)
def test_the_arguments_of_every_case_are_those_of_the_plan_or_of_its_program(inputs, program, arguments):
    assert candidate._inputs({"inputs": inputs}, program) == arguments


@pytest.fixture
def answered(tmp_path, monkeypatch):
    """Call it with a plan and the text of a file: (what main writes, the limits of time)."""
    limits = []

    @contextmanager
    def limit(seconds, stopped):
        limits.append((seconds, stopped.relative_to(tmp_path).as_posix()))
        yield

    for name in ("check", "check_file", "start", "solution", "hint"):
        monkeypatch.setattr(learn, name, getattr(learn, name))
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(candidate, "limit", limit)
    monkeypatch.setattr(fairness, "guard", lambda: limits.append("guarded"))

    def answer(text, **plan):
        asked = {"name": "double", "kind": "exercise", "own": [], "inputs": None, "program": "", **plan}
        (tmp_path / "plan.json").write_text(json.dumps(asked), encoding="utf-8")
        (tmp_path / "mine.py").write_text(text, encoding="utf-8")
        limits.clear()
        candidate.main(*(str(tmp_path / name) for name in ("plan.json", "mine.py", "answers.json")), "2.5")
        return json.loads((tmp_path / "answers.json").read_text(encoding="utf-8")), limits

    return answer


DOUBLE = "def double(x):\n    return 2 * x\n"


def sent(value):
    """Return a value as it comes out of JSON."""
    return json.loads(json.dumps(encode(value)))


def test_a_file_is_run_within_its_limits_and_its_answers_are_written(loaded, answered):
    found, limits = answered(DOUBLE, inputs=[[encode(3)], [encode("ab")], [encode(None)]])
    assert limits == ["guarded", (2.5, "stopped.txt"), (2.5, "stopped.txt")]
    assert found[:2] == [
        {"seen": {"": sent(np.array(6))}, "problem": ""},
        {"seen": {"": sent("abab")}, "problem": ""},
    ]
    assert found[2]["problem"].startswith("line 2 of mine.py raises TypeError: ") and found[2]["seen"] == {}
    observed = "def observe(function, arguments):\n    return {'twice': function(*arguments), 'once': arguments[0]}\n"
    found, _ = answered(DOUBLE, inputs=[[encode("a")]], program=observed)
    assert found == [{"seen": {"twice": sent("aa"), "once": sent("a")}, "problem": ""}]
    assert warnings.formatwarning is candidate._in_a_line and learn.check(len).name == "double"
    assert [getattr(learn, name).func for name in ("check", "check_file", "start", "solution", "hint")] == [
        candidate._later
    ] * 5


def test_where_a_file_is_refused_every_case_says_why(loaded, answered):
    found, limits = answered("x = 1\n", inputs=[[encode(3)], [encode(4)]])
    assert found == [{"problem": "mine.py defines no function double"}] * 2 and len(limits) == 2


def test_an_op_that_is_the_exercise_itself_is_refused_in_its_process(loaded, answered):
    text = "from minicnn import ops\ndef double(x):\n    return ops.neg(x).data.tolist()[0]\n"
    given = {"inputs": [[encode(np.ones(1))]]}
    assert answered(text, **given)[0] == [{"seen": {"": sent(np.array(-1.0))}, "problem": ""}]
    found, _ = answered(text, own=["neg"], **given)
    assert found == [{"seen": {}, "problem": f"ops.neg is called: {fairness.OWN}"}]


ENGINE = "w = 3\nclass Value:\n    pass\n"


def test_an_engine_is_tried_or_shown_by_the_program_of_its_step(loaded, answered):
    trials = "TRIALS = [('the first', lambda engine: engine.w), ('the second', lambda engine: 1 / 0)]\n"
    found, _ = answered(ENGINE, name="engine_02", kind="engine", program=trials)
    assert [each["problem"][:30] for each in found] == ["", "it raises ZeroDivisionError: d"]
    assert list(found[0]["seen"].values()) == [sent(np.array(3))]
    shown = "def show(engine):\n    return f'w is {engine.w}'\n"
    assert answered(ENGINE, name="engine_02", kind="engine", program=shown)[0] == ["w is 3"]
