"""Slips within a gradient that sums over a group of entries, as those of softmax and of normalizations do.

Off the diagonal, each slope is β · a: β depends on the input's entry, a on the result's element, such as 1 or y.
The gradient is δ · dy + β · Σ a · dy, and slips leave out a part, a factor or the sum, or sum over another axis.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minicnn.gradients.evidence import Evidence, Slip, axes_of, subsets


def _vectors(p: Evidence) -> dict[str, np.ndarray]:
    """Return the arrays that may be summed with dy or multiply the sum, by name, in the shape of x and y."""
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
            by = axes, [other for other in subsets(long) if other != axes]
            yield from _slips_of(parts, vectors, names, by, int(np.prod([first.y.shape[axis] for axis in axes])))
            return


def _dy(p: Evidence) -> np.ndarray:
    return p.cotangent.ravel()[p.places]


def _diagonal(p: Evidence) -> np.ndarray:
    return p.rows[np.arange(len(p.places)), p.places]


def _parts(p: Evidence, axes: tuple[int, ...], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Return δ and the β of each vector, if the slopes are zero outside the groups and of that form inside them."""
    rest = [1 if axis in axes else n for axis, n in enumerate(p.y.shape)]
    groups = np.broadcast_to(np.arange(np.prod(rest)).reshape(rest), p.y.shape).ravel()
    vectors = [_vectors(p)[name].ravel() for name in names]
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


def _slips_of(
    parts: dict[int, tuple[np.ndarray, np.ndarray]], known: list[str], names: tuple[str, ...], by: tuple, count: int
) -> Iterator[Slip]:
    axes, others = by

    def whole(p: Evidence, weights: np.ndarray, over: tuple[int, ...] = axes) -> np.ndarray:
        return np.broadcast_to(weights.sum(axis=over, keepdims=True), p.y.shape).ravel()[p.places]

    def right(p: Evidence, b: np.ndarray, v: np.ndarray) -> np.ndarray:
        return b * whole(p, v * p.cotangent)

    def predicting(part: Callable[..., np.ndarray], number: int | None) -> Callable[[Evidence], np.ndarray]:
        """Return a slip's `predict`, where part(p, β, a) replaces one part of the sum, or each part."""

        def predict(p: Evidence) -> np.ndarray:
            (delta, betas), vectors = parts[id(p)], _vectors(p)
            terms = [(part if number in (None, i) else right, b, vectors[names[i]]) for i, b in enumerate(betas)]
            return delta * _dy(p) + sum(form(p, b, v) for form, b, v in terms)

        return predict

    for number in (None, *range(len(names))) if len(names) > 1 else (None,):
        chosen = names if number is None else (names[number],)
        sum_of = " and ".join(f"Σ {name} · dy" for name in chosen).replace("1 · ", "") + f" over {axes_of(axes)}"
        rows: list[tuple[str, str, Callable[..., np.ndarray]]] = [
            ("sum", f"the sum is missing: {sum_of}, the projection that is to be taken out", lambda p, b, v: 0 * b),
            ("sign", f"{sum_of} has the wrong sign", lambda p, b, v: -right(p, b, v)),
            ("ratio", f"{sum_of} is counted twice", lambda p, b, v: 2 * right(p, b, v)),
            ("ratio", f"a mean stands where {sum_of} is due", lambda p, b, v: right(p, b, v) / count),
            ("ratio", f"the sum stands where a mean is due: {sum_of}", lambda p, b, v: right(p, b, v) * count),
            ("cotangent", f"dy is missing within {sum_of}", lambda p, b, v: b * whole(p, v)),
            ("sum", f"{sum_of}: the sum itself is missing", lambda p, b, v: b * v.ravel()[p.places] * _dy(p)),
            ("sum", f"{sum_of}: only its factor is there", lambda p, b, v: b),
        ]
        for over in others:
            text = f"the sum runs over another axis: {sum_of} is due, not over {axes_of(over)}"
            rows.append(("axis", text, lambda p, b, v, over=over: b * whole(p, v * p.cotangent, over)))
        for new in (name for name in known if name not in names):
            text = f"{new} stands where {' and '.join(chosen)} is due within {sum_of}"
            rows.append(("instead", text, lambda p, b, v, new=new: right(p, b, _vectors(p)[new])))
        for new, old in itertools.permutations(known, 2):
            text = f"{new} stands where {old} is due: it multiplies {sum_of}"
            scaled = lambda p, b, v, new=new, old=old: right(p, b * _ratio(p, new, old), v)  # noqa: E731
            rows.append(("instead", text, scaled))
        yield from (Slip(kind, text, predicting(part, number)) for kind, text, part in rows)


def _ratio(p: Evidence, new: str, old: str) -> np.ndarray:
    known = _vectors(p)
    return (known[new] / known[old]).ravel()[p.places]
