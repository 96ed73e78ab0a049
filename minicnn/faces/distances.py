"""Distances between encodings, and the rule for the same person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.errors import InputError
from minicnn.faces.arguments import as_array, as_floats
from minicnn.operation import op
from minicnn.ops.arithmetic import quotient
from minicnn.tensor import Tensor


def distance(f: Any, g: Any, *, metric: str = "squared_l2") -> Any:
    """Return the distance between encodings f and g: (…, D) and (…, D) -> (…), broadcasting all axes but the last.

    metric: "squared_l2", ‖f − g‖², as in FaceNet; "l2", its root; or "cosine", 1 − f·g / (‖f‖ ‖g‖), where a zero vector
    has distance 1 from everything. For unit vectors, squared_l2 is twice the cosine distance, and all give one ranking.
    Arrays give an array. Tensors give a Tensor, with gradients, which are 0 at kinks: if "l2" is 0, and for zero
    vectors with "cosine". Raises InputError.
    """
    if metric not in METRICS:
        raise InputError(f"distance: metric is {metric!r}; expected one of {', '.join(METRICS)}")
    d = METRICS[metric](f, g)
    return d if isinstance(f, Tensor) or isinstance(g, Tensor) else d.data[()]


def is_same(distances: Any, threshold: float) -> Any:
    """Return True where encodings at these distances count as one person's: distance ≤ threshold. False for NaN."""
    return as_array(distances) <= threshold


@op
def squared_l2(f, g):
    """Return ‖f − g‖² along the last axis."""
    f, g = _pair(f, g)
    difference = f - g

    def backward(dd):
        df = 2 * dd[..., None] * difference
        return df, -df

    return np.square(difference).sum(axis=-1), backward


@op
def l2(f, g):
    """Return ‖f − g‖ along the last axis."""
    f, g = _pair(f, g)
    difference = f - g
    d = np.sqrt(np.square(difference).sum(axis=-1))

    def backward(dd):
        df = dd[..., None] * divided(difference, d)
        return df, -df

    return d, backward


@op
def cosine(f, g):
    """Return 1 − f·g / (‖f‖ ‖g‖) along the last axis."""
    f, g = _pair(f, g)
    f_length, g_length = (np.sqrt(np.square(vector).sum(axis=-1)) for vector in (f, g))
    f_unit, g_unit = divided(f, f_length), divided(g, g_length)
    similarity = np.sum(f_unit * g_unit, axis=-1)

    def backward(dd):
        dd, along = dd[..., None], similarity[..., None]
        df = divided(dd * (f_unit * along - g_unit), f_length)
        dg = divided(dd * (g_unit * along - f_unit), g_length)
        return df, dg

    return 1 - similarity, backward


METRICS: dict[str, Callable[..., Tensor]] = {"squared_l2": squared_l2, "l2": l2, "cosine": cosine}


def divided(vectors, lengths):
    """Return vectors / lengths along the last axis, and 0 where the length is 0."""
    return quotient(vectors, devices.as_array(lengths)[..., None])


def _pair(f, g):
    shapes = np.shape(f), np.shape(g)
    try:
        np.broadcast_shapes(*shapes)
        fit = all(shapes) and shapes[0][-1] == shapes[1][-1] > 0
    except ValueError:
        fit = False
    if not fit:
        raise InputError(f"distance: f has shape {shapes[0]}, g {shapes[1]}; expected encodings (…, D) of one length D")
    return as_floats(f), as_floats(g)
