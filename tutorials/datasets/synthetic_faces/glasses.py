"""Glasses: wire around two lenses, over the nose and back to the ears."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces.anatomy import Head
from minicnn.datasets.synthetic_faces.meshes import Patch, patch, tubes
from minicnn.datasets.synthetic_faces.shapes import Array, palette, smoothstep

COLOURS = palette("0c0c0e", "1a1a20", "3a1f12", "5a1420", "20304a", "8a8a90", "b8963c")


class Rim(NamedTuple):
    """The shape of a lens: half breadth and height, squareness (2 is an ellipse), rise of the outer corner, wire."""

    breadth: float
    height: float
    power: float
    rise: float
    wire: float


RIMS = {
    "round": Rim(23, 23, 2.0, 0, 1.3),
    "square": Rim(26, 19, 4.5, 0, 2.2),
    "wide": Rim(28, 15, 3.2, 0, 1.5),
    "cat eye": Rim(27, 19, 2.8, 6, 2.0),
    "aviator": Rim(29, 24, 2.4, -2, 0.9),
}


class Glasses:
    """A pair of glasses. frame: one patch. lenses: two, whose marks run from -1 to 1 across and up."""

    def __init__(self, head: Head) -> None:
        i = head.identity
        rim, size = RIMS[i.glasses], 0.9 + 0.22 * i.glasses_size
        half, wire = size * rim.breadth, size * rim.wire
        middle = max(i.eye_distance / 2 + 1.5, half + 6)
        x, y, z = head.points
        before_eyes = (np.abs(y) < 20) & (np.abs(x) > middle - 0.7 * half) & (np.abs(x) < 60)
        bridge = (np.abs(y + 2) < 10) & (np.abs(x) < 12)
        front = float(max(z[before_eyes].max() + 3, z[bridge].max() - 8))
        across, up = _outline(rim, size)
        paths: list[Array] = []
        self.lenses: list[Patch] = []
        for sign in (-1, 1):
            side = sign * (middle + across)
            paths.append(np.stack([side, up, _bent(front, side)]))
            share = np.linspace(0, 1, 8)[:, None]
            side, height = sign * (middle + share * across), up.mean() + share * (up - up.mean())
            marks = share * across / half, share * up / (size * rim.height)
            self.lenses.append(patch(side, height, _bent(front, side), *marks))
            paths.append(
                _arm(
                    sign,
                    middle + half,
                    _bent(front, middle + half),
                    0.225 * i.head_breadth + 0.26 * i.cheekbone_breadth + 3,
                )
            )
        span, gap = np.linspace(-1, 1, 16), middle - half
        paths.append(np.stack([gap * span, 6 - 3 * span**2, front + 3 - 3 * span**2]))
        if i.glasses == "aviator":
            paths.append(np.stack([(gap + 8) * span, 16 - span**2, np.full(16, front + 1)]))
        self.frame = tubes(paths, wire)


def _outline(rim: Rim, size: float) -> tuple[Array, Array]:
    """Return the outline of a lens: x outwards and y upwards from its middle."""
    turn = np.linspace(0, 2 * np.pi, 49)
    across, up = (np.sign(wave) * np.abs(wave) ** (2 / rim.power) for wave in (np.cos(turn), np.sin(turn)))
    rise = rim.rise * smoothstep(-0.2, 1, across) * smoothstep(-1, 1, up)
    return size * rim.breadth * across, size * rim.height * up + rise - 2


def _bent(front: float, x: Array | float) -> Array:
    """Return the depth of the glasses, which curve around the face."""
    return np.asarray(front - 0.0024 * x**2)


def _arm(sign: int, outer: float, depth: Array, half: float) -> Array:
    """Return the path of an arm, from the rim to the ear."""
    z = float(depth)
    knots, corners = range(5), [(outer, 4, z), (outer + 3, 4, z - 4), (half, 4, 30), (half, 3, -2), (half - 3, -4, -12)]
    x, y, depths = (np.interp(np.linspace(0, 4, 13), knots, values) for values in zip(*corners, strict=True))
    return np.stack([sign * x, y, depths])
