"""The learner's initial file and the solution, both cut from the exercise's function."""

from __future__ import annotations

import ast
import inspect
import os
from pathlib import Path

from minicnn.files import hand_out
from minicnn.learn.exercise import Exercise

HEAD = '''"""Exercise {name}: {title}

The lecture: {lecture}
To read:     {read}    (minicnn tutorial open {lesson})

Write the function below, then try it:    minicnn learn check {name}
Stuck? There are three hints:             minicnn learn hint {name}
"""

{imports}


'''
HOLE = "    # Your code, in place of the next line.\n    raise NotImplementedError\n"


def task(exercise: Exercise) -> str:
    """Return the text of a file with the function's docstring and a hole to fill."""
    declaration, _ = _parts(exercise)
    return _head(exercise) + declaration + HOLE


def solution(exercise: Exercise) -> str:
    """Return the text of a file with a solution."""
    return f"{exercise.imports}\n\n\n" + "".join(_parts(exercise))


def start(exercise: Exercise, to: str | os.PathLike[str] | None = None) -> Path:
    """Write the initial file. to: file or folder (default: NAME.py in the current folder). Never overwrite a file."""
    return hand_out(task(exercise), f"{exercise.name}.py", to, command="learn start")


def _head(exercise: Exercise) -> str:
    fields = ("name", "title", "lecture", "read", "imports")
    lesson = Path(exercise.read).name.partition("_")[0].lstrip("0")
    return HEAD.format(lesson=lesson, **{field: getattr(exercise, field) for field in fields})


def _parts(exercise: Exercise) -> tuple[str, str]:
    """Return (decorator, signature and docstring; body)."""
    lines = inspect.getsource(exercise.function).splitlines(keepends=True)
    definition = ast.parse("".join(lines)).body[0]
    assert isinstance(definition, ast.FunctionDef)
    end = definition.body[0].end_lineno
    above = f"{exercise.decorator}\n" if exercise.decorator else ""
    return above + "".join(lines[:end]), "".join(lines[end:])
