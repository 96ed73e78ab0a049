"""The steps of the engine: natural answers to every hole, right ones and wrong ones, and the file that grows."""

import ast
import inspect
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from engine_answers import ANSWERS

from minicnn import InputError, learn
from minicnn.cli import main
from minicnn.learn import catalogue, engine

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
    exec(compile(source, "engine.py", "exec"), vars(module))
    return module


def judged(number, answer):
    return learn.check(f"engine_{number:02}", answer)


ROWS = [(number, hole, answers) for number, holes in ANSWERS.items() for hole, answers in holes.items()]
RIGHT = [pytest.param(number, hole, answers[0], id=hole) for number, hole, answers in ROWS]
WRONG = [
    pytest.param(number, hole, *wrong, id=f"{hole}-{wrong[1]}")
    for number, hole, answers in ROWS
    for wrong in answers[1:]
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
