"""Surfaces as grids of points (3, rows, columns), in millimetres: x to the right, y up, z towards the viewer.

Rows run down and columns to the right as one looks at a surface from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces.shapes import Array


class Patch(NamedTuple):
    """Points and unit normals (3, rows, columns), and whatever else lies on the surface (channels, rows, columns)."""

    points: Array
    normals: Array
    marks: Array


def patch(x: Array, y: Array, z: Array, *marks: Array) -> Patch:
    """A patch of coordinates and marks that broadcast to one grid."""
    planes = np.stack(np.broadcast_arrays(x, y, z, *marks)).astype(np.float32)
    return Patch(planes[:3], normals(planes[:3]), planes[3:])


def normals(points: Array) -> Array:
    """Unit normals of a grid of points, by the cross product of central differences."""
    down, right = np.empty_like(points), np.empty_like(points)
    np.subtract(points[:, 2:], points[:, :-2], out=down[:, 1:-1])
    np.subtract(points[:, :, 2:], points[:, :, :-2], out=right[:, :, 1:-1])
    down[:, 0], down[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    right[:, :, 0], right[:, :, -1] = points[:, :, 1] - points[:, :, 0], points[:, :, -1] - points[:, :, -2]
    (ax, ay, az), (bx, by, bz) = down, right
    return unit(np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]))


def unit(vectors: Array) -> Array:
    """Vectors (3, …) at length 1."""
    return vectors / (np.sqrt(vectors[0] ** 2 + vectors[1] ** 2 + vectors[2] ** 2) + np.float32(1e-9))


def uneven(density: Callable[[Array], Array], count: int, low: float, high: float) -> Array:
    """`count` numbers from low to high that lie closest where the density is greatest."""
    fine = np.linspace(low, high, 2000)
    mass = np.cumsum(density(fine))
    return np.interp(np.linspace(mass[0], mass[-1], count), mass, fine)


def tubes(paths: list[Array], radius: float, around: int = 7) -> Patch:
    """Round wires along paths (3, n). Their ends are drawn together, so that one grid holds them all: what lies between
    the last point of one and the first of the next is a line, and covers nothing.
    """
    rings = []
    for path in paths:
        along = unit(np.gradient(path, axis=1))
        aside = unit(np.cross(along, [[0.15], [0.2], [1.0]], axis=0))
        turn = np.linspace(0, 2 * np.pi, around)
        ring = np.cos(turn) * aside[..., None] + np.sin(turn) * np.cross(aside, along, axis=0)[..., None]
        ends = [np.repeat(path[:, end, None, None], around, axis=2) for end in (0, -1)]
        rings += [ends[0], path[..., None] + radius * ring, ends[1]]
    return patch(*np.concatenate(rings, axis=1))
