"""Exercises that check themselves: write a function, and be told what is right, what is wrong, and where to look.

    >>> from minicnn import learn
    >>> learn.exercises()
    >>> learn.start("gram_matrix")  # writes gram_matrix.py, with the task and a hole
    >>> learn.check("gram_matrix", my_function)

On the command line it is `minicnn learn`, where a file is tried in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minicnn.errors import suggest_names
from minicnn.learn import catalogue, engine, examining, files, progress
from minicnn.learn.judging import collect, judge, prepare
from minicnn.learn.table import Table
from minicnn.learn.verdict import Verdict

__all__ = ["Verdict", "check", "check_file", "exercises", "hint", "solution", "start", "steps"]


def check(name: str, function: Callable[..., Any]) -> Verdict:
    """Try a function that is the answer to an exercise; a Verdict, which shows as text and is true where all is right.

    It runs here, in this process and with no limit of time: interrupt it if it does not end. Only what needs the
    simulated GPU is sent to a process of its own, with the function's source. Raises InputError for an unknown name, or
    for what cannot be called.
    """
    exercise = catalogue.find(name)
    if exercise.simulated:
        verdict = examining.examine_source(exercise, function)
    else:
        if not isinstance(exercise, engine.Step):
            examining.check_callable(name, function)
        trials = prepare(exercise)
        verdict = judge(exercise, trials, collect(exercise, trials, function))
    progress.note_try(exercise.name, verdict.right)
    return verdict


def check_file(name: str, path: str | os.PathLike[str] | None = None, *, seconds: float = 10) -> Verdict:
    """Try a learner's file, NAME.py in the current folder if none is named, in a process of its own.

    "engine" is the step of the engine that comes next.

    seconds: how long it may run; what goes on after that is stopped. Raises InputError.
    """
    exercise = catalogue.find(name)
    own = engine.FILE if isinstance(exercise, engine.Step) else f"{name}.py"
    verdict = examining.examine(exercise, Path(path or own), seconds)
    progress.note_try(exercise.name, verdict.right)
    return verdict


def exercises() -> Table:
    """All exercises with their lectures, and what was solved: a tuple of rows that shows as a table."""
    return Table.of(catalogue.all_exercises(), progress.read())


def steps() -> tuple[int, int]:
    """Return how many steps of the engine are solved, and how many there are."""
    return len(engine.names()) - len(progress.unsolved_steps()), len(engine.names())


def start(name: str, to: str | os.PathLike[str] | None = None) -> Path:
    """Write the file to begin with, NAME.py, or `to`, a file or a folder; returns its path. It overwrites nothing."""
    exercise = catalogue.find(name)
    return engine.start(exercise, to) if isinstance(exercise, engine.Step) else files.start(exercise, to)


def hint(name: str, tier: int | None = None) -> str:
    """The next hint that was not read yet, of three, from a question to nearly the code; or the one of a `tier`."""
    return progress.next_hint(catalogue.find(name), tier)


def solution(name: str) -> str:
    """Return a solution, as the text of a file."""
    exercise = catalogue.find(name)
    text = engine.solution(exercise) if isinstance(exercise, engine.Step) else files.solution(exercise)
    progress.note(exercise.name, seen=True)
    return text


suggest_names(__name__, __all__)
