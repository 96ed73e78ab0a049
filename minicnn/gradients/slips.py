"""A grammar of slips: for each, the gradient that it would give, formed from the true one; and the slip that fits.

A slip is a wrong factor, sign, value or mask, a lost term, or a missing sum. It can also be a sum over another axis, or
a flipped, shifted or permuted axis. Differences give the true gradient: each checked entry, and its row of the
Jacobian. A slip is reported if it gives the wrong gradient at all points of the evidence. If two kinds of slips fit,
both are reported; if none does, the report says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minicnn.gradients.differences import Differences
from minicnn.gradients.evidence import (
    Evidence,
    Slip,
    axes_of,
    listed,
    names_of_axes,
    near,
    nodes_of,
    place_of,
    subsets,
    where,
)
from minicnn.gradients.reports import Finding
from minicnn.gradients.slopes import rules
from minicnn.gradients.sums import sums
from minicnn.graph import sum_to
from minicnn.tensor import Tensor

WITHOUT_DY = "is not multiplied by dy, the cotangent that backward is given"
LONG = 48  # a result's axes with more elements in all are not searched for a missing term


@np.errstate(all="ignore")
def causes(points: list[Evidence], f: Callable[..., Any]) -> list[Finding]:
    """Return the slips that give the wrong gradient: one, two of different kinds, or a general description.

    points: the evidence at the inputs of the check, and elsewhere.
    """
    few = [points[0].fewer(), *points[1:]]
    place = where(*points)
    families = (constants, uses, order, lost_terms, sums, rules, other_points, masks)
    for family in families:
        findings: dict[str, Finding] = {}
        for slip in family(few, f):
            fit = _fit(slip, few if slip.asks else points)
            if slip.kind not in findings and (fit == "everywhere" or (fit and slip.entry)):
                findings[slip.kind] = Finding(slip.kind, _told(slip, place if fit == "wrong" else ""))
            if len(findings) == (2 if family in (order, rules) else 1):
                break
        if findings:
            return list(findings.values())
    return [_partly(points[0], points) or _unknown(points[0], place)]


def _told(slip: Slip, place: str) -> str:
    if slip.entry:
        return f"every wrong entry {f'has {place} and ' if place else ''}{slip.text}"
    return slip.text + (f"; every wrong entry has {place}" if place else "")


def _unknown(evidence: Evidence, place: str) -> Finding:
    ratios = evidence.given[evidence.wrong] / evidence.numeric[evidence.wrong]
    text = f"none that is known; the ratio analytic / numeric runs from {ratios.min():.3g} to {ratios.max():.3g}"
    return Finding("unknown", f"every wrong entry has {place}; otherwise {text}" if place else text)


def _fit(slip: Slip, points: list[Evidence]) -> str:
    """Return "everywhere" if the slip gives every checked entry, "wrong" if it gives the wrong ones, "" if neither."""
    everywhere, count = True, 0
    for evidence in points:
        hits, known = _hits(slip, evidence)
        if not hits[evidence.wrong].all():
            return ""
        everywhere = everywhere and bool(hits.all())
        count += int((known & evidence.wrong).sum())
    least = 1 if slip.kind in ("zeros", "not finite", "sign", "ratio", "cotangent") else 3
    return "" if count < least else "everywhere" if everywhere else "wrong"


def _hits(slip: Slip, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Return two masks: the entries that the slip gives, and those that it predicts."""
    formed = slip.predict(evidence)
    if formed is None:
        return np.zeros(len(evidence.places), bool), np.zeros(len(evidence.places), bool)
    if slip.kind == "not finite":
        return ~np.isfinite(evidence.given), evidence.wrong
    unknown = np.isnan(formed) if slip.mends else np.zeros(len(formed), bool)
    wanted = evidence.numeric if slip.mends else evidence.given
    return unknown | (np.abs(formed - wanted) <= evidence.limit), ~unknown


def _partly(evidence: Evidence, points: list[Evidence]) -> Finding | None:
    """Return the constant that explains most of the wrong entries, if at least half and three of them."""
    best: Finding | None = None
    for slip in (s for s in [*constants(points, None), *masks(points, None)] if not s.asks):
        hits = _hits(slip, evidence)[0][evidence.wrong]
        share = float(hits.mean())
        if (
            hits.sum() >= 3
            and share >= (0.5 if slip.kind in ("sign", "ratio") else 0.8)
            and (best is None or share > best.share)
        ):
            best = Finding(slip.kind, f"{hits.sum()} of {len(hits)} wrong entries: each {slip.text}", share)
    return best


# --- constants and masks -------------------------------------------------------------------------------------------


def constants(points: list[Evidence], f: Any) -> Iterator[Slip]:
    yield Slip("not finite", "is not a finite number", lambda p: p.given, entry=True, asks=False)
    yield Slip("zeros", "is zero: nothing is passed on there", lambda p: 0 * p.numeric, entry=True, asks=False)
    yield Slip("cotangent", WITHOUT_DY, lambda p: p.rows.sum(axis=1), entry=True)
    yield Slip("cotangent", "is multiplied by dy twice", lambda p: p.rows @ (p.cotangent**2).ravel(), entry=True)
    yield Slip("sign", "has the opposite sign (ratio -1)", lambda p: -p.numeric, entry=True, asks=False)
    given = np.concatenate([p.given[p.wrong] for p in points])
    due = np.concatenate([p.numeric[p.wrong] for p in points])
    sound = (due != 0) & np.isfinite(given)
    if sound.any():
        ratio = float(np.median(given[sound] / due[sound]))
        meaning = meaning_of(points[0], ratio)
        if ratio and (meaning or sound.sum() > 1):
            text = f"has ratio {ratio:.3f}: {meaning or 'a constant factor'}"
            yield Slip("ratio", text, lambda p: ratio * p.numeric, entry=True, asks=False)


def masks(points: list[Evidence], f: Any) -> Iterator[Slip]:
    """Yield slips in a mask: a gradient passes where the slope is zero, or also stops where it is not zero."""

    def stops(p: Evidence) -> np.ndarray:
        return np.abs(p.numeric) <= p.allowed / 100

    text = "is passed on where the true gradient is zero: a mask is missing, or too wide"
    yield Slip("passed", text, lambda p: np.where(stops(p), p.given, np.nan), entry=True, asks=False)
    text = (
        "is passed on where the true gradient is zero, or stops where it is not: it is another mask than the forward's"
    )
    yield Slip("passed", text, lambda p: np.where(stops(p), p.given, 0.0), entry=True, asks=False)


def meaning_of(evidence: Evidence, ratio: float) -> str:
    """Return the likely origin of a ratio of analytic to numeric."""
    sign = "the sign is wrong, and " if ratio < 0 else ""
    size, counts = abs(ratio), list(_counts(evidence))
    if near(size, 0.5):
        what = next((f", or it is divided by 2 = {what}" for what, n in counts if n == 2), "")
        return f"{sign}a term is counted half, or a 2 is forgotten (the slope of x² is 2x){what}"
    if near(size, 2):
        return f"{sign}a term is counted twice, or a 2 is too many"
    for what, count in counts:
        if near(size * count, 1):
            return f"{sign}divided by {count} = {what}: a mean where the sum is meant"
        if near(size, count):
            return f"{sign}multiplied by {count} = {what}: a sum where the mean is meant"
    for (what, count), (_, other) in itertools.product(counts, [*counts, *((what, n - 1) for what, n in counts)]):
        if other > 1 and near(size * other, count):
            return f"{sign}divided by {other} instead of {count} = {what}"
    return ""


def _counts(evidence: Evidence) -> Iterator[tuple[str, int]]:
    """Yield the element counts that may have been divided by, the likeliest first, each with its description."""
    arrays = {"the result": evidence.y, evidence.name: evidence.x, **evidence.others}
    for name, array in arrays.items():
        if array.size > 1:
            yield f"the elements of {name}", array.size
    for name, array in arrays.items():
        for axes in subsets(list(range(array.ndim)), array.ndim - 1):
            size = math.prod(array.shape[axis] for axis in axes)
            if size > 1:
                along = f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"
                yield f"the length of {along} of {name} {array.shape}", size
    if evidence.y.size % max(evidence.x.size, 1) == 0 and evidence.y.size > evidence.x.size > 0:
        yield f"the results per entry of {evidence.name}", evidence.y.size // evidence.x.size


def uses(points: list[Evidence], f: Callable[..., Any]) -> Iterator[Slip]:
    """Yield the gradients of other inputs, and the sums of some of the gradients that the tape saw."""
    first = points[0]
    for name, number in _numbers(first).items():
        if first.others[name].shape == first.x.shape:
            text = f"the gradient is that of {name}: backward returns them in another order"
            yield Slip("exchanged", text, lambda p, number=number: _exchanged(p, number))
    parts = parts_on_the_tape(f, first)
    for count in range(len(parts) - 1, 0, -1):
        for kept in itertools.combinations(range(len(parts)), count):
            text = (
                f"missing accumulation at fan-out: {first.name} is used {len(parts)} times, and its gradient holds "
                f"only what {listed([parts[i][0] for i in kept])} gave; the parts must be added up"
            )
            yield Slip("fan-out", text, lambda p, kept=kept: _kept(p, f, kept))


def _numbers(evidence: Evidence) -> dict[str, int]:
    """Return {name: number} of the other inputs."""
    numbers = (i for i in range(len(evidence.differences.arrays)) if i != evidence.number)
    return dict(zip(evidence.others, numbers, strict=True))


def _exchanged(p: Evidence, number: int) -> np.ndarray | None:
    """Return the slopes by another input, if its own gradient is, in turn, that of this input."""
    there = p.gradients[number]
    if there is None or not np.all(np.abs(there.ravel()[p.places] - p.numeric) <= p.allowed):
        return None
    return np.array([p.differences.slopes(number, p.index(i)).central for i in p.places])


def _kept(p: Evidence, f: Callable[..., Any], kept: tuple[int, ...]) -> np.ndarray | None:
    parts = [part.ravel()[p.places] for _, part in parts_on_the_tape(f, p)]
    if not np.all(np.abs(np.sum(parts, axis=0) - p.numeric) <= p.allowed):
        return None
    return np.sum([parts[i] for i in kept], axis=0)


def parts_on_the_tape(f: Callable[..., Any], evidence: Evidence) -> list[tuple[str, np.ndarray]]:
    """Return (op, gradient) for each use of an input, observed during a backward."""
    tensors = [Tensor(array.copy(), requires_grad=True) for array in evidence.differences.arrays]
    leaf, y = tensors[evidence.number], f(*tensors)
    caught: list[tuple[str, np.ndarray]] = []
    for node in nodes_of(y):
        slots = [slot for slot, source in enumerate(node.inputs) if source is leaf]
        if slots:
            node.observer = _Catcher(node.name, slots, leaf.shape, caught)
    if y.requires_grad:
        y.backward(evidence.cotangent.copy())
    return caught


class _Catcher:
    """The observer of a node, which keeps the gradients of some of its inputs."""

    def __init__(self, name: str, slots: list[int], shape: tuple, caught: list) -> None:
        self.name, self.slots, self.shape, self.caught = name, slots, shape, caught

    def saw(self, cotangent: np.ndarray, gradients: tuple, seconds: float) -> None:
        """Keep a copy of each gradient, summed to the shape of the input."""
        for slot in self.slots:
            if gradients[slot] is not None:
                self.caught.append((self.name, Tensor(sum_to(gradients[slot], self.shape)).numpy().copy()))


# --- the order of axes and elements --------------------------------------------------------------------------------


def order(points: list[Evidence], f: Callable[..., Any]) -> Iterator[Slip]:
    """Yield gradients with the right numbers in the wrong order, or from a cotangent or input in the wrong order."""
    first = points[0]
    shape, rank, names = first.x.shape, first.x.ndim, names_of_axes(first.name, first.x.shape)
    for permutation in itertools.permutations(range(rank)) if 2 <= rank <= 5 else ():
        swapped = [axis for axis, place in enumerate(permutation) if axis != place]
        if swapped:
            text = f"the gradient is transposed: its axes {listed(swapped)} are in another order"
            yield Slip("transpose", text, lambda p, o=permutation: _transposed(p, o), mends=True, asks=False)
    yield from _with_another_input(first, f)
    if first.x.size == first.y.size and len(first.places) == first.x.size:
        text = "dy is multiplied by the Jacobian instead of its transpose: a matrix wants a .T, or the walk runs "
        text += "forwards where it must run backwards"
        yield Slip("transpose", text, lambda p: p.rows.T @ p.cotangent.ravel())
    for axes in subsets([a for a in range(rank) if shape[a] > 1]):
        named = [names[axis] for axis in axes if "index" not in names[axis]]
        along = listed(named) if named else axes_of(axes)
        text = f"the gradient is reversed along {along}: a flip is missing, or one too many"
        yield Slip("flip", text, lambda p, a=axes: np.flip(p.analytic, a).ravel()[p.places], mends=True, asks=False)
    wide = first.y.shape
    for axes in subsets([a for a in range(len(wide)) if wide[a] > 1]):
        text = f"dy is read in reverse along {axes_of(axes)}: a flip is missing, or one too many"
        yield Slip("flip", text, lambda p, a=axes: p.rows @ np.flip(p.cotangent, a).ravel())
        if len(wide) == rank and len(points[0].places) == first.x.size and all(shape[a] > 1 for a in axes):
            text = f"dy and the gradient are both reversed along {axes_of(axes)}: backward runs forwards, with an "
            text += "unflipped kernel or a running sum that does not begin at the end"
            yield Slip("kernel", text, lambda p, a=axes: _at_mirrored(p, a))
    for axis, by in itertools.product(range(rank), (1, -1, 2, -2)):
        if shape[axis] >= abs(by) + 3:
            text = f"the gradient is shifted by {by} along axis {axis}: an index, a window or a padding is off"
            yield Slip("shift", text, lambda p, a=axis, b=by: _shifted(p, a, b), mends=True, asks=False)
    for axis, by in itertools.product(range(len(wide)), (1, -1)):
        if wide[axis] >= 3:
            text = f"dy is read {by:+d} along axis {axis}: an index or a window is off by one"
            yield Slip("shift", text, lambda p, a=axis, b=by: p.rows @ _moved(p.cotangent, a, b).ravel())
    for axis, back in itertools.product([a for a in range(rank) if shape[a] > 1], (False, True)):
        text = f"each entry holds those before it along axis {axis} as well: a sum is not set back to zero"
        yield Slip("stale", text, lambda p, a=axis, b=back: _undone(p, a, b), mends=True, asks=False)
    for pair in itertools.combinations(range(len(wide)), 2):
        if wide[pair[0]] == wide[pair[1]] > 1:
            text = f"dy is transposed: its axes {listed(list(pair))} are exchanged"
            yield Slip("transpose", text, lambda p, a=pair: p.rows @ np.swapaxes(p.cotangent, *a).ravel())


def _transposed(p: Evidence, permutation: tuple[int, ...]) -> np.ndarray:
    read = p.analytic.reshape([p.x.shape[axis] for axis in permutation])
    return read.transpose(np.argsort(permutation)).ravel()[p.places]


def _at_mirrored(p: Evidence, axes: tuple[int, ...]) -> np.ndarray:
    right = (p.rows @ np.flip(p.cotangent, axes).ravel()).reshape(p.x.shape)
    return np.flip(right, axes).ravel()


def _shifted(p: Evidence, axis: int, by: int) -> np.ndarray:
    """Return the gradient shifted back, NaN for elements from outside."""
    moved = np.roll(p.analytic, -by, axis).ravel()[p.places]
    along = np.unravel_index(p.places, p.x.shape)[axis] + by
    return np.where((along >= 0) & (along < p.x.shape[axis]), moved, np.nan)


def _moved(dy: np.ndarray, axis: int, by: int) -> np.ndarray:
    """Return dy one step along an axis, with zeros from outside."""
    moved = np.moveaxis(np.roll(dy, by, axis), axis, 0).copy()
    moved[0 if by > 0 else -1] = 0
    return np.moveaxis(moved, 0, axis)


def _undone(p: Evidence, axis: int, back: bool) -> np.ndarray:
    read = np.flip(p.analytic, axis) if back else p.analytic
    steps = np.diff(read, axis=axis, prepend=0)
    return (np.flip(steps, axis) if back else steps).ravel()[p.places]


def _with_another_input(first: Evidence, f: Callable[..., Any]) -> Iterator[Slip]:
    """Yield the gradients of the function whose other input is reversed or transposed."""
    for name, number in _numbers(first).items():
        array, right = first.others[name], "the gradient would be right for"
        if array.ndim >= 2 and array.shape[-1] == array.shape[-2] > 1:
            text = f"{right} {name} transposed: backward wants {name}.T where {name} stands, or the reverse"
            yield Slip("transpose", text, at_inputs(f, number, lambda p, a: np.swapaxes(a, -1, -2)))
        windows = range(array.ndim - 2) if array.ndim > 2 else range(array.ndim)
        for axes in subsets([a for a in windows if array.shape[a] > 1]):
            text = f"unflipped kernel: {right} {name} reversed along {axes_of(axes)}"
            yield Slip("kernel", text, at_inputs(f, number, lambda p, a, axes=axes: np.flip(a, axes)))


def at_inputs(
    f: Callable[..., Any], number: int, change: Callable[..., np.ndarray]
) -> Callable[[Evidence], np.ndarray | None]:
    """Return a slip's `predict`: the true gradient of f with one input changed, if it gives the wrong gradient.

    It is None if an entry differs, or at a kink.
    """

    def predict(p: Evidence) -> np.ndarray | None:
        changed = change(p, p.differences.arrays[number])
        arrays = [changed if i == number else array for i, array in enumerate(p.differences.arrays)]
        try:
            there = Differences(f, arrays, p.cotangent, p.differences.eps)
            if there.value.shape != p.y.shape:
                return None
            formed = np.full(len(p.places), np.nan)
            for i in [*np.flatnonzero(p.wrong), *np.flatnonzero(~p.wrong)]:
                slopes = there.slopes(p.number, p.index(p.places[i]))
                if not max(abs(slopes.left - p.given[i]), abs(slopes.right - p.given[i])) <= 2 * p.limit[
                    i
                ] + 1e-4 * abs(p.given[i]):
                    return None
                formed[i] = slopes.central
            return formed
        except (ValueError, IndexError, ArithmeticError):  # f does not accept it, so this is not the cause
            return None

    return predict


def other_points(points: list[Evidence], f: Callable[..., Any]) -> Iterator[Slip]:
    """Yield the gradients at other values of an input: at the output, at another input, at the opposite."""
    first = points[0]
    arrays = {first.name: first.x, **first.others}
    numbers = {first.name: first.number, **_numbers(first)}
    for name, array in arrays.items():
        if array.shape == first.y.shape:
            text = f"the output stands where {name} is due: the gradient would be right for {name} = y"
            yield Slip("instead", text, at_inputs(f, numbers[name], lambda p, a: p.y.astype(a.dtype)))
        for other, there in arrays.items():
            if other != name and there.shape == array.shape:
                text = f"{other} stands where {name} is due: the gradient would be right for {name} = {other}"
                other_of = lambda p, a, n=numbers[other]: p.differences.arrays[n]  # noqa: E731
                yield Slip("instead", text, at_inputs(f, numbers[name], other_of))
        text = f"the gradient would be right for -{name}: a sign inside, or the smallest for the largest"
        yield Slip("instead", text, at_inputs(f, numbers[name], lambda p, a: -a))


# --- terms of the sum over the result ------------------------------------------------------------------------------


def lost_terms(points: list[Evidence], f: Any) -> Iterator[Slip]:
    """Yield gradients that hold only some of the terms: one slope times dy for each element of the result."""
    first = points[0]
    shape, name = first.y.shape, first.name
    places = [
        (axes, at, place_of(len(shape), axes, np.unravel_index(at, [shape[axis] for axis in axes])))
        for axes in subsets([axis for axis, n in enumerate(shape) if n > 1])
        if math.prod(shape[axis] for axis in axes) <= LONG
        for at in range(math.prod(shape[axis] for axis in axes))
    ]
    for axes, at, which in places:
        text = (
            f"missing accumulation: the gradient holds only the terms of the result's {which}; sum over {axes_of(axes)}"
        )
        kind = "fan-out"
        if _is_broadcast(first, axes):
            kind, text = (
                "broadcast",
                f"unsummed broadcast: {name} serves all of {axes_of(axes)} of the result, and its ",
            )
            text += f"gradient holds only the terms of {which}; sum over {axes_of(axes)}"
        yield Slip(kind, text, lambda p, x=axes, i=at: _along(p, x)[:, i])
    for axes in dict.fromkeys(axes for axes, _, _ in places):
        text = f"missing accumulation: {name} reaches several elements of the result, and its gradient holds only "
        text += "the term of "
        last = f"{text}one, the last of them: is it overwritten (=) where it must be added to (+=)?"
        yield Slip("fan-out", last, lambda p, x=axes: _end(p, x, True))
        yield Slip("fan-out", f"{text}one, the first of them", lambda p, x=axes: _end(p, x, False))
    for axes, at, which in places:
        text = f"missing accumulation: the terms of the result's {which} are not in the sum"
        yield Slip("fan-out", text, lambda p, x=axes, i=at: p.rows @ p.cotangent.ravel() - _along(p, x)[:, i])

    for axis, own in itertools.product(range(len(shape)), range(first.x.ndim)):
        if len(shape) == 2 and shape[0] == shape[1] == first.x.shape[own] and shape[0] > 1:
            text = f"{name} stands twice in a product, and the gradient holds only one of its two terms"
            yield Slip("term", text, lambda p, a=axis, b=own: _one_side(p, a, b))


def _one_side(p: Evidence, axis: int, own: int) -> np.ndarray:
    """Return the terms of the results in the entry's own row, and half of the one on the diagonal."""
    mine = np.array(np.unravel_index(p.places, p.x.shape)[own])[:, None]
    this, other = (np.unravel_index(np.arange(p.y.size), p.y.shape)[i] for i in (axis, 1 - axis))
    return (p.rows * np.where(this == mine, np.where(other == mine, 0.5, 1), 0)) @ p.cotangent.ravel()


def _along(p: Evidence, axes: tuple[int, ...]) -> np.ndarray:
    """Return the terms of each entry, summed over all other axes of the result."""
    terms = (p.rows * p.cotangent.ravel()).reshape(len(p.places), *p.y.shape)
    rest = tuple(axis + 1 for axis in range(p.y.ndim) if axis not in axes)
    return terms.sum(axis=rest).reshape(len(p.places), -1)


def _end(p: Evidence, axes: tuple[int, ...], last: bool) -> np.ndarray | None:
    """Return the last or the first of the terms that are not zero; None if no entry has two."""
    sums = _along(p, axes)
    alive = np.abs(sums) > 1e-9 * np.abs(sums).max(initial=0)
    if not (alive.sum(axis=1) > 1).any():
        return None
    found = sums.shape[1] - 1 - np.argmax(alive[:, ::-1], axis=1) if last else np.argmax(alive, axis=1)
    return sums[np.arange(len(sums)), found]


def _is_broadcast(evidence: Evidence, axes: tuple[int, ...]) -> bool:
    rank = evidence.y.ndim
    aligned = (1,) * (rank - evidence.x.ndim) + evidence.x.shape
    fits = len(aligned) == rank and all(n in (1, m) for n, m in zip(aligned, evidence.y.shape, strict=True))
    return fits and all(aligned[axis] == 1 for axis in axes)
