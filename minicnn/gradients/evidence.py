"""The evidence on one wrong gradient: its entries at the inputs of the check, and at other inputs.

A slip must explain an entry to a twentieth of its error and within the tolerance of the check. Zeros, ones and equal
values hide slips, so every explanation must hold at other inputs and for other cotangents, too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from minicnn.gradients.differences import Differences
from minicnn.graph import Node
from minicnn.tensor import Tensor

ASKED = 96  # entries of an input whose row of the Jacobian is used
NUMBERS = 4_000_000  # maximum size of these rows
BOUND = 6  # minimum number of entries on either side of a bound on x other than 0
FILTERS = ("w", "weight", "weights", "kernel", "filters")
PICTURES = ("x", "image", "images", "picture", "pictures")
OF_FILTERS = {3: ("k",), 4: ("kh", "kw"), 5: ("kd", "kh", "kw")}
OF_PICTURES = {3: ("L",), 4: ("H", "W"), 5: ("D", "H", "W")}


@dataclass
class Evidence:
    """The known facts about one input with a wrong gradient, at one point.

    analytic: the whole gradient. places: flat indices of the checked entries. numeric, allowed, wrong: for each of
    these, the difference, the tolerance, and whether it was exceeded. y: the function's result. cotangent: its weights.
    others: the other inputs by name. differences: the function's at this point. number: the input's.
    gradients: the analytic gradients of all inputs.
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
    differences: Any = None
    number: int = 0
    gradients: Sequence[np.ndarray | None] = ()

    @cached_property
    def at(self) -> np.ndarray:
        """Flat indices of the wrong entries."""
        return self.places[self.wrong]

    @cached_property
    def given(self) -> np.ndarray:
        """The analytic gradient at the checked entries."""
        return self.analytic.ravel()[self.places]

    @cached_property
    def limit(self) -> np.ndarray:
        """The tolerance of an explanation at each checked entry."""
        error = np.abs(self.given - self.numeric) / 20
        return np.where(self.wrong, np.minimum(self.allowed, error), self.allowed)

    @cached_property
    def rows(self) -> np.ndarray:
        """The slopes of all elements of the result by each checked entry."""
        return np.array([self.differences.row(self.number, self.index(i)).ravel() for i in self.places])

    def index(self, flat: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(flat, self.x.shape)))

    def fewer(self) -> Evidence:
        """Return the same with few enough entries to compute their rows of the Jacobian."""
        chosen = np.flatnonzero(np.isin(self.places, some_places(self)))
        parts = {name: getattr(self, name)[chosen] for name in ("places", "numeric", "allowed", "wrong")}
        return self if len(chosen) == len(self.places) else replace(self, **parts)


def some_places(evidence: Evidence) -> np.ndarray:
    """Return the checked places, reduced to an affordable number, half of them wrong ones."""
    count = max(8, min(ASKED, NUMBERS // max(evidence.y.size, 1)))
    if len(evidence.places) <= count:
        return evidence.places
    groups = (evidence.at, evidence.places[~evidence.wrong])
    spread = [group[:: max(1, -(-len(group) // (count // 2)))] for group in groups]
    return np.sort(np.concatenate(spread))


def elsewhere(evidence: Evidence, f: Callable[..., Any], atol: float, rtol: float) -> list[Evidence]:
    """Return evidence on the same input with another cotangent, and at two other points."""
    random, found = np.random.default_rng(1), []
    here, places = evidence.differences.arrays, some_places(evidence)
    for moves in ((_stays,), (_added, _scaled), (_scaled, _added)):
        for move in moves:
            arrays = [np.asarray(move(array, random), array.dtype) for array in here]
            cotangent = np.asarray(random.standard_normal(evidence.y.shape), evidence.cotangent.dtype)
            if (there := _evidence_at(evidence, f, arrays, cotangent, places, atol, rtol)) is not None:
                found.append(there)
                break
    return found


def _stays(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return array


def _added(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    size = float(np.std(array)) or float(np.max(np.abs(array), initial=0)) or 1.0
    return array + size / 2 * random.standard_normal(array.shape)


def _scaled(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return array * random.uniform(0.7, 1.4, array.shape)


def _evidence_at(
    evidence: Evidence,
    f: Callable[..., Any],
    arrays: list[np.ndarray],
    cotangent: np.ndarray,
    places: np.ndarray,
    atol: float,
    rtol: float,
) -> Evidence | None:
    """Return the evidence at a point, or None where f has no finite result of the same shape or rejects the point."""
    number = evidence.number
    tensors = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    with np.errstate(all="ignore"):
        try:
            y = f(*tensors)
            if y.shape != cotangent.shape or not np.all(np.isfinite(y.numpy())) or not y.requires_grad:
                return None
            y.backward(cotangent.copy())
            differences = Differences(f, arrays, cotangent, evidence.differences.eps)
        except Exception:  # the inputs are not the caller's: f may reject them for any reason
            return None
        gradients = [gradient_of(tensor) for tensor in tensors]
        analytic = gradients[number]
        analytic = np.zeros_like(arrays[number]) if analytic is None else analytic
        slopes = np.array([differences.slopes(number, evidence.index(i)).central for i in places])
    allowed = atol + rtol * np.abs(slopes)
    wrong = ~(np.abs(analytic.ravel()[places] - slopes) <= allowed)
    others = dict(zip(evidence.others, (a for i, a in enumerate(arrays) if i != number), strict=True))
    known = (y.numpy(), cotangent, others, differences, number, gradients)
    return Evidence(evidence.name, arrays[number], analytic, places, slopes, allowed, wrong, *known)


# --- location ------------------------------------------------------------------------------------------------------


def names_of_axes(name: str, shape: tuple[int, ...]) -> list[str]:
    """Return the usual names of the axes of filters and pictures; otherwise their numbers."""
    rank = len(shape)
    if name in FILTERS and rank in OF_FILTERS:
        return [*OF_FILTERS[rank], "c_in", "c_out"]
    if name in PICTURES and rank in OF_PICTURES:
        return ["N", *OF_PICTURES[rank], "C"]
    return [f"the index along axis {axis}" if rank > 1 else "the index" for axis in range(rank)]


def where(evidence: Evidence, *elsewhere: Evidence) -> str:
    """Return a property of all wrong entries and of no right one, such as "kw = 0"; "" if none is found.

    It must also hold at the other points, as far as entries are wrong there.
    """
    others = [there for there in elsewhere if there.wrong.any()]
    said = _by_index(evidence)
    if said and all(_by_index(there) == said for there in others):
        return said
    if said and any(there.wrong.all() for there in others):
        return ""
    return _by_value([evidence, *others]) or ("" if said else _by_border(evidence))


def _by_index(evidence: Evidence) -> str:
    shape, at = evidence.x.shape, evidence.at
    if len(at) < 2 or len(at) == len(evidence.places):
        return ""
    right = evidence.places[~evidence.wrong]
    names = names_of_axes(evidence.name, shape)
    found = []
    for axis, (mine, theirs) in enumerate(
        zip(np.unravel_index(at, shape), np.unravel_index(right, shape), strict=True)
    ):
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
    return " and ".join(found)


def _by_value(points: list[Evidence]) -> str:
    """Return a bound on the values of x that separates the wrong entries from the right ones at all points."""
    if sum(len(point.at) for point in points) < 2:
        return ""
    here = np.concatenate([point.x.ravel()[point.at] for point in points])
    there = np.concatenate([point.x.ravel()[point.places[~point.wrong]] for point in points])
    if not there.size:
        return ""
    name = points[0].name
    if here.max() < 0 <= there.min() or there.max() <= 0 < here.min():
        return f"{name} {'<' if here.max() < 0 else '>'} 0"
    if min(len(here), len(there)) < BOUND:
        return ""
    for text, sizes, kept in ((name, here, there), (f"|{name}|", np.abs(here), np.abs(there))):
        if sizes.max() < kept.min():
            return f"{text} ≤ {sizes.max():.3g} (right from {kept.min():.3g})"
        if sizes.min() > kept.max():
            return f"{text} ≥ {sizes.min():.3g} (right up to {kept.max():.3g})"
    return ""


def _by_border(evidence: Evidence) -> str:
    shape, at = evidence.x.shape, evidence.at
    if len(shape) < 2 or len(at) < 2 or len(at) == len(evidence.places):
        return ""
    sides = [i for i, n in enumerate(shape) if n > 2 and (len(shape) < 3 or 0 < i < len(shape) - 1)]
    if not sides:
        return ""
    edge, inner = (
        np.any([(group[i] == 0) | (group[i] == shape[i] - 1) for i in sides], axis=0)
        for group in (np.unravel_index(at, shape), np.unravel_index(evidence.places[~evidence.wrong], shape))
    )
    return "a place at the border" if edge.all() and not inner.any() else ""


# --- the graph -----------------------------------------------------------------------------------------------------


def gradient_of(leaf: Tensor) -> np.ndarray | None:
    """Return the leaf's gradient as a NumPy array, on whatever device it lives."""
    return None if leaf.grad is None else Tensor(leaf.grad).numpy()


def nodes_of(y: Tensor) -> list[Node]:
    """Return every node of the graph from which y was computed."""
    found: dict[Node, None] = {}
    waiting = [y._node] if y._node else []
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting += [source for source in node.inputs if isinstance(source, Node)]
    return list(found)


def listed(things: list) -> str:
    *first, last = map(str, things)
    return f"{', '.join(first)} and {last}" if first else last


def place_of(rank: int, axes: tuple[int, ...], at: tuple) -> str:
    """Return the index as text, such as [0, :, …]."""
    known = dict(zip(axes, at, strict=True))
    return f"[{', '.join(str(known[axis]) if axis in known else ':' for axis in range(rank))}]"


def near(value: float, wanted: float) -> bool:
    return math.isclose(value, wanted, rel_tol=1e-3)


class Slip(NamedTuple):
    """A slip, with a function that predicts the gradient of a point's checked entries; None if that is impossible.

    text: a sentence, or, with `entry`, the end of one that begins "every wrong entry". mends: `predict` derives the
    true gradient from the wrong one, NaN where unknown. asks: it needs rows of the Jacobian, computed for few entries.
    """

    kind: str
    text: str
    predict: Callable[..., np.ndarray | None]  # of an Evidence
    entry: bool = False
    mends: bool = False
    asks: bool = True


def subsets(things: list[Any], longest: int | None = None) -> Iterator[tuple[Any, ...]]:
    """Yield the subsets that are not empty, short ones first."""
    for count in range(1, (len(things) if longest is None else min(longest, len(things))) + 1):
        yield from itertools.combinations(things, count)


def axes_of(axes: tuple[int, ...]) -> str:
    return f"ax{'i' if len(axes) == 1 else 'e'}s {listed(list(axes))}"


# --- the uses of an input ------------------------------------------------------------------------------------------
