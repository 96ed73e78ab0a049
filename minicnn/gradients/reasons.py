"""Explanations of a wrong gradient: the patterns of its numbers, and those that need further evaluations of f.

The evaluations show the slope of each element of the result by the input: the terms before summation. They also show
the gradient for another input transposed or reversed, and the gradient from each use of the input on the tape.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minicnn.gradients.differences import Differences
from minicnn.gradients.patterns import Evidence, entrywise, listed, misplaced, where
from minicnn.gradients.reports import Finding
from minicnn.graph import Node, sum_to
from minicnn.tensor import Tensor

ASKED = 24  # maximum number of wrong entries to evaluate, spread over all of them


def causes(evidence: Evidence, differences: Differences, number: int, f: Callable[..., Any]) -> list[Finding]:
    """Return the pattern that explains all wrong entries, else the one that explains most, else a general description.

    number: which input of f it is.
    """
    everywhere = where(evidence)
    subject = f"every wrong entry has {everywhere} and" if everywhere else "every wrong entry"
    partly: Finding | None = None
    for kind, what, hits in entrywise(evidence):
        if hits.all():
            return [Finding(kind, f"{subject} {what}")]
        share = float(hits.mean())
        if hits.sum() >= 3 and share >= 0.5 and (partly is None or share > partly.share):
            partly = Finding(kind, f"{hits.sum()} of {len(hits)} wrong entries: each {what}", share)
    for found in _whole(evidence, Questions(evidence, differences, number, f)):
        if found is not None:
            place = f"; every wrong entry has {everywhere}" if everywhere else ""
            return [Finding(found.kind, found.text + place)]
    if partly is not None:
        return [partly]
    with np.errstate(all="ignore"):
        ratios = evidence.given / evidence.due
    text = f"none that is known; the ratio analytic / numeric runs from {ratios.min():.3g} to {ratios.max():.3g}"
    return [Finding("unknown", f"every wrong entry has {everywhere}; otherwise {text}" if everywhere else text)]


def _whole(evidence: Evidence, asked: Questions) -> Iterator[Finding | None]:
    if len(evidence.at) < 2:
        return  # one number fits too many explanations
    yield asked.exchanged()
    yield asked.uses()
    yield misplaced(evidence)
    yield asked.lost_terms()
    yield asked.with_another_input()
    yield asked.reversed_window()
    yield asked.transposed_jacobian()
    yield asked.direct_path()


class Questions:
    """The patterns that need further evaluations of f. Each answer is a Finding or None."""

    def __init__(self, evidence: Evidence, differences: Differences, number: int, f: Callable[..., Any]) -> None:
        self.evidence, self.differences, self.number, self.f = evidence, differences, number, f
        others = (i for i in range(len(differences.arrays)) if i != number)
        self.numbers = dict(zip(evidence.others, others, strict=True))
        step = max(1, len(evidence.at) // ASKED)
        self.some = np.arange(len(evidence.at))[::step][:ASKED]
        self.indices = [self._index(i) for i in evidence.at[self.some]]
        self._terms: list[np.ndarray] | None = None

    def _index(self, flat: int) -> tuple[int, ...]:
        return tuple(map(int, np.unravel_index(flat, self.evidence.x.shape)))

    def _gives(self, explained: Any) -> np.ndarray:
        evidence = self.evidence
        return np.abs(np.asarray(explained) - evidence.given[self.some]) <= evidence.limit[self.some]

    def terms(self) -> list[np.ndarray]:
        """Return the summands of the gradient of each selected entry, one per element of the result."""
        if self._terms is None:
            dy = self.evidence.cotangent
            self._terms = [dy * self.differences.row(self.number, index) for index in self.indices]
        return self._terms

    def uses(self) -> Finding | None:
        """Return a Finding if an input is used several times and the gradients of its uses are not all added up."""
        evidence = self.evidence
        parts = parts_on_the_tape(self.f, self.differences, self.number)
        if len(parts) < 2 or not evidence.mends_all(np.sum([part for _, part in parts], axis=0)):
            return None
        for count in range(len(parts) - 1, 0, -1):
            for kept in itertools.combinations(range(len(parts)), count):
                whole = np.sum([parts[i][1] for i in kept], axis=0)
                if evidence.gives(whole.ravel()[evidence.at]).all():
                    names = listed([parts[i][0] for i in kept])
                    return Finding(
                        "fan-out",
                        f"missing accumulation at fan-out: {evidence.name} is used {len(parts)} times, and its "
                        f"gradient holds only what {names} gave; the parts must be added up",
                    )
        return None

    def exchanged(self) -> Finding | None:
        """Return a Finding if the gradient is right for another input of the same shape."""
        for name, array in self.evidence.others.items():
            number = self.numbers[name]
            if array.shape == self.evidence.x.shape and len(self.some) > 1:
                slopes = [self.differences.slopes(number, index).central for index in self.indices]
                if self._gives(slopes).all():
                    return Finding(
                        "exchanged", f"the gradient is that of {name}: backward returns them in another order"
                    )
        return None

    def lost_terms(self) -> Finding | None:
        """Return a Finding if an entry that reaches several elements of the result lacks one term, or has only one."""
        if len(self.some) < 2:
            return None
        rank = self.evidence.y.ndim
        axes = [axis for axis in range(rank) if self.evidence.y.shape[axis] > 1]
        for count in range(1, len(axes) + 1):
            for kept in itertools.combinations(axes, count):
                if (found := self._lost_along(kept)) is not None:
                    return found
        return None

    def _lost_along(self, axes: tuple[int, ...]) -> Finding | None:
        """Do the same with terms that are first summed over all other axes of the result."""
        rest = tuple(axis for axis in range(self.evidence.y.ndim) if axis not in axes)
        sums = np.array([term.sum(axis=rest).ravel() for term in self.terms()])
        sizes = np.array([np.abs(term).sum(axis=rest).ravel() for term in self.terms()])
        alive = sizes > 1e-9 * sizes.max()
        if (alive.sum(axis=1) < 2).any():
            return None
        shape = tuple(self.evidence.y.shape[axis] for axis in axes)
        given, due = self.evidence.given[self.some, None], self.evidence.due[self.some, None]
        limit = self.evidence.limit[self.some, None]
        only = alive & (np.abs(sums - given) <= limit)
        last = only[np.arange(len(only)), np.where(alive, np.arange(sums.shape[1]), -1).max(axis=1)].all()
        overwritten = ", the last of them: is it overwritten (=) where it must be added to (+=)?" if last else ""
        if (common := only.all(axis=0)).any():
            return self._one_row(axes, np.unravel_index(int(np.argmax(common)), shape), overwritten)
        if only.any(axis=1).all():
            return Finding(
                "fan-out",
                f"missing accumulation: {self.evidence.name} reaches several elements of the result, and its gradient "
                f"holds only the term of one{overwritten}",
            )
        lacks = alive & (np.abs(due - sums - given) <= limit)
        if (alive.sum(axis=1) > 2).all() and (common := lacks.all(axis=0)).any():
            which = _place(self.evidence.y.ndim, axes, np.unravel_index(int(np.argmax(common)), shape))
            return Finding("fan-out", f"missing accumulation: the terms of the result's {which} are not in the sum")
        return None

    def _one_row(self, axes: tuple[int, ...], at: tuple, overwritten: str) -> Finding:
        evidence, rank = self.evidence, self.evidence.y.ndim
        which = _place(rank, axes, at)
        aligned = (1,) * (rank - evidence.x.ndim) + evidence.x.shape
        broadcast = len(aligned) == rank and all(n in (1, m) for n, m in zip(aligned, evidence.y.shape, strict=True))
        along = f"ax{'i' if len(axes) == 1 else 'e'}s {listed(list(axes))}"
        if broadcast and all(aligned[axis] == 1 for axis in axes):
            return Finding(
                "broadcast",
                f"unsummed broadcast: {evidence.name} serves all of {along} of the result, and its gradient holds only "
                f"the terms of {which}; sum over {along}",
            )
        return Finding(
            "fan-out",
            f"missing accumulation: the gradient holds only the terms of the result's {which}"
            f"{overwritten or f'; sum over {along}'}",
        )

    def with_another_input(self) -> Finding | None:
        """Return a Finding if the gradient is right for a function whose other input is reversed or transposed."""
        for name, array in self.evidence.others.items():
            other = self.numbers[name]
            for kind, text, changed in _versions(array, name):
                if not np.array_equal(changed, array) and self._fits_with(other, changed):
                    return Finding(kind, text)
        return None

    def _fits_with(self, other: int, changed: np.ndarray) -> bool:
        arrays = [changed if i == other else array for i, array in enumerate(self.differences.arrays)]
        try:
            again = Differences(self.f, arrays, self.differences.cotangent, self.differences.eps)
        except (ValueError, IndexError, ArithmeticError):  # f does not accept it, so this is not the cause
            return False
        if again.value.shape != self.evidence.y.shape:
            return False
        pairs = zip(self.indices, self.evidence.given[self.some], self.evidence.limit[self.some], strict=True)
        return all(abs(again.slopes(self.number, index).central - given) <= limit for index, given, limit in pairs)

    def reversed_window(self) -> Finding | None:
        """Do the same for a kernel inside f: reverse the picture and dy instead of the kernel."""
        evidence, dy = self.evidence, self.evidence.cotangent
        if dy.ndim != evidence.x.ndim or dy.size == 1:
            return None
        rank = evidence.x.ndim
        inner = [a for a in (range(1, rank - 1) if rank > 2 else range(rank)) if evidence.x.shape[a] > 1]
        for axes in [tuple(inner), *((axis,) for axis in inner if len(inner) > 1)]:
            if not axes:
                continue
            weights = np.flip(dy, axes)
            explained = []
            for index, given, limit in zip(
                self.indices, evidence.given[self.some], evidence.limit[self.some], strict=True
            ):
                mirrored = tuple(evidence.x.shape[a] - 1 - i if a in axes else i for a, i in enumerate(index))
                explained.append(abs(np.sum(weights * self.differences.row(self.number, mirrored)) - given) <= limit)
                if not explained[-1]:
                    break
            if len(explained) >= 2 and all(explained):
                return Finding(
                    "kernel",
                    "unflipped kernel: the gradient to the input of a convolution slides the kernel that is reversed "
                    f"along each of its axes; here it is not (axes {listed(list(axes))} of {evidence.name})",
                )
        return None

    def transposed_jacobian(self) -> Finding | None:
        """Return a Finding if J u was computed instead of Jᵀ u: a product with w instead of its transpose."""
        evidence = self.evidence
        if evidence.x.size != evidence.y.size or not 1 < evidence.x.size <= 400:
            return None
        rows = [self.differences.row(self.number, self._index(i)).ravel() for i in range(evidence.x.size)]
        explained = np.array(rows).T @ evidence.cotangent.ravel()
        if not evidence.gives(explained[evidence.at]).all():
            return None
        return Finding("transpose", "dy is multiplied by the Jacobian instead of its transpose: some matrix wants a .T")

    def direct_path(self) -> Finding | None:
        """Return a Finding if only one of the two gradients of x + g(x) is there."""
        evidence = self.evidence
        if evidence.cotangent.shape != evidence.x.shape or len(evidence.at) < 3:
            return None
        weights = evidence.cotangent.ravel()[evidence.at]
        for sign, text in ((1, "dy itself is missing"), (-1, "dy itself is in it, and should not be")):
            if evidence.mends(evidence.given + sign * weights).all():
                return Finding("fan-out", f"missing accumulation: {text}, the path by which x goes straight through")
        return None


def _versions(array: np.ndarray, name: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (kind, sentence, array) for each wrong way in which a backward may have read another input."""
    right = "the gradient would be right for"
    if array.ndim >= 2 and array.shape[-1] == array.shape[-2]:
        swapped = np.swapaxes(array, -1, -2)
        yield (
            "transpose",
            f"{right} {name} transposed: backward wants {name}.T where {name} stands, or the reverse",
            swapped,
        )
    windows = range(array.ndim - 2) if array.ndim > 2 else range(array.ndim)
    long = [axis for axis in windows if array.shape[axis] > 1]
    for count in range(len(long), 0, -1):
        for axes in itertools.combinations(long, count):
            text = (
                f"unflipped kernel: {right} {name} reversed along ax{'i' if count == 1 else 'e'}s {listed(list(axes))}"
            )
            yield "kernel", text, np.flip(array, axes)


def _place(rank: int, axes: tuple[int, ...], at: tuple) -> str:
    """Return the index as text, such as [0, :, …]."""
    known = dict(zip(axes, at, strict=True))
    return f"[{', '.join(str(known[axis]) if axis in known else ':' for axis in range(rank))}]"


def parts_on_the_tape(f: Callable[..., Any], differences: Differences, number: int) -> list[tuple[str, np.ndarray]]:
    """Return (op, gradient) for each use of an input, observed during a backward."""
    tensors = [Tensor(array.copy(), requires_grad=True) for array in differences.arrays]
    leaf, y = tensors[number], f(*tensors)
    caught: list[tuple[str, np.ndarray]] = []
    for node in nodes_of(y):
        slots = [slot for slot, source in enumerate(node.inputs) if source is leaf]
        if slots:
            node.observer = _Catcher(node.name, slots, leaf.shape, caught)
    if y.requires_grad:
        y.backward(differences.cotangent.copy())
    return caught


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


class _Catcher:
    """The observer of a node, which keeps the gradients of some of its inputs."""

    def __init__(self, name: str, slots: list[int], shape: tuple, caught: list) -> None:
        self.name, self.slots, self.shape, self.caught = name, slots, shape, caught

    def saw(self, cotangent: np.ndarray, gradients: tuple, seconds: float) -> None:
        """Keep a copy of each gradient, summed to the shape of the input."""
        for slot in self.slots:
            if gradients[slot] is not None:
                self.caught.append((self.name, Tensor(sum_to(gradients[slot], self.shape)).numpy().copy()))
