"""Beards: the regions where they grow, and the shell of hair on the skin there."""

from __future__ import annotations

import numpy as np

from minicnn.datasets.synthetic_faces.anatomy import Head
from minicnn.datasets.synthetic_faces.meshes import Patch, normals
from minicnn.datasets.synthetic_faces.shapes import Array, bump, noise, smoothstep

# The darkness of the shaven or short-cropped skin of the jaw.
SHADOWS = {"none": 0.10, "stubble": 0.62, "moustache": 0.18, "goatee": 0.18, "chin strap": 0.20, "full": 0.30}


def growth(head: Head, side: Array, y: Array, style: str) -> Array:
    """Return the density of a beard of this style, from 0 to 1, at points of the chart."""
    i, mouth, half, bottom = head.identity, head.mouth, head.identity.mouth_breadth / 2, -head.identity.face_length
    under_lip = mouth - i.lower_lip
    moustache = bump(side, y, (0, mouth + i.upper_lip + 4), (0.98 * half, 5.5), power=4)
    moustache = moustache * smoothstep(-i.nose_length, -i.nose_length - 4, y)
    chin = smoothstep(under_lip - 3, under_lip - 10, y)
    chin = chin * smoothstep(0.72 * i.chin_breadth, 0.5 * i.chin_breadth, side)
    if style == "moustache":
        grown = moustache
    elif style == "goatee":
        grown = np.maximum.reduce([moustache, chin, bump(side, y, (half + 3, mouth - 6), (5.5, 15), power=4)])
    elif style == "chin strap":
        edge = bottom + 17 + 0.5 * side
        grown = np.maximum(smoothstep(edge + 7, edge - 7, y), 0.9 * chin)
    else:
        line = 0.55 * mouth - 8 - 26 * np.exp(-(((side - half) / 24) ** 2)) + 40 * smoothstep(48, 66, side)
        grown = np.maximum.reduce([moustache, chin, smoothstep(line + 5, line - 6, y)])
    tall = 0.5 * (i.upper_lip + i.lower_lip) + 2.5
    lips = bump(side, y, (0, mouth + 0.5 * (i.upper_lip - i.lower_lip)), (1.02 * half, tall), power=4)
    return grown * (1 - lips)


class Beard:
    """The shell of a beard over the lower half of the head, which moves with it."""

    def __init__(self, head: Head, rng: np.random.Generator) -> None:
        i = head.identity
        self._rows = slice(int(np.argmax(head.chart[1, :, 0] < -0.4 * i.nose_length)), None)
        x, y = head.chart[:, self._rows]
        grown = growth(head, np.abs(x), y, i.beard) * smoothstep(0.05, 0.35, np.cos(head.angle))
        longest, downwards = 2.5 + 7 * i.beard_density, smoothstep(head.mouth, -i.face_length, y)
        lumps = 1.6 + 0.8 * noise(rng, 26, 40, x.shape)
        # Below 0, and so under the skin, where no beard grows.
        height = grown**0.7 * (longest * (0.45 + 0.75 * downwards) + lumps) - 1.6
        self._height = height.astype(np.float32)
        self._marks = np.stack([1.6 * np.arctan2(x, y + 160), y / 30])

    def on(self, points: Array, outwards: Array) -> Patch:
        """Return the beard on a head with these points and normals; its marks are those of hair."""
        shell = points[:, self._rows] + outwards[:, self._rows] * self._height
        return Patch(shell, normals(shell), self._marks)
