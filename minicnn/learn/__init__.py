"""Exercises with automatic feedback: write a function and learn what is right, what is wrong, and where to look.

    >>> from minicnn import learn
    >>> learn.exercises()
    >>> learn.start("gram_matrix")  # writes gram_matrix.py, with the task and a hole to fill
    >>> learn.check("gram_matrix", my_function)

The command `minicnn learn` does the same, and runs the file in a separate process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minicnn.errors import InputError, suggest_names
from minicnn.files import material
from minicnn.learn import aliases, catalogue, engine, examining, fairness, files, notebooks, progress
from minicnn.learn.exercise import Exercise
from minicnn.learn.judging import collect, judge, prepare
from minicnn.learn.table import Table
from minicnn.learn.verdict import Verdict

__path__.append(str(material("tutorials") / "exercises" / "shared"))  # what several exercises draw

__all__ = ["Verdict", "check", "check_file", "exercises", "hint", "solution", "start", "steps"]


def check(name: str, function: Callable[..., Any]) -> Verdict:
    """Return the Verdict on a function that answers an exercise. It prints as text and is true if all cases pass.

    The function runs in this process without a time limit. Only exercises for the simulated GPU run in a separate
    process, from the function's source. Raise InputError for an unknown name, or if function is not callable.
    """
    exercise = catalogue.find(name)
    if exercise.simulated:
        verdict = examining.examine_source(exercise, function)
    else:
        if not isinstance(exercise, engine.Step):
            examining.check_callable(name, function)
        verdict = aliases.translated(_judged(exercise, function), aliases.source_of(function))
    progress.note_try(exercise.name, verdict.right)
    return verdict


def _judged(exercise: Exercise, function: Callable[..., Any]) -> Verdict:
    if getattr(function, "__code__", function) is getattr(exercise.function, "__code__", exercise):
        return Verdict(exercise.name, False, (), [fairness.SMILE])
    trials = prepare(exercise)
    return judge(exercise, trials, collect(exercise, trials, function))


def check_file(name: str, path: str | os.PathLike[str] | None = None, *, seconds: float = 10) -> Verdict:
    """Return the Verdict on a learner's file, which runs in a separate process.

    name: "engine" is the next step of the engine. path: NAME.py in the current folder by default. seconds: time limit.
    Raise InputError if the file cannot be read.
    """
    exercise = catalogue.find(name)
    own = engine.FILE if isinstance(exercise, engine.Step) else f"{name}.py"
    file = Path(path or own)
    verdict = aliases.translated(examining.examine(exercise, file, seconds), notebooks.code(file))
    progress.note_try(exercise.name, verdict.right)
    return verdict


def exercises() -> Table:
    """Return all exercises with their lectures and progress, as a tuple of rows that prints as a table."""
    return Table.of(catalogue.all_exercises(), progress.read())


def steps() -> tuple[int, int]:
    """Return the numbers of solved steps and of all steps of the engine."""
    return len(engine.names()) - len(progress.unsolved_steps()), len(engine.names())


def start(name: str, to: str | os.PathLike[str] | None = None) -> Path:
    """Write the initial file and return its path. to: file or folder (default: NAME.py). Never overwrite a file."""
    exercise = catalogue.find(name)
    return engine.start(exercise, to) if isinstance(exercise, engine.Step) else files.start(exercise, to)


def hint(name: str, tier: int | None = None) -> str:
    """Return the next unread hint of three, or the hint of a given `tier`."""
    return progress.next_hint(catalogue.find(name), tier)


def solution(name: str) -> str:
    """Return a solution as the text of a file. Raise InputError where MINICNN_SOLUTIONS is "locked"."""
    exercise = catalogue.find(name)
    if os.environ.get("MINICNN_SOLUTIONS", "").lower() == "locked":
        raise InputError(f"learn solution: solutions are locked here; hints are not: minicnn learn hint {name}")
    text = engine.solution(exercise) if isinstance(exercise, engine.Step) else files.solution(exercise)
    progress.note(exercise.name, seen=True)
    return text


suggest_names(__name__, __all__)
