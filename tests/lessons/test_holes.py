"""The holes of the lessons: right attempts pass, wrong ones are told why, and an empty hole says that it is empty."""

import json
import re
from pathlib import Path

import pytest
from hole_attempts import ATTEMPTS

from minicnn.lessons import cells

FOLDER = Path(__file__).resolve().parents[2] / "tutorials"
LESSONS = sorted(FOLDER.glob("[0-9]*.py"))
WITH_HOLES = {path.stem: found for path in LESSONS if (found := cells.cells(path.read_text("utf-8")))}
WITH_HOLES = {name: found for name, found in WITH_HOLES.items() if any(cell.tag == "hole" for cell in found)}
LONG = {"08_finding_faces", "12_pooling", "16_convnets_on_volumes", "17_gradient_checking"}

# The cells up to the last check run once. At each hole every attempt is tried in a copy of the names.
PROGRAM = """
import contextlib, json, sys
from pathlib import Path
from minicnn.lessons import cells

source, attempts, told = Path(sys.argv[0]).read_text("utf-8"), json.loads(sys.argv[1]), {}
found, names = cells.cells(source), {"__name__": "__main__"}
last = max(at for at, cell in enumerate(found) if cell.tag == "check")


def run(code, names, file):
    with contextlib.redirect_stdout(None):
        exec(compile(code, file, "exec"), names)


def attempt(code, checks):
    state = names["random"].bit_generator.state if "random" in names else None
    try:
        own, file = dict(names), Path(f"attempt_{len(list(Path().iterdir()))}.py")
        file.write_text(code, "utf-8")  # where Numba's simulator looks for the source
        run(code, own, str(file))
        for check in checks:
            run(check.source, own, "check.py")
    except Exception as problem:
        return f"{type(problem).__name__}: {problem}"
    finally:
        if state:
            names["random"].bit_generator.state = state
    return ""


for at, cell in enumerate(found[: last + 1]):
    if cell.tag == "hole":
        after = found[at + 1 :]
        checks = after[: next(i for i, other in enumerate(after) if other.tag != "check")]
        told[cell.names[0]] = [attempt(cell.stub, checks)]
        for code in attempts[cell.names[0]]:
            if isinstance(code, list):
                solution = cell.source
                for old, new in code:
                    assert old in solution, (cell.names[0], old)
                    solution = solution.replace(old, new)
                code = solution
            told[cell.names[0]].append(attempt(code, checks))
    run("\\n" * (cell.line - 1) + cell.source, names, sys.argv[0])
print("TOLD", json.dumps(told))
"""


def test_every_hole_has_its_attempts():
    holes = {name: [cell.names[0] for cell in found if cell.tag == "hole"] for name, found in WITH_HOLES.items()}
    assert holes == {name: list(attempts) for name, attempts in ATTEMPTS.items()}
    for attempts in ATTEMPTS.values():
        for right, wrong in attempts.values():
            assert len(right) >= 1 and len(wrong) >= 3


@pytest.mark.parametrize("lesson", WITH_HOLES)
def test_a_hole_has_minutes_and_a_check_and_a_lesson_says_that_you_write_it(lesson):
    found = WITH_HOLES[lesson]
    for before, cell, after in zip(found, found[1:], found[2:], strict=False):
        if cell.tag == "hole":
            assert cell.minutes, "an estimate of the minutes is missing: minutes=5"
            assert before.is_text and "**You write**" in before.text
            assert after.tag == "check" and cell.names and cell.stub != cell.source
    source = (FOLDER / f"{lesson}.py").read_text("utf-8")
    empty = cells.hollow(source)
    assert empty.count("is yet to be written") == sum(len(cell.names) for cell in found if cell.tag == "hole")
    compile(empty, lesson, "exec")


def test_where_a_lesson_says_that_you_write_there_is_a_hole():
    for path in LESSONS:
        says = re.search(
            r"(?<!lets )(?<!if )\byou write\b(?! here\b| it\b)|\*\*You write\*\*",
            " ".join(path.read_text("utf-8").split()),
        )
        if says and path.stem != "00_an_engine_from_nothing":
            assert path.stem in WITH_HOLES, path.stem


MARKS = {True: [pytest.mark.thorough], False: []}


@pytest.mark.parametrize("lesson", [pytest.param(name, marks=MARKS[name in LONG]) for name in WITH_HOLES])
@pytest.mark.timeout(300)
def test_attempts(lesson, fresh_python, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    attempts = {hole: [*right, *(code for code, _ in wrong)] for hole, (right, wrong) in ATTEMPTS[lesson].items()}
    printed = fresh_python(PROGRAM, FOLDER / f"{lesson}.py", json.dumps(attempts))
    told = json.loads(re.search("^TOLD (.*)", printed, re.MULTILINE)[1])
    for hole, (right, wrong) in ATTEMPTS[lesson].items():
        empty, *outcomes = told[hole]
        assert f"NotImplementedError: {hole} is yet to be written" in empty or "is yet to be written" in empty, empty
        assert outcomes[: len(right)] == [""] * len(right), hole
        for (code, words), said in zip(wrong, outcomes[len(right) :], strict=True):
            assert words in said, f"{hole}, attempt {code}: {said or 'passes'}"
            assert "\n" not in said
