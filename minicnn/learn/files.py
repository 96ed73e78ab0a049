"""The file that a learner begins with, and the solution: both are cut from the exercise's own function."""

from __future__ import annotations

import ast
import inspect
import os
from pathlib import Path

from minicnn.errors import InputError
from minicnn.learn.exercise import Exercise

HEAD = '''"""Exercise {name}: {title}

The lecture: {lecture}
To read:     {read}

Write the function below, then try it:    minicnn learn check {name}
Stuck? There are three hints:             minicnn learn hint {name}
"""

{imports}


'''
HOLE = "    # Your code, in place of the next line.\n    raise NotImplementedError\n"


def task(exercise: Exercise) -> str:
    """The text of a file with the function's docstring and a hole."""
    declaration, _ = _parts(exercise)
    return _head(exercise) + declaration + HOLE


def solution(exercise: Exercise) -> str:
    """The text of a file with the function as it can be written."""
    return f"{exercise.imports}\n\n\n" + "".join(_parts(exercise))


def start(exercise: Exercise, to: str | os.PathLike[str] | None = None) -> Path:
    """Write the file to begin with. to: NAME.py in the current folder; a folder; or a file. Never over another file."""
    path = Path(to or f"{exercise.name}.py")
    if path.is_dir():
        path /= f"{exercise.name}.py"
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(task(exercise))
    except FileExistsError:
        raise InputError(
            f"learn start: {path} is there already, and may hold your work; --to FILE writes another"
        ) from None
    except OSError as problem:
        raise InputError(f"learn start: {path} cannot be written: {problem.strerror or problem}") from None
    return path


def _head(exercise: Exercise) -> str:
    fields = ("name", "title", "lecture", "read", "imports")
    return HEAD.format(**{field: getattr(exercise, field) for field in fields})


def _parts(exercise: Exercise) -> tuple[str, str]:
    """(decorator, signature and docstring; the body)."""
    lines = inspect.getsource(exercise.function).splitlines(keepends=True)
    definition = ast.parse("".join(lines)).body[0]
    assert isinstance(definition, ast.FunctionDef)
    end = definition.body[0].end_lineno
    above = f"{exercise.decorator}\n" if exercise.decorator else ""
    return above + "".join(lines[:end]), "".join(lines[end:])
