"""The steps of the engine: natural answers to every hole, right ones and wrong ones, and the file that grows."""

import ast
import re
import types
from pathlib import Path

import numpy as np
import pytest
from engine_answers import ANSWERS
from test_core import code_lines

from minicnn import InputError, learn
from minicnn.cli import main
from minicnn.learn import catalogue, engine, observing, progress
from minicnn.learn.verdict import Verdict

FOLDER = Path(__file__).resolve().parents[2] / "tutorials" / "engine"
SOLVED = (FOLDER / "solved.py").read_text(encoding="utf-8")


def holes(number):
    section = ast.parse(engine.solution(catalogue.find(f"engine_{number:02}")))
    return [node.name for node in ast.walk(section) if isinstance(node, ast.FunctionDef) and ast.get_docstring(node)]


def with_answer(hole, answer):
    """The solved engine with another function, or with changes in its own, as "HOLE: this -> that | this -> that"."""
    lines = SOLVED.splitlines(keepends=True)
    (node,) = [node for node in ast.walk(ast.parse(SOLVED)) if getattr(node, "name", None) == hole]
    body = "".join(lines[node.lineno - 1 : node.end_lineno])
    if answer.startswith(f"{hole}: "):
        for change in answer.removeprefix(f"{hole}: ").split(" | "):
            old, new = change.split(" -> ")
            assert old in body, old
            body = body.replace(old, new)
    else:
        body = re.sub("^(?=.)", " " * node.col_offset, answer.strip() + "\n", flags=re.MULTILINE)
    lines[node.lineno - 1 : node.end_lineno] = [body]
    return module_of("".join(lines))


def module_of(source):
    module = types.ModuleType("learner")
    module.__file__ = "engine.py"
    exec(compile(source, "engine.py", "exec"), vars(module))
    return module


def judged(number, answer):
    return learn.check(f"engine_{number:02}", answer)


ROWS = [(number, hole, answers) for number, holes in ANSWERS.items() for hole, answers in holes.items()]
RIGHT = [pytest.param(number, hole, answers[0], id=hole) for number, hole, answers in ROWS]
SLOW = (6, 12)  # steps whose trials take long; of these the first wrong answer to every hole runs with everything else
WRONG = [
    pytest.param(
        number, hole, *wrong, id=f"{hole}-{wrong[1]}", marks=pytest.mark.thorough if number in SLOW and i else ()
    )
    for number, hole, answers in ROWS
    for i, wrong in enumerate(answers[1:])
]


@pytest.mark.parametrize(("number", "hole", "answer"), RIGHT)
def test_a_right_answer_is_accepted_however_it_is_written(number, hole, answer):
    found = judged(number, with_answer(hole, answer))
    assert found, found


@pytest.mark.parametrize(("number", "hole", "answer", "said"), WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(number, hole, answer, said):
    found = judged(number, with_answer(hole, answer))
    assert not found
    hints = {slip.name: slip.hint for slip in catalogue.find(f"engine_{number:02}").slips}
    if said in hints:
        assert hints[said] in found.advice, found
    else:
        assert said in " ".join([*found.advice, *(row.text for row in found.rows)]), found


def test_every_hole_has_answers_and_every_step_what_a_step_has():
    assert [catalogue.find(name).number for name in engine.names()] == list(range(1, 13)) == list(ANSWERS)
    for number in ANSWERS:
        step = catalogue.find(f"engine_{number:02}")
        assert sorted(ANSWERS[number]) == sorted(holes(number))
        assert all(len(answers) >= 4 for answers in ANSWERS[number].values())
        assert len({slip.hint for slip in step.slips}) == len(step.slips) >= 5 and len(step.hints) == 3
        assert all(isinstance(slip.hint, str) for slip in step.slips)
        assert len({case.title for case in step.cases}) == len(step.cases) >= 5
        assert 5 <= step.script.MINUTES <= 60 and "Predict:" in step.script.__doc__


@pytest.mark.thorough
@pytest.mark.parametrize("number", ANSWERS)
def test_every_slip_is_known_by_what_comes_out(number):
    step = catalogue.find(f"engine_{number:02}")
    for slip in step.slips:
        found = judged(number, slip.answers[-1])
        assert not found and slip.hint in found.advice, (slip.name, found)


@pytest.mark.parametrize("number", ANSWERS)
def test_every_hole_fails_with_its_own_words(number):
    step = catalogue.find(f"engine_{number:02}")
    before = "".join(SOLVED[: SOLVED.index(f"# Step {number}:")])
    task = engine.task(step)
    assert max(map(len, task.splitlines())) <= 120 and f"(an estimate: {step.script.MINUTES} minutes)" in task
    found = judged(number, module_of(before + task))
    said = " ".join([*found.advice, *(row.text for row in found.rows)])
    assert not found
    assert all(f'raise NotImplementedError("{hole} is yet to be written")' in task for hole in holes(number))
    assert any(f"is still the hole: {hole} is yet to be written" in said for hole in holes(number))


@pytest.mark.parametrize("number", ANSWERS)
def test_a_right_step_shows_what_it_is_good_for(number):
    step = catalogue.find(f"engine_{number:02}")
    (text,) = step.show(step.function)
    assert text.count("\n") >= 2 and max(map(len, text.splitlines())) < 100 and re.search(r"[0-9#@o]", text)


def test_a_name_that_an_engine_lacks_is_told():
    found = engine.Engine(types.SimpleNamespace(Value=int))
    assert found.Value is int
    with pytest.raises(observing.Unfit, match=r"^engine\.py defines no relu$"):
        _ = found.relu


def test_the_engine_is_short_and_imports_numpy_alone():
    assert code_lines(SOLVED) <= 200
    imports = [node for node in ast.walk(ast.parse(SOLVED)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imports] == ["import numpy as np"]


def test_the_file_grows_from_the_first_step_to_a_painting(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["learn", "start", "engine"]) == 0
    assert Path("engine.py").read_text(encoding="utf-8").count("raise NotImplementedError") == len(holes(1))
    assert main(["learn", "start", "engine"]) == 2  # it holds the step already
    learn.start("engine_02", tmp_path / "solved.py")  # begins with ours, solved
    solved = (tmp_path / "solved.py").read_text(encoding="utf-8")
    Path("engine.py").write_text(solved[: solved.index("# Step 2:")], encoding="utf-8")
    assert main(["learn", "check", "engine"]) == 0
    said = capsys.readouterr().out
    assert "engine_01: right" in said and "9 is the sum of" in said and "minicnn learn start engine" in said
    assert learn.steps() == (1, 12)
    assert main(["learn", "start", "engine"]) == 0
    assert Path("engine.py").read_text(encoding="utf-8").count("raise NotImplementedError") == len(holes(2))
    assert main(["learn", "list"]) == 0 and "1 of 12 steps" in capsys.readouterr().out
    with pytest.raises(InputError, match="does not hold what comes before step 12; to try it"):
        learn.start("engine_12")
    assert learn.hint("engine").startswith("Hint 1 of 3.") and "def total" in learn.solution("engine")


def test_a_file_begun_later_holds_the_solved_steps_before_and_grows_by_one(tmp_path):
    file, code = tmp_path / "mine.py", engine._sections()
    tasks = [engine.task(catalogue.find(f"engine_0{number}")) for number in (3, 4)]
    assert learn.start("engine_03", file) == file
    begun = f"{engine.HEAD}\nimport numpy as np\n\n{code[1]}\n\n{code[2]}{tasks[0]}"
    assert file.read_text(encoding="utf-8") == begun
    with pytest.raises(InputError) as said:
        learn.start("engine_05", file)
    why = "does not hold what comes before step 5; to try it: minicnn learn check engine"
    assert str(said.value) == f"learn start: {file} {why}"
    learn.start("engine_04", file)
    assert file.read_text(encoding="utf-8") == f"{begun.rstrip()}\n\n\n{tasks[1]}"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
    file.write_text("own = 1\n", encoding="utf-8")  # the first step needs nothing before it
    learn.start("engine_01", file)
    assert file.read_text(encoding="utf-8") == f"own = 1\n\n\n{engine.task(catalogue.find('engine_01'))}"


def test_after_the_last_step_there_is_none_to_start(monkeypatch, capsys):
    monkeypatch.setattr(learn, "check_file", lambda name, *_, **__: Verdict(name, True))
    *before, last = engine.names()
    for names, said in ((before, "Start the next one with: minicnn learn start engine"), ([last], "All exercises are")):
        for name in names:
            progress.note(name, solved=True)
        assert main(["learn", "check", last]) == 0
        assert said in capsys.readouterr().out.splitlines()[-1]


def test_the_last_step_has_what_it_paints_with_and_needs_no_minicnn(tmp_path):
    path = learn.start("engine_12", tmp_path)
    with np.load(tmp_path / "engine.npz") as given:  # which unpickles nothing
        shapes = {key: given[key].shape for key in given}
        assert all(given[key].dtype.kind == "f" for key in given)
    assert shapes["photograph"] == shapes["painting"] == (128, 128, 3)
    assert shapes["block3_conv2_w"] == (3, 3, 192, 192) and len(shapes) == 2 + 2 * 6
    assert 'np.load("engine.npz")' in path.read_text(encoding="utf-8")


def test_what_the_last_step_paints_with_may_be_the_learners_own(tmp_path):
    (tmp_path / "engine.npz").write_bytes(b"mine")
    learn.start("engine_12", tmp_path)
    assert (tmp_path / "engine.npz").read_bytes() == b"mine"


def test_a_picture_is_saved_as_others_read_it(tmp_path):
    from minicnn import images

    picture = np.random.default_rng(0).random((4, 8, 3))
    catalogue.find("engine_12").function.save(picture, tmp_path / "picture.bmp")
    assert np.abs(images.load(tmp_path / "picture.bmp") - picture).max() <= 0.5 / 255 + 1e-6


class Value:
    def __init__(self, parents=(), rule=None):
        self.parents, self.rule = parents, rule


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "expected a Value, got 5"),
        (Value((1,)), "the Value's rule is None; is there a `return`?; expected a function of the gradient d"),
        (
            Value((1,), lambda d: d),
            "the rule gives an array of shape (2,); expected a tuple of 1, one for every parent",
        ),
        (Value((1, 2), lambda d: (d,)), "the rule gives a tuple of 1; expected a tuple of 2, one for every parent"),
        (Value((1,), lambda d: ({},)), "a gradient is a dict, expected a number or an array"),
    ],
)
def test_the_rule_of_a_value_gives_a_gradient_for_every_parent(value, said):
    own = engine.Engine(types.SimpleNamespace(Value=Value))
    with pytest.raises(observing.Unfit) as caught:
        own.rule(value, [1, 2])
    assert str(caught.value).startswith(said)
    assert [part.tolist() for part in own.rule(Value((1, 2), lambda d: [d, 2 * d]), [1, 2])] == [[1, 2], [2, 4]]
