"""From a learner's function to a verdict, in three steps: prepare expected answers, collect answers, judge.

Only collecting runs the learner's code.
"""

from __future__ import annotations

import linecache
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import use_backend
from minicnn.learn import fairness
from minicnn.learn.comparing import common_factor, difference, largest
from minicnn.learn.exercise import Case, Exercise, Slip
from minicnn.learn.observing import Seen, Unfit
from minicnn.learn.verdict import Row, Verdict

# Advice on errors that have the same cause in every exercise.
_NUMPY = "NumPy's functions forget where a number came from. minicnn.ops has most of them too, and these remember it."
_WHOLE = "Sizes and places are whole numbers. In Python `/` gives a float, also where it comes out even; `//` does not."
EVERYWHERE = (
    Slip("NumPy", _NUMPY, raises="a Tensor requires a gradient"),
    Slip("no such op", "dir(ops) lists the names of all there are.", raises="module 'minicnn.ops' has no attribute"),
    Slip("a size with a point", _WHOLE, raises="'float' object cannot be interpreted as an integer"),
    Slip("a slice with a point", _WHOLE, raises="slice indices must be integers"),
    Slip("an index with a point", _WHOLE, raises="only integers, slices"),
    Slip(
        "a truth value for many",
        "An array of comparisons is true here and false there: `if`, `and`, `or` and `not` want a single answer, and "
        "so do Python's max and min. np.where, `&`, `|`, `~`, ops.maximum and ops.minimum go number by number.",
        raises="The truth value of an array",
    ),
    Slip(
        "and before comparing",
        "`&` and `|` bind closer than `<` and `>` do. What belongs together, in parentheses?",
        raises="not supported for the input types",
    ),
    Slip(
        "shapes that do not go together",
        "Number by number, two shapes go together where their sizes, counted from the right, are equal or one of them "
        "is 1. Print both.",
        raises="broadcast",
    ),
    Slip(
        "a product that does not chain",
        "A matrix product (…, M, K) @ (…, K, N) needs the same K twice. Print both shapes: which of the two should be "
        "turned over, or come first?",
        raises="do not chain",
    ),
    Slip(
        "NumPy's product that does not chain",
        "A matrix product needs rows of the left one that are as long as the columns of the right one. Print both "
        "shapes: which should come first, or be transposed?",
        raises="mismatch in its core dimension",
    ),
)


class Trial(NamedTuple):
    """A case with the answer of the solution. scales: {part: largest number over all cases}."""

    case: Case
    expected: Seen
    scales: dict[str, float]

    def difference(self, part: str, seen: Seen, expected: Seen | None = None, leniency: float = 1) -> str | None:
        """Describe how a part differs from the expected answer, or from another one; None if it does not."""
        expected = self.expected if expected is None else expected
        return difference(expected[part], seen[part], leniency * self.case.tolerance, self.scales[part])


class Outcome(NamedTuple):
    """The outcome of a case: an answer, or the reason for its absence."""

    seen: Seen | None
    problem: str = ""


def prepare(exercise: Exercise) -> list[Trial]:
    """Return the expected answer of every case."""
    with use_backend("numpy"):
        seen = [exercise.observe(exercise.function, case.arguments()) for case in exercise.cases]
    scales = {part: max(largest(parts[part]) for parts in seen) for part in seen[0]}
    trials = []
    for case, parts in zip(exercise.cases, seen, strict=True):
        known = {part: _as_compared(value) for part, value in case.expected.items()}
        trials.append(Trial(case, {**parts, **known}, scales))
    return trials


def collect(exercise: Exercise, trials: Sequence[Trial], function: Callable[..., Any]) -> list[Outcome]:
    """Return the outcome of each case, even if the function raises or exits."""
    with use_backend("numpy"):
        return [attempt(exercise, trial.case.arguments(), function) for trial in trials]


def attempt(exercise: Exercise, arguments: Sequence[Any], function: Callable[..., Any]) -> Outcome:
    """Return the outcome of one call, in which the ops that are the exercise itself are refused."""
    try:
        with fairness.without(exercise.own):
            return Outcome(exercise.observe(function, arguments))
    except Unfit as problem:
        return Outcome(None, str(problem))
    except (Exception, SystemExit) as problem:
        return Outcome(None, where(problem, _file_of(function)))


def judge(exercise: Exercise, trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> Verdict:
    """Return the verdict with its advice."""
    advice = list(dict.fromkeys(_advice(exercise, trials, outcomes)))[:2]  # more would be noise
    if len({_kind(outcome.problem) for outcome in outcomes}) == 1 and outcomes[0].problem:  # reported once
        return Verdict(exercise.name, False, (), [outcomes[0].problem, *advice])
    rows, said = [], set()
    for trial, outcome in zip(trials, outcomes, strict=True):
        text = outcome.problem or _differences(trial, outcome)
        kind = _kind(outcome.problem) or text
        rows.append(Row(trial.case.title, not text, "the same" if text and kind in said else text))
        said.add(kind)
    right = all(row.right for row in rows)
    return Verdict(exercise.name, right, rows, [] if right else advice)


def _kind(problem: str) -> str:
    """Replace the numbers in a problem by #, so that it is reported once and not for every case."""
    return re.sub(r"-?\d[\d., e+-]*", "#", problem)


def _differences(trial: Trial, outcome: Outcome) -> str:
    assert outcome.seen is not None
    found = []
    for part in trial.expected:
        text = trial.difference(part, outcome.seen)
        if text:
            found.append(f"{part}: {text}" if part else text)
            if not part:  # the later parts depend on it
                break
    return "; ".join(found[:2])


def _advice(exercise: Exercise, trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> Iterator[str]:
    if unfair := [*_raised(fairness.SLIPS, outcomes)]:
        yield from unfair
        return
    own = [*_raised(exercise.slips, outcomes), *_recognized(exercise, trials, outcomes)]
    yield from own or _raised(EVERYWHERE, outcomes)


def _raised(slips: Sequence[Slip], outcomes: Sequence[Outcome]) -> Iterator[str]:
    for slip in slips:
        if slip.raises and any(slip.raises in outcome.problem for outcome in outcomes):
            yield slip.hint


def _recognized(exercise: Exercise, trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the hints of slips that explain the wrong parts, until all are explained.

    If parts depend on each other, a slip must explain the first wrong one: agreement in later parts alone may be
    coincidence.
    """
    if not any(outcome.seen for outcome in outcomes):
        return
    raised = any(outcome.seen is None for outcome in outcomes)
    wrong = [part for part in trials[0].expected if raised or _is_wrong(part, trials, outcomes)]
    ways = [(slip, way) for slip in exercise.slips for way in slip.answers]
    while wrong:
        for slip, way in ways:
            explained = _explained(way, wrong, exercise, trials, outcomes)
            if explained and (exercise.apart or wrong[0] in explained):
                yield slip.hint
                wrong = [part for part in wrong if part not in explained]
                break
        else:
            break
    for part in wrong if exercise.apart else wrong[:1]:
        pairs = [(t.expected[part], o.seen[part]) for t, o in zip(trials, outcomes, strict=True) if o.seen]
        factor = common_factor(pairs)
        if factor is not None:
            yield f"Every number{' of ' * bool(part)}{part} is {factor:.6g} times what is expected."


def _is_wrong(part: str, trials: Sequence[Trial], outcomes: Sequence[Outcome]) -> bool:
    pairs = zip(trials, outcomes, strict=True)
    return any(trial.difference(part, outcome.seen) is not None for trial, outcome in pairs if outcome.seen is not None)


def _explained(
    way: Callable[..., Any],
    parts: Sequence[str],
    exercise: Exercise,
    trials: Sequence[Trial],
    outcomes: Sequence[Outcome],
) -> list[str]:
    """Return the wrong parts that a slip reproduces in every case."""
    alike = list(parts)
    for trial, outcome in zip(trials, outcomes, strict=True):
        with warnings.catch_warnings():  # the slip is known to be wrong
            warnings.simplefilter("ignore")
            (slipped,) = collect(exercise, [trial], way)
        if (outcome.seen is None) != (slipped.seen is None):
            return []
        if outcome.seen is not None and slipped.seen is not None:
            alike = [part for part in alike if trial.difference(part, outcome.seen, slipped.seen, 3) is None]
        if not alike:
            break
    return alike


def _as_compared(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | str) else np.asarray(value)


# Errors


def where(problem: BaseException, file: str) -> str:
    """Return an error in one line, with its place in the learner's file; below it, the source line."""
    name = Path(file).name
    if isinstance(problem, SyntaxError) and problem.filename == file:
        return f"line {problem.lineno} of {name} is not Python: {problem.msg}"
    frames = [frame for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == file]
    if not frames:
        return f"it raises {_said(problem)}"
    number = frames[-1].lineno
    if isinstance(problem, SystemExit):
        return f"line {number} of {name} ends the program: an exercise returns its answer and goes on"
    if isinstance(problem, NotImplementedError):
        words = problem.args[0] if problem.args else "write the function in its place"
        return f"line {number} of {name} is still the hole: {words}"
    line = linecache.getline(file, number or 0).strip()
    return f"line {number} of {name} raises {_said(problem)}" + (f"\n    {line:.64}" if line else "")


def _said(problem: BaseException) -> str:
    words = " ".join(str(problem).split())
    return f"{type(problem).__name__}: {words:.200}" if words else type(problem).__name__


def _file_of(function: Callable[..., Any]) -> str:
    inner = getattr(function, "py_func", getattr(function, "fn", function))  # unwrap a kernel, or a simulated one
    return getattr(getattr(inner, "__code__", None), "co_filename", getattr(inner, "__file__", ""))
