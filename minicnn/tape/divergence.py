"""The first operation at which two programs, engines or backends part.

Results are matched by their values, not by the names of operations, since one program may take three operations for
what is one in another. The programs part at the first result without a counterpart that leads to no result with one.
If all results agree, the gradients are compared, in the order of the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minicnn.errors import InputError
from minicnn.tape import notation
from minicnn.tape.overview import equation
from minicnn.text import counted

SHOWN, AHEAD = 3, 50  # elements printed; unmatched results of the same shape that are tried


@dataclass(frozen=True, eq=False)
class Result:
    """An array of an engine that keeps no tape. gradient: None where none came back."""

    array: np.ndarray
    name: str
    gradient: np.ndarray | None = None
    wants_gradient: bool = True


@dataclass(frozen=True, eq=False)
class Operation:
    """An operation of an engine that keeps no tape: what a tape's Step has, as far as it is compared."""

    number: int
    name: str
    inputs: list[Any]
    output: Result
    arguments: dict[str, Any] = field(default_factory=dict)
    gradients: Sequence[np.ndarray | None] = ()
    lines: Sequence[Any] = ()


@dataclass(frozen=True)
class Comparison:
    """The result of compare: true if both programs agree, and printed as text.

    mine, theirs: the operations at which they part; None where one has ended. backward: True if their gradients
    part. what: the name of the array. found, expected: its two contents, if they have one shape.
    """

    names: tuple[str, str]
    agreed: int
    mine: Any = None
    theirs: Any = None
    backward: bool = False
    what: str = ""
    found: np.ndarray | None = None
    expected: np.ndarray | None = None
    tolerance: float = 1e-5

    def __bool__(self) -> bool:
        return self.mine is None and self.theirs is None

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def compare(
    mine: Any, theirs: Any, *, names: tuple[str, str] = ("mine", "theirs"), tolerance: float = 1e-5
) -> Comparison:
    """Return a Comparison of two programs.

    mine, theirs: a tape, or the last result of another engine: an object with `data`, `parents` and `grad`, as lesson
    0's Value. tolerance: largest difference of an element, relative to the largest of its array.
    Raise InputError if one has nothing.
    """
    both = list(_operations(mine, names[0])), list(_operations(theirs, names[1]))
    pairs = _matched(*both, tolerance)
    ends = [_frontier(own, {id(pair[side]) for pair in pairs}) for side, own in enumerate(both)]
    if any(ends):
        first, other = (end[0] if end else None for end in ends)
        found, expected = (None if step is None else step.output.array for step in (first, other))
        return Comparison(names, len(pairs), first, other, False, "the result", found, expected, tolerance)
    for (step, other), what, found, expected in _gradients(pairs):
        if found is None and expected is None:
            continue
        if found is None or not _near(found, expected, tolerance):
            return Comparison(names, len(pairs), step, other, True, what, found, expected, tolerance)
    return Comparison(names, len(pairs), tolerance=tolerance)


def _operations(program: Any, name: str) -> Iterator[Any]:
    """Yield the operations of a tape, or of another engine, in the order in which they ran."""
    if hasattr(program, "steps"):
        steps = program.steps
    elif hasattr(program, "parents") and hasattr(program, "data"):
        steps = _of_engine(program)
    else:
        raise InputError(f"compare: {name} is a {type(program).__name__}; expected a tape, or a result with parents")
    if not steps:
        raise InputError(f"compare: {name} has no operations")
    yield from steps


def _of_engine(result: Any) -> list[Operation]:
    """Return the operations that led to a result, by its parents."""
    made: dict[int, Result] = {}
    steps: list[Operation] = []
    waiting = [result]
    while waiting:
        value = waiting[-1]
        nodes = [parent for parent in value.parents if hasattr(parent, "parents")]
        missing = [parent for parent in nodes if id(parent) not in made]
        if missing and id(value) not in made:
            waiting += reversed(missing)
            continue
        waiting.pop()
        if id(value) in made:
            continue
        array, rule, back = np.asarray(value.data), getattr(value, "rule", None), getattr(value, "grad", None)
        gradient = np.asarray(back) if back is not None and np.shape(back) == array.shape else None
        name = getattr(rule, "__qualname__", "operation").partition(".<locals>")[0]
        label = f"{name}_{len(steps) + 1}" if value.parents else f"input {len(made) - len(steps) + 1}"
        made[id(value)] = Result(array, label, gradient)
        if value.parents:
            taken = [made[id(p)] if id(p) in made else Result(np.asarray(p), "constant") for p in value.parents]
            steps.append(Operation(len(steps) + 1, name, taken, made[id(value)]))
    return steps


def _near(found: np.ndarray, expected: np.ndarray | None, tolerance: float) -> bool:
    if expected is None or found.shape != expected.shape:
        return False
    if found.dtype == object or expected.dtype == object:  # no bias, for example
        return bool(np.all(found == expected))
    return not _apart(found, expected, tolerance).any()


def _apart(found: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a mask of the elements that differ. NaN equals NaN."""
    finite = np.abs(expected[np.isfinite(expected)])
    with np.errstate(invalid="ignore"):
        far = ~(np.abs(found - expected) <= tolerance * finite.max(initial=0))
    return far & (found != expected) & ~(np.isnan(found) & np.isnan(expected))


def _matched(mine: list[Any], theirs: list[Any], tolerance: float) -> list[tuple[Any, Any]]:
    """Return the pairs of operations whose results agree; of several candidates, the first with the same name."""
    free: dict[tuple[int, ...], list[Any]] = {}
    for step in theirs:
        free.setdefault(step.output.array.shape, []).append(step)
    pairs = []
    for step in mine:
        candidates = free.get(step.output.array.shape, [])[:AHEAD]
        near = [other for other in candidates if _near(step.output.array, other.output.array, tolerance)]
        if near:
            other = next((other for other in near if other.name == step.name), near[0])
            pairs.append((step, other))
            free[step.output.array.shape].remove(other)
    return pairs


def _frontier(steps: list[Any], matched: set[int]) -> list[Any]:
    """Return the operations without a counterpart from which no way leads back to one that has a counterpart."""
    rejoins: set[int] = set()  # values
    lost = []
    for step in reversed(steps):
        if id(step) in matched or id(step.output) in rejoins:
            rejoins |= {id(value) for value in step.inputs}
        else:
            lost.append(step)
    return lost[::-1]


def _gradients(pairs: list[tuple[Any, Any]]) -> Iterator[tuple[Any, str, np.ndarray | None, np.ndarray | None]]:
    """Yield (pair of operations, name, gradient, the other's gradient), in the order of the backward pass."""
    users = {id(value): pair for pair in pairs for value in pair[0].inputs}  # the last to use a value
    for step, other in reversed(pairs):
        name = f"the gradient to {step.output.name}"
        yield users.get(id(step.output), (step, other)), name, step.output.gradient, other.output.gradient
        if len(step.inputs) != len(other.inputs):
            continue
        own, others = ([value.gradient for value in one.inputs] for one in (step, other))
        if step.gradients and other.gradients:  # what this operation gave, and no other
            own, others = list(step.gradients), list(other.gradients)
        for value, theirs, *both in zip(step.inputs, other.inputs, own, others, strict=True):
            if value.wants_gradient and theirs.wants_gradient:
                yield (step, other), f"the gradient to {value.name}", *both


def _lines(found: Comparison) -> Iterator[str]:
    mine, theirs = found.names
    if found:
        yield f"{mine} and {theirs} agree: {counted(found.agreed, 'operation')} in common, none that differs"
        return
    yield f"{mine} and {theirs} agree in {counted(found.agreed, 'operation')}, and part at"
    width = max(len(mine), len(theirs))
    for name, step in zip(found.names, (found.mine, found.theirs), strict=True):
        if step is None:
            yield f"  {name:<{width}}  nothing: it has no such operation"
            continue
        line = f"   {step.lines[-1]}  {step.lines[-1].text}" if step.lines else ""
        yield f"  {name:<{width}}  {step.number} {'backward of ' * found.backward}{equation(step)}{line}"
    if found.mine is None or found.theirs is None:
        return
    if not found.backward:
        yield from _what_goes_in(found)
    yield f"{found.what}: " + "\n".join(_elements(found.found, found.expected, found.tolerance))


def _what_goes_in(found: Comparison) -> Iterator[str]:
    """Yield the differences of the inputs and arguments."""
    same = True
    for value, other in zip(found.mine.inputs, found.theirs.inputs, strict=False):
        if not _near(value.array, other.array, found.tolerance):
            same = False
            told = "\n".join(_elements(value.array, other.array, found.tolerance))
            yield f"its input {value.name} differs already: {told}"
    mine, theirs = found.mine.arguments, found.theirs.arguments if found.mine.name == found.theirs.name else {}
    for key in [key for key in theirs and {**mine, **theirs} if repr(mine.get(key)) != repr(theirs.get(key))]:
        yield f"{key} is {mine.get(key)!r} and {theirs.get(key)!r}"
    if same and len(found.mine.inputs) == len(found.theirs.inputs):
        yield "what goes in is the same"


def _elements(found: np.ndarray | None, expected: np.ndarray | None, tolerance: float) -> Iterator[str]:
    """Yield the number of elements that differ, and the furthest ones."""
    if found is None or expected is None:
        yield "none came back " + ("in the first" if found is None else "in the second")
    elif found.shape != expected.shape:
        yield f"the shapes are {notation.shape(found)} and {notation.shape(expected)}"
    else:
        apart = _apart(found, expected, tolerance)
        differ = "differs" if apart.size == 1 else "differ"
        yield f"{np.count_nonzero(apart)} of {counted(apart.size, 'element')} {differ}; the furthest:"
        with np.errstate(invalid="ignore"):
            far = np.where(apart, np.nan_to_num(np.abs(found - expected), nan=np.inf), -1)
        for flat in np.argsort(-far, axis=None, kind="stable")[: min(SHOWN, np.count_nonzero(apart))]:
            at = tuple(map(int, np.unravel_index(flat, far.shape)))
            one, other, distance = (notation.number(array[at], 7) for array in (found, expected, far))
            yield f"  {notation.place('', at) or 'scalar':<12} {one} and {other}, apart {distance}"
