"""Surfaces as grids of points (3, rows, columns), in millimetres: x to the right, y up, z towards the viewer.

Rows run down and columns to the right, as seen from outside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces.shapes import Array


class Patch(NamedTuple):
    """A grid of points and unit normals (3, rows, columns), with marks on the surface (channels, rows, columns)."""

    points: Array
    normals: Array
    marks: Array


def patch(x: Array, y: Array, z: Array, *marks: Array) -> Patch:
    """Return a patch of coordinates and marks that broadcast to one grid."""
    planes = np.stack(np.broadcast_arrays(x, y, z, *marks)).astype(np.float32)
    return Patch(planes[:3], normals(planes[:3]), planes[3:])


def normals(points: Array) -> Array:
    """Return unit normals of a grid of points, by the cross product of central differences."""
    down, right = np.empty_like(points), np.empty_like(points)
    np.subtract(points[:, 2:], points[:, :-2], out=down[:, 1:-1])
    np.subtract(points[:, :, 2:], points[:, :, :-2], out=right[:, :, 1:-1])
    down[:, 0], down[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    right[:, :, 0], right[:, :, -1] = points[:, :, 1] - points[:, :, 0], points[:, :, -1] - points[:, :, -2]
    (ax, ay, az), (bx, by, bz) = down, right
    return unit(np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]))


def unit(vectors: Array) -> Array:
    """Return vectors (3, …) scaled to length 1."""
    return vectors / (np.sqrt(vectors[0] ** 2 + vectors[1] ** 2 + vectors[2] ** 2) + np.float32(1e-9))


def uneven(density: Callable[[Array], Array], count: int, low: float, high: float) -> Array:
    """Return `count` numbers from low to high, as dense as given."""
    fine = np.linspace(low, high, 2000)
    mass = np.cumsum(density(fine))
    return np.interp(np.linspace(mass[0], mass[-1], count), mass, fine)


def tubes(paths: list[Array], radius: float, around: int = 7) -> Patch:
    """Return round wires along paths (3, n). Their ends are pinched to points, so that one grid holds all wires.

    The connection between the end of one wire and the start of the next is a line, and covers nothing.
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
