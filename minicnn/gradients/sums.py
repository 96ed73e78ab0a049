"""Slips within a gradient that sums over a group of entries, as those of softmax and of normalizations do.

There, each slope beside the diagonal is β · a: β of the input's entry, a of the element of the result, such as 1 or y.
The gradient is δ · dy + β · Σ a · dy, and slips leave out a part, a factor or the sum, or sum over another axis.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minicnn.gradients.evidence import Evidence
from minicnn.gradients.slips import Slip, axes_of, subsets

Vectors = dict[str, np.ndarray]


def _vectors(p: Evidence) -> Vectors:
    """Return what may be summed with dy, or multiply the sum: by name, in the shape of x and y."""
    found = {"1": np.ones_like(p.y), "y": p.y, "x": p.x, "exp(y)": np.exp(p.y)}
    for name, array in p.others.items():
        if array.shape == p.y.shape[-array.ndim :] and array.size > 1:
            found[name] = np.broadcast_to(array, p.y.shape)
            found[f"(y - {name})"] = p.y - array
    return found


def sums(points: list[Evidence], f: Any) -> Iterator[Slip]:
    first = points[0]
    if first.x.shape != first.y.shape or first.y.size > 2000:
        return
    own = "the gradient holds only the term of the entry's own result: the sum over the others is missing"
    yield Slip("sum", own, lambda p: _diagonal(p) * _dy(p))
    yield Slip("sum", "the term of the entry's own result is missing", lambda p: p.numeric - _diagonal(p) * _dy(p))
    long = [axis for axis, n in enumerate(first.y.shape) if n > 1]
    vectors = list(_vectors(first))
    for axes, names in itertools.product(subsets(long), subsets(vectors, 2)):
        parts = {id(p): found for p in points if (found := _parts(p, axes, names)) is not None}
        if len(parts) == len(points):
            yield from _slips_of(parts, vectors, axes, names, [a for a in subsets(long) if a != axes])
            return


def _dy(p: Evidence) -> np.ndarray:
    return p.cotangent.ravel()[p.places]


def _diagonal(p: Evidence) -> np.ndarray:
    return p.rows[np.arange(len(p.places)), p.places]


def _parts(p: Evidence, axes: tuple[int, ...], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return δ and the β of each vector, if the slopes are zero outside the groups and of that form inside them."""
    groups = _groups(p, axes)
    known = _vectors(p)
    vectors = [known[name].ravel() for name in names]
    delta, beta = np.zeros(len(p.places)), np.zeros((len(names), len(p.places)))
    size = np.abs(p.rows).max(initial=0)
    for i, (place, row) in enumerate(zip(p.places, p.rows, strict=True)):
        inside = groups == groups[place]
        if np.any(np.abs(row[~inside]) > 1e-6 * size):
            return None
        inside[place] = False
        matrix = np.array([vector[inside] for vector in vectors]).T
        if len(matrix) <= len(names) or not np.all(np.isfinite(matrix)):
            return None
        found = np.linalg.lstsq(matrix, row[inside], rcond=None)[0]
        if np.any(np.abs(matrix @ found - row[inside]) > 1e-6 * size) or not np.any(np.abs(found) > 1e-6 * size):
            return None
        beta[:, i] = found
        delta[i] = row[place] - sum(b * vector[place] for b, vector in zip(found, vectors, strict=True))
    return delta, beta


def _groups(p: Evidence, axes: tuple[int, ...]) -> np.ndarray:
    """Return the number of each element's group: those that agree on all other axes."""
    rest = [1 if axis in axes else n for axis, n in enumerate(p.y.shape)]
    return np.broadcast_to(np.arange(np.prod(rest)).reshape(rest), p.y.shape).ravel()


def _slips_of(
    parts: dict[int, tuple[np.ndarray, np.ndarray]],
    known: list[str],
    axes: tuple[int, ...],
    names: tuple[str, ...],
    others: list[tuple[int, ...]],
) -> Iterator[Slip]:
    along = axes_of(axes)

    def slip(kind: str, text: str, change: Callable[..., np.ndarray]) -> Slip:
        """Return the slip in which `change` gives each part of the sum from (p, number, β, sum over axes, vector)."""

        def predict(p: Evidence) -> np.ndarray:
            delta, betas = parts[id(p)]
            vectors, total = _vectors(p), delta * _dy(p)
            for number, (name, beta) in enumerate(zip(names, betas, strict=True)):
                total = total + change(p, number, beta, vectors[name])
            return total

        return Slip(kind, text, predict)

    def right(p: Evidence, beta: np.ndarray, weights: np.ndarray, over: tuple[int, ...] = axes) -> np.ndarray:
        whole = np.broadcast_to(weights.sum(axis=over, keepdims=True), p.y.shape)
        return beta * whole.ravel()[p.places]

    def each(number: int | None, changed: Callable[..., Any]) -> Callable[..., np.ndarray]:
        return lambda p, n, beta, v: changed(p, beta, v) if number in (None, n) else right(p, beta, v * p.cotangent)

    for number in (None, *range(len(names))) if len(names) > 1 else (None,):
        chosen = names if number is None else (names[number],)
        sum_of = " and ".join(f"Σ {'' if name == '1' else name + ' · '}dy" for name in chosen) + f" over {along}"
        yield slip(
            "sum",
            f"the sum is missing: {sum_of}, the projection that is to be taken out",
            each(number, lambda p, b, v: 0 * b),
        )
        for over in others:
            text = f"the sum runs over another axis: {sum_of} is due, not over {axes_of(over)}"
            yield slip("axis", text, each(number, lambda p, b, v, over=over: right(p, b, v * p.cotangent, over)))
        for factor, text in ((-1, "has the wrong sign"), (2, "is counted twice"), (0.5, "is counted half")):
            yield slip(
                "sign" if factor < 0 else "ratio",
                f"{sum_of} {text}",
                each(number, lambda p, b, v, c=factor: c * right(p, b, v * p.cotangent)),
            )
        yield slip(
            "ratio",
            f"a mean stands where {sum_of} is due",
            each(number, lambda p, b, v: right(p, b, v * p.cotangent) / _count(p, axes)),
        )
        yield slip(
            "ratio",
            f"the sum stands where a mean is due: {sum_of}",
            each(number, lambda p, b, v: right(p, b, v * p.cotangent) * _count(p, axes)),
        )
        yield slip("cotangent", f"dy is missing within {sum_of}", each(number, lambda p, b, v: right(p, b, v)))
        yield slip(
            "sum",
            f"{sum_of}: the sum itself is missing",
            each(number, lambda p, b, v: b * (v * p.cotangent).ravel()[p.places]),
        )
        yield slip("sum", f"{sum_of}: only its factor is there", each(number, lambda p, b, v: b))
        for new in known:
            if new not in names:
                text = f"{new} stands where {' and '.join(chosen)} is due within {sum_of}"
                yield slip(
                    "instead", text, each(number, lambda p, b, v, n=new: right(p, b, _vectors(p)[n] * p.cotangent))
                )
    for new, old in itertools.permutations(known, 2):
        text = f"{new} stands where {old} is due: it multiplies Σ {names[0]} · dy over {along}"
        yield slip(
            "instead",
            text.replace("1 · ", ""),
            lambda p, n, b, v, new=new, old=old: right(p, _scaled(p, b, new, old), v * p.cotangent),
        )


def _scaled(p: Evidence, beta: np.ndarray, new: str, old: str) -> np.ndarray:
    """Return β with one vector in it for another."""
    known = _vectors(p)
    return beta * (known[new] / known[old]).ravel()[p.places]


def _count(p: Evidence, axes: tuple[int, ...]) -> int:
    return int(np.prod([p.y.shape[axis] for axis in axes]))
