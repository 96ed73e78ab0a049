"""From a learner's function to a verdict: prepare what is expected, collect what it answers, judge.

Collecting is the only one of the three in which code of the learner runs.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import use_backend
from minicnn.learn.comparing import common_factor, difference
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import Seen, Unfit
from minicnn.learn.verdict import Row, Verdict

# What is said of errors that have the same cause in every exercise.
_NUMPY = "NumPy's functions take no Tensors. minicnn.ops has the same ones, and they remember the way back."
_COMPARED = (
    "Tensors are not compared by < and >, so Python's max and min, and NumPy's clip, do not take them. ops.maximum, "
    "ops.minimum and ops.clip do; or take .data, the values, where no gradient shall flow."
)
EVERYWHERE = (
    Slip("ufunc", _NUMPY, raises="does not support ufuncs"),
    Slip("NumPy", _NUMPY, raises="got an unexpected keyword argument 'dtype'"),
    Slip("NumPy's product", _NUMPY, raises="implementation for Tensor"),
    Slip("compared", _COMPARED, raises="not supported between instances of"),
)


class Trial(NamedTuple):
    """A case, and what the solution makes of it."""

    case: Case
    expected: Seen


class Outcome(NamedTuple):
    """What a function made of a case: an answer, or why there is none."""

    seen: Seen | None
    problem: str = ""


def prepare(exercise: Exercise) -> list[Trial]:
    """What is expected of every case."""
    with use_backend("numpy"):
        seen = [exercise.observe(exercise.function, case.arguments()) for case in exercise.cases]
    trials = []
    for case, parts in zip(exercise.cases, seen, strict=True):
        known = {part: _as_compared(value) for part, value in case.expected.items()}
        trials.append(Trial(case, {**parts, **known}))
    return trials


def collect(exercise: Exercise, trials: Sequence[Trial], function: Callable[..., Any]) -> list[Outcome]:
    """What a function answers, case by case; also where it raises, or exits."""
    with use_backend("numpy"):
        return [_outcome(exercise, trial.case, function) for trial in trials]


def _outcome(exercise: Exercise, case: Case, function: Callable[..., Any]) -> Outcome:
    try:
        return Outcome(exercise.observe(function, case.arguments()))
    except Unfit as problem:
        return Outcome(None, str(problem))
    except (Exception, SystemExit) as problem:
        return Outcome(None, where(problem, _file_of(function)))


def judge(exercise: Exercise, trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> Verdict:
    """What is right, what is wrong, and what to think about."""
    if len({outcome.problem for outcome in outcomes}) == 1 and outcomes[0].problem:  # said once
        return Verdict(exercise.name, False, (), [outcomes[0].problem, *_advice(exercise, trials, outcomes)])
    rows, said = [], set()
    for trial, outcome in zip(trials, outcomes, strict=True):
        text = outcome.problem or _differences(trial, outcome)
        rows.append(Row(trial.case.title, not text, "the same" if text and text in said else text))
        said.add(text)
    if all(row.right for row in rows):
        return Verdict(exercise.name, True, rows)
    advice = list(dict.fromkeys(_advice(exercise, trials, outcomes)))[:2]  # more would be noise
    return Verdict(exercise.name, False, rows, advice)


def _differences(trial: Trial, outcome: Outcome) -> str:
    assert outcome.seen is not None
    found = []
    for part, expected in trial.expected.items():
        text = difference(expected, outcome.seen[part], trial.case.tolerance)
        if text:
            found.append(f"{part}: {text}" if part else text)
            if not part:  # with it the others go wrong, too
                break
    return "; ".join(found[:2])


def _advice(exercise: Exercise, trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> Iterator[str]:
    for slip in (*exercise.slips, *EVERYWHERE):
        if slip.raises and any(slip.raises in outcome.problem for outcome in outcomes):
            yield slip.hint
    if not any(outcome.seen for outcome in outcomes):
        return
    raised = any(outcome.seen is None for outcome in outcomes)
    unexplained = {part for part in trials[0].expected if raised or _is_wrong(part, trials, outcomes)}
    for slip in exercise.slips:
        if slip.answer is not None and unexplained:
            explained = _explained(slip.answer, unexplained, exercise, trials, outcomes)
            unexplained -= explained
            if explained:
                yield slip.hint
    for part in sorted(unexplained):
        factor = common_factor(
            (t.expected[part], o.seen[part]) for t, o in zip(trials, outcomes, strict=True) if o.seen
        )
        if factor is not None:
            yield f"Every number{' of ' * bool(part)}{part} is {factor:.6g} times what is expected."


def _is_wrong(part: str, trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> bool:
    pairs = [(t, o.seen) for t, o in zip(trials, outcomes, strict=True) if o.seen is not None]
    return any(difference(t.expected[part], seen[part], t.case.tolerance) is not None for t, seen in pairs)


def _explained(
    slip: Callable[..., Any],
    parts: set[str],
    exercise: Exercise,
    trials: Sequence[Trial],
    outcomes: Sequence[Outcome],
) -> set[str]:
    """Those of the wrong parts that a slip gives as they are, in every case."""
    alike = set(parts)
    for trial, outcome in zip(trials, outcomes, strict=True):
        (slipped,) = collect(exercise, [trial], slip)
        if (outcome.seen is None) != (slipped.seen is None):
            return set()
        if outcome.seen is not None and slipped.seen is not None:
            one, other, tolerance = outcome.seen, slipped.seen, 3 * trial.case.tolerance
            alike = {part for part in alike if difference(other[part], one[part], tolerance) is None}
        if not alike:
            break
    return alike


def _as_compared(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | str) else np.asarray(value)


# Errors


def where(problem: BaseException, file: str) -> str:
    """An error in a line: where it is in the learner's file and what is wrong; below it, what stands there."""
    name = Path(file).name
    if isinstance(problem, SyntaxError) and problem.filename == file:
        return f"line {problem.lineno} of {name} is not Python: {problem.msg}"
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == file]
    if not frames:
        return f"it raises {_said(problem)}"
    number = frames[-1].lineno
    if isinstance(problem, SystemExit):
        return f"line {number} of {name} ends the program: an exercise returns its answer and goes on"
    if isinstance(problem, NotImplementedError) and not problem.args:
        return f"line {number} of {name} is still the hole: write the function in its place"
    line = linecache.getline(file, number or 0).strip()
    return f"line {number} of {name} raises {_said(problem)}" + (f"\n    {line:.64}" if line else "")


def _said(problem: BaseException) -> str:
    words = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {words:.200}" if words else type(problem).__name__


def _file_of(function: Callable[..., Any]) -> str:
    inner = getattr(function, "py_func", getattr(function, "fn", function))  # of a kernel; and of a simulated one
    return getattr(getattr(inner, "__code__", None), "co_filename", "")
