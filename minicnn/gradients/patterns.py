"""Patterns in the numbers of a wrong gradient: sign, ratio, zeros, a missing factor, an order of axes.

Each compares the analytic with the numeric gradient of one input. A pattern must explain an entry to a
twentieth of its error and within the tolerance of the check. If it explains only some entries, the share is named.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minicnn.gradients.reports import Finding

FILTERS = ("w", "weight", "weights", "kernel", "filters")
PICTURES = ("x", "image", "images", "picture", "pictures")
OF_FILTERS = {3: ("k",), 4: ("kh", "kw"), 5: ("kd", "kh", "kw")}
OF_PICTURES = {3: ("L",), 4: ("H", "W"), 5: ("D", "H", "W")}


@dataclass
class Evidence:
    """The known facts about one input with a wrong gradient.

    analytic: the whole gradient. places: flat indices of the checked entries. numeric, allowed, wrong: for each of
    these, the difference, the tolerance, and whether it was exceeded. y: the function's result. cotangent: its weights.
    others: the other inputs by name.
    """

    name: str
    x: np.ndarray
    analytic: np.ndarray
    places: np.ndarray
    numeric: np.ndarray
    allowed: np.ndarray
    wrong: np.ndarray
    y: np.ndarray
    cotangent: np.ndarray
    others: dict[str, np.ndarray]

    @cached_property
    def at(self) -> np.ndarray:
        """Flat indices of the wrong entries."""
        return self.places[self.wrong]

    @cached_property
    def given(self) -> np.ndarray:
        """The analytic gradient at the wrong entries."""
        return self.analytic.ravel()[self.at]

    @cached_property
    def due(self) -> np.ndarray:
        """The numeric gradient at the wrong entries."""
        return self.numeric[self.wrong]

    @cached_property
    def limit(self) -> np.ndarray:
        """The tolerance of an explanation at each wrong entry."""
        return np.minimum(self.allowed[self.wrong], np.abs(self.given - self.due) / 20)

    def gives(self, explained: np.ndarray) -> np.ndarray:
        """Return a mask of the wrong entries at which an attempt to compute the analytic gradient succeeds."""
        return np.abs(explained - self.given) <= self.limit

    def mends(self, mended: np.ndarray) -> np.ndarray:
        """Return a mask of the wrong entries at which an attempt to correct the gradient succeeds."""
        return np.abs(mended - self.due) <= self.limit

    def mends_all(self, mended: np.ndarray) -> bool:
        """Return True if a corrected whole gradient agrees with every difference, also where nothing was wrong."""
        found = mended.ravel()[self.places]
        return bool(np.all(np.abs(found - self.numeric) <= self.allowed) and np.all(self.mends(found[self.wrong])))


# --- location ------------------------------------------------------------------------------------------------------


def names_of_axes(name: str, shape: tuple[int, ...]) -> list[str]:
    """Return the usual names of the axes of filters and pictures; otherwise their numbers."""
    rank = len(shape)
    if name in FILTERS and rank in OF_FILTERS:
        return [*OF_FILTERS[rank], "c_in", "c_out"]
    if name in PICTURES and rank in OF_PICTURES:
        return ["N", *OF_PICTURES[rank], "C"]
    return [f"the index along axis {axis}" if rank > 1 else "the index" for axis in range(rank)]


def where(evidence: Evidence) -> str:
    """Return what the wrong entries have in common and the right ones lack, such as "kw = 0"; "" if nothing."""
    shape, at = evidence.x.shape, evidence.at
    if len(at) < 2 or len(at) == len(evidence.places):
        return ""
    right = evidence.places[~evidence.wrong]
    names = names_of_axes(evidence.name, shape)
    along, others = np.unravel_index(at, shape), np.unravel_index(right, shape)
    found = []
    for axis, (mine, theirs) in enumerate(zip(along, others, strict=True)):
        seen, last = np.unique(mine), shape[axis] - 1
        if last == 0 or len(seen) == len({*mine, *theirs}):
            continue
        if len(seen) == 1:
            found.append(f"{names[axis]} = {seen[0]}")
        elif last > 2 and set(seen) == {0, last}:
            found.append(f"{names[axis]} = 0 or {last}, its ends")
        elif last > 2 and len({*(seen % 2)}) == 1 and not np.any(theirs % 2 == seen[0] % 2):
            found.append(f"{names[axis]} {'odd' if seen[0] % 2 else 'even'}")
        elif not set(seen) & {*theirs} and len(seen) == seen[-1] - seen[0] + 1 and 0 in (seen[0], last - seen[-1]):
            found.append(f"{names[axis]} {'≤' if seen[0] == 0 else '≥'} {seen[-1] if seen[0] == 0 else seen[0]}")
    if not found:
        values, kept = evidence.x.ravel()[at], evidence.x.ravel()[right]
        for text, here, there in (("< 0", values < 0, kept < 0), ("> 0", values > 0, kept > 0)):
            if here.all() and not there.any():
                found.append(f"{evidence.name} {text}")
    if not found and len(shape) > 1:
        sides = [i for i, n in enumerate(shape) if n > 2 and (len(shape) < 3 or 0 < i < len(shape) - 1)]
        edge, inner = (
            np.any([(group[i] == 0) | (group[i] == shape[i] - 1) for i in sides], axis=0) if sides else np.ones(0)
            for group in (along, others)
        )
        if sides and edge.all() and not inner.any():
            found.append("a place at the border")
    return " and ".join(found)


WITHOUT_DY = "is not multiplied by dy, the cotangent that backward is given"

# --- patterns of single entries ------------------------------------------------------------------------------------


def entrywise(evidence: Evidence) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (kind, description, mask of the entries) for every pattern of single entries, the likeliest first."""
    given, due = evidence.given, evidence.due
    yield "not finite", "is not a finite number", ~np.isfinite(given)
    yield "zeros", "is zero: nothing is passed on there", given == 0
    yield "cotangent", WITHOUT_DY, _without_cotangent(evidence)
    yield "sign", "has the opposite sign (ratio -1)", evidence.gives(-due)
    yield from _ratios(evidence)
    yield from _factors(evidence)


def _ratios(evidence: Evidence) -> Iterator[tuple[str, str, np.ndarray]]:
    given, due = evidence.given, evidence.due
    sound = (due != 0) & np.isfinite(given)
    if not sound.any():
        return
    ratio = float(np.median(given[sound] / due[sound]))
    hits = evidence.gives(ratio * due)
    meaning = _meaning(evidence, ratio)
    if meaning or hits.sum() >= 2:
        yield "ratio", f"has ratio {ratio:.3f}: {meaning or 'a constant factor'}", hits


def _meaning(evidence: Evidence, ratio: float) -> str:
    """Return the likely origin of a ratio of analytic to numeric."""
    sign = "the sign is wrong, and " if ratio < 0 else ""
    size = abs(ratio)
    if _near(size, 0.5):
        return f"{sign}a term is counted half, or a 2 is forgotten (the slope of x² is 2x){_or_mean(evidence, 2)}"
    if _near(size, 2):
        return f"{sign}a term is counted twice, or a 2 is too many"
    for what, count in _counts(evidence):
        if _near(size * count, 1):
            return f"{sign}divided by {count} = {what}: a mean where the sum is meant"
        if _near(size, count):
            return f"{sign}multiplied by {count} = {what}: a sum where the mean is meant"
    return ""


def _or_mean(evidence: Evidence, count: int) -> str:
    what = next((what for what, n in _counts(evidence) if n == count), None)
    return f", or it is divided by {count} = {what}" if what else ""


def _near(value: float, wanted: float) -> bool:
    return math.isclose(value, wanted, rel_tol=1e-3)


def _counts(evidence: Evidence) -> Iterator[tuple[str, int]]:
    """Yield the element counts that may have been divided by, the likeliest first, each with its description."""
    arrays = {"the result": evidence.y, evidence.name: evidence.x, **evidence.others}
    for name, array in arrays.items():
        if array.size > 1:
            yield f"the elements of {name}", array.size
    for name, array in arrays.items():
        for count in range(1, array.ndim):
            for axes in itertools.combinations(range(array.ndim), count):
                size = math.prod(array.shape[axis] for axis in axes)
                if size > 1:
                    along = f"axis {axes[0]}" if count == 1 else f"axes {', '.join(map(str, axes))}"
                    yield f"the length of {along} of {name} {array.shape}", size


def _factors(evidence: Evidence) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield entries that are wrong by a known factor: dy itself, another input, or the result."""
    if len(evidence.at) < 3:
        return
    given, shape = evidence.given, evidence.x.shape
    known = {evidence.name: evidence.x, **evidence.others, "the result y": evidence.y, "1 - y": 1 - evidence.y}
    for what, array in known.items():
        if array.size == 1 or not _spreads(array.shape, shape):
            continue
        values = np.broadcast_to(array, shape).ravel()[evidence.at]
        with np.errstate(all="ignore"):
            for text, factor in ((what, values), (f"{what}²", values**2)):
                yield "factor", f"lacks the factor {text}", evidence.mends(given * factor)
                yield "factor", f"has the factor {text} too often", evidence.mends(given / factor)
    if evidence.cotangent.shape == shape:
        same = evidence.gives(evidence.cotangent.ravel()[evidence.at])
        yield "factor", "is dy itself: it is not multiplied by the slope", same


def _without_cotangent(evidence: Evidence) -> np.ndarray:
    dy = evidence.cotangent
    if dy.size == 1:
        return evidence.mends(evidence.given * dy.item())
    if dy.shape != evidence.x.shape or len(evidence.at) < 2:
        return np.zeros(len(evidence.at), bool)
    return evidence.mends(evidence.given * dy.ravel()[evidence.at])


def _spreads(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


# --- the right numbers in the wrong places -------------------------------------------------------------------------


def misplaced(evidence: Evidence) -> Finding | None:
    """Return a Finding if axes are in the wrong order, reversed or shifted."""
    return _transposed(evidence) or _reversed(evidence) or _shifted(evidence)


def _transposed(evidence: Evidence) -> Finding | None:
    analytic, rank = evidence.analytic, evidence.x.ndim
    if not 2 <= rank <= 5:
        return None
    for order in itertools.permutations(range(rank)):
        mended = analytic.reshape([evidence.x.shape[axis] for axis in order]).transpose(np.argsort(order))
        if order != tuple(range(rank)) and evidence.mends_all(mended):
            swapped = [axis for axis, place in enumerate(order) if axis != place]
            return Finding("transpose", f"the gradient is transposed: its axes {listed(swapped)} are in another order")
    return None


def _reversed(evidence: Evidence) -> Finding | None:
    names = names_of_axes(evidence.name, evidence.x.shape)
    long = [axis for axis, n in enumerate(evidence.x.shape) if n > 1]
    for count in range(len(long), 0, -1):
        for axes in itertools.combinations(long, count):
            if evidence.mends_all(np.flip(evidence.analytic, axes)):
                named = names[0] in ("N", *OF_FILTERS[3], *OF_FILTERS[4], *OF_FILTERS[5])
                along = listed([names[axis] for axis in axes] if named else list(axes))
                word = "" if named else f"ax{'i' if count == 1 else 'e'}s "
                return Finding(
                    "kernel",
                    f"the gradient is reversed along {word}{along}: a kernel not flipped, or flipped once more",
                )
    return None


def _shifted(evidence: Evidence) -> Finding | None:
    """Return a Finding if an index is off by one or two: wrong padding, or a loop that starts too late."""
    shape = evidence.x.shape
    for axis, by in itertools.product(range(len(shape)), (1, -1, 2, -2)):
        if shape[axis] < abs(by) + 3:
            continue
        along = np.unravel_index(evidence.places, shape)[axis]
        known = (along + by >= 0) & (along + by < shape[axis])  # the others would come from outside the array
        moved = np.roll(evidence.analytic, -by, axis).ravel()[evidence.places]
        fits = np.abs(moved - evidence.numeric) <= evidence.allowed
        if fits[known].all() and evidence.mends(moved[evidence.wrong])[known[evidence.wrong]].sum() >= 3:
            return Finding("shift", f"the gradient is shifted by {by} along axis {axis}: an index or a padding is off")
    return None


def listed(things: list) -> str:
    *first, last = map(str, things)
    return f"{', '.join(first)} and {last}" if first else last
