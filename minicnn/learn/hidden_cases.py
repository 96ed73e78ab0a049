"""Hidden cases: a teacher's program that defines CASES = {exercise: [Case(title, arguments), …]}."""

from __future__ import annotations

import dataclasses
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path

from minicnn.errors import InputError, MissingFileError
from minicnn.files import unreadable
from minicnn.learn import catalogue
from minicnn.learn.engine import Step
from minicnn.learn.exercise import Case, Exercise
from minicnn.learn.judging import prepare
from minicnn.learn.messages import encode
from minicnn.text import one_line


def load(path: Path) -> dict[str, Sequence[Case]]:
    """Run the teacher's program and return its cases by exercise. Raise InputError for invalid ones."""
    if why := unreadable(path):
        raise MissingFileError(f"learn grade: --hidden {str(path)!r} {why}")
    what = f"learn grade: --hidden {str(path)!r}"
    try:
        found = runpy.run_path(str(path)).get("CASES")
    except (Exception, SystemExit) as problem:
        raise InputError(f"{what} raises {type(problem).__name__}: {one_line(problem)}") from None
    if not isinstance(found, Mapping):
        raise InputError(f"{what}: CASES is {type(found).__name__}; expected a dict {{exercise: [Case, …]}}")
    for name, cases in found.items():
        exercise = catalogue.find(name)
        if isinstance(exercise, Step):
            raise InputError(f"{what}: {name} is a step of the engine; hidden cases belong to other exercises")
        if not isinstance(cases, list | tuple) or not all(isinstance(case, Case) for case in cases):
            raise InputError(f"{what}: CASES[{name!r}] is no list of Case")
        for case in cases:
            _check(f"{what}: {name}, {case.title!r}", exercise, case)
    return dict(found)


def extended(exercise: Exercise, hidden: Path | Mapping[str, Sequence[Case]] | None) -> Exercise:
    """Return the exercise with its hidden cases after its own."""
    cases = load(hidden) if isinstance(hidden, Path) else hidden or {}
    more = cases.get(exercise.name, ())
    return dataclasses.replace(exercise, cases=(*exercise.cases, *more)) if more else exercise


def _check(what: str, exercise: Exercise, case: Case) -> None:
    try:
        inputs = list(case.arguments())
        (trial,) = prepare(dataclasses.replace(exercise, cases=(dataclasses.replace(case, expected={}),)))
        (given,) = prepare(dataclasses.replace(exercise, cases=(case,)))
    except Exception as problem:
        raise InputError(f"{what}: the solution raises {type(problem).__name__}: {one_line(problem)}") from None
    try:
        encode(inputs)
    except TypeError as problem:
        raise InputError(f"{what}: an input is {problem}; expected arrays, Tensors, numbers, text or lists") from None
    if unknown := case.expected.keys() - trial.expected.keys():
        raise InputError(f"{what}: expected has {sorted(unknown)}; known are {sorted(trial.expected)}")
    for part in case.expected:
        if text := given.difference(part, trial.expected):
            raise InputError(f"{what}: the solution differs from your expected value: {text}")
