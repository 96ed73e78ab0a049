"""Obstacles in front of a face. They slide in from outside until they hide the requested share of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces.circumstances import Circumstances
from minicnn.datasets.synthetic_faces.shapes import Array, palette, ramp, smoothstep


class Bar(NamedTuple):
    """A rounded plate: its middle along and across the direction of entry, half its length and breadth, its rounding.

    If pointed, it is a leaf as broad as its rounding.
    """

    along: float
    across: float
    length: float
    breadth: float
    rounding: float
    pointed: bool = False


# In millimetres; the part that enters the picture first ends at about 0.
SHAPES = {
    "hand": [
        Bar(62, 2, 22, 22, 20),
        Bar(200, 4, 130, 8, 24),
        *(Bar(14 + 2.5 * k * k, 19 * k, 26, 0, 9.5) for k in (-1.4, -0.5, 0.45, 1.35)),
    ],
    "telephone": [Bar(72, 0, 64, 28, 8)],
    "cup": [Bar(50, 0, 42, 32, 8), Bar(50, 50, 16, 6, 10)],
    "microphone": [Bar(24, 0, 0, 0, 24), Bar(210, 0, 180, 0, 12)],
    "leaves": [Bar(40, k, 42 - abs(k) / 3, 0, 15, pointed=True) for k in (-38, -8, 26)]
    + [Bar(70, k, 40, 0, 20, pointed=True) for k in (-24, 8, 44)],
    "passer-by": [Bar(110, 0, 40, 110, 60)],
}
COLOURS = {
    "telephone": palette("0c0c10", "20242c", "c8c8cc"),
    "cup": palette("e8e4dc", "7a2a2a", "24324a", "b0a890"),
    "microphone": palette("0e0e10", "2a2a30"),
    "leaves": palette("1a3a14", "3a6a20", "6a7a2a"),
    "passer-by": palette("08080a", "24201c", "4a4038", "20304a"),
}
SOFTNESS = {"leaves": 3.0, "passer-by": 12.0}  # millimetres: these are out of focus


def hide(
    light: Array, face: Array, how: Circumstances, skin: Array, lamp: Array, scale: float, rng: np.random.Generator
) -> None:
    """Draw the obstacle over the light (3, size, size) in place.

    face (size, size): share of face in each pixel; the obstacle hides the part `how.occlusion` of it, or slightly less.
    skin (3,): the colour of hands. lamp (3,): the direction of the light. scale: pixels per millimetre.
    """
    pixels = np.argwhere(face > 0.5).T.astype(np.float32)
    if pixels.size == 0:
        return
    kind, direction = how.obstacle, rng.uniform(0, 2 * math.pi)
    if kind in ("cup", "microphone"):  # held from below
        direction = math.pi / 2 + rng.uniform(-0.7, 0.7)
    aim = pixels.mean(axis=1) + 14 * scale * rng.standard_normal(2)
    softness = max(SOFTNESS.get(kind, 0), 0.7 / scale)

    def inside(pixels: Array, distance: float) -> Array:
        """Return the depth of pixels (2, …) within the obstacle, in millimetres, at this distance from its aim."""
        down, right = (
            (axis - np.float32(middle)) / np.float32(scale) for axis, middle in zip(pixels, aim, strict=True)
        )
        along = right * math.cos(direction) + down * math.sin(direction) - distance
        across = down * math.cos(direction) - right * math.sin(direction)
        return np.maximum.reduce([_depth(bar, along, across) for bar in SHAPES[kind]])

    near, far = -120.0, 150.0
    for _ in range(9):
        middle = (near + far) / 2
        hidden = smoothstep(-softness, softness, inside(pixels, middle)).mean()
        near, far = (near, middle) if hidden <= how.occlusion else (middle, far)
    depth = inside(np.indices(face.shape, dtype=np.float32), far)
    down, right = np.gradient(np.sqrt(np.maximum(depth, 0)))
    shade = np.clip(0.75 + 0.4 * (down * lamp[1] - right * lamp[0]), 0.2, 1.4)
    colour = skin if kind == "hand" else ramp(rng.random(), COLOURS[kind])
    light += (colour[:, None, None] * shade - light) * smoothstep(-softness, softness, depth)


def _depth(bar: Bar, along: Array, across: Array) -> Array:
    """Return the depth of points within a bar, along and across its direction; negative outside."""
    if bar.pointed:
        return bar.rounding * (1 - ((along - bar.along) / bar.length) ** 2) - np.abs(across - bar.across)
    beyond_end = np.maximum(np.abs(along - bar.along) - bar.length, 0)
    beyond_side = np.maximum(np.abs(across - bar.across) - bar.breadth, 0)
    return bar.rounding - np.hypot(beyond_end, beyond_side)
