"""Ears, neck and shoulders."""

from __future__ import annotations

import math

import numpy as np

from minicnn.datasets.synthetic_faces.identity import Identity
from minicnn.datasets.synthetic_faces.meshes import Patch, patch
from minicnn.datasets.synthetic_faces.shapes import curve, ridge, smoothstep


def ear(i: Identity, sign: int) -> Patch:
    """Return the ear on the left (sign -1) or right of the picture; its mark is each point's exposure to light."""
    out, turn = np.linspace(0, 1, 26)[:, None], np.linspace(0, 2 * np.pi, 34)
    tall, angle = i.ear_length / 2, math.radians(i.ear_angle)
    # An egg shape, broad end up: a raised rim, a fold within it, and a bowl.
    rim = ridge(out - 0.88, 0.12) * (1 - 0.75 * smoothstep(-0.3, -0.9, np.cos(turn)))
    bowl = ridge(out - 0.35, 0.28)
    inner = ridge(out - 0.62, 0.10) * smoothstep(0.2, 0.9, np.sin(turn))
    height = 2.6 * rim - 4 * bowl + 2 * inner + 2 * (1 - out**6) - 4 * (out > 0.97)
    back = 0.60 * tall * (out * np.sin(turn) * (1 + 0.22 * np.cos(turn)) + 0.9)
    side = 0.114 * i.head_breadth + 0.38 * i.cheekbone_breadth - 3
    # It is attached at its front edge, and stands out by an angle.
    x = side + math.sin(angle) * back + math.cos(angle) * height
    z = 4 - math.cos(angle) * back + math.sin(angle) * height
    openness = np.clip(0.69 - 0.44 * bowl + 0.18 * rim, 0, 1)
    return patch(sign * x, tall * out * np.cos(turn) - 14 + 0.1 * back, z, openness)


def neck(i: Identity) -> Patch:
    y, turn = np.linspace(-35, -215, 24)[:, None], np.linspace(-2.4, 2.4, 40)
    knots = [-215, -175, -140, -90, -35]
    radius = (0.40 * i.jaw_breadth + 8 * i.masculinity) * curve(knots, [1.9, 1.22, 1, 0.98, 1], y)
    back = curve([-215, -120, -35], [-38, -22, -22], y)
    return patch(radius * np.sin(turn), y, back + 0.95 * radius * np.cos(turn))


def shoulders(i: Identity) -> Patch:
    """Return the clothes, up to a collar around the neck."""
    down, turn = np.linspace(0, 1, 26)[:, None], np.linspace(-2.2, 2.2, 48)
    knots, throat, broad = (
        [0, 0.12, 0.35, 0.65, 1],
        0.40 * i.jaw_breadth + 8 * i.masculinity + 7,
        190 + 25 * i.masculinity,
    )
    y = curve(knots, [-146, -150, -168, -200, -280], down) - 14 * smoothstep(-0.2, 1, np.cos(turn)) * (1 - down)
    breadth = curve(knots, [throat - 3, throat + 4, throat + 45, broad - 12, broad], down)
    depth = curve(knots, [throat - 2, throat + 2, throat + 18, 92, 105], down)
    return patch(breadth * np.sin(turn), y, depth * np.cos(turn) - 32)
