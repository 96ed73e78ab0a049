"""The relief of a face over its rings, and its movements: bumps and hollows in millimetres, by points of the chart.

`side` is the distance from the middle of the face: both halves are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minicnn.datasets.synthetic_faces.identity import Identity
from minicnn.datasets.synthetic_faces.shapes import (
    Array,
    bump,
    curve,
    distance_to_segment,
    ridge,
    smooth_maximum,
    smoothstep,
)

if TYPE_CHECKING:
    from minicnn.datasets.synthetic_faces.anatomy import Head

EYEBALL = 13.0  # its radius; that of people is 12


def relief(head: Head, side: Array, y: Array, z: Array) -> Array:
    """Return the height of the face over its rings, whose depth is z."""
    i = head.identity
    height = bones(i, side, y, head.mouth) + cheeks(i, side, y, head.mouth) + mouth(i, side, y, head.mouth)
    return eyeball(i, side, y, z + height) - z + nose(i, side, y)


def bones(i: Identity, side: Array, y: Array, mouth: float) -> Array:
    """Return the relief of sockets, brows, cheekbones and chin."""
    eye, chin = i.eye_distance / 2, -i.face_length + 15
    height = -(6 + i.eye_depth) * bump(side, y, (eye - 1, 1), (20, 13))
    height -= (2.5 + 0.2 * i.eye_depth) * bump(side, y, (eye - 16, 3), (7, 8))
    height += (1 + i.brow_ridge) * bump(side, y, (eye, i.brow_height - 1), (24, 8))
    height += 0.5 * i.brow_ridge * bump(side, y, (0, i.brow_height), (13, 9))
    height += 5 * bump(side, y, (0.39 * i.cheekbone_breadth, -19), (18, 13))
    height += 4 * bump(side, y, (0, chin), (0.42 * i.chin_breadth, 11))
    height -= 3 * bump(side, y, (0, 0.55 * mouth + 0.45 * (chin - 3)), (16, 5))
    return height - 4 * max(i.chin_cleft, 0) * bump(side, y, (0, chin - 2), (3.2, 9))


def cheeks(i: Identity, side: Array, y: Array, mouth: float) -> Array:
    """Return the relief of cheeks, the fold from nose to mouth, and the bags under the eyes."""
    height = 2 + i.muzzle * bump(side, y, (0, mouth + 4), (29, 22))
    height += i.cheek_fullness * bump(side, y, (41, 0.45 * mouth - 25), (19, 20))
    height -= (0.4 + 2.4 * i.age**1.5) * ridge(fold(i, side, y, mouth), 4.0)
    below, rim = smoothstep(0, -6, y), np.hypot((side - i.eye_distance / 2) / 1.35, y)
    return height + i.eye_bags * below * (1.6 * ridge(rim - 11.5, 2.5) - 1.2 * ridge(rim - 16, 2.5))


def fold(i: Identity, side: Array, y: Array, mouth: float) -> Array:
    """Return the distance from the fold between the wing of the nose and the corner of the mouth."""
    start, end = (i.nose_breadth / 2 + 3, -i.nose_length + 6), (i.mouth_breadth / 2 + 8, mouth - 4)
    return distance_to_segment(side, y, start, end)


def mouth(i: Identity, side: Array, y: Array, at: float) -> Array:
    """Return the relief of the lips, the groove between them, and the hollows around them."""
    half = i.mouth_breadth / 2
    above = y - mouth_line(i, side, at)
    upper, lower = lips(i, side)
    bulge = (0.35 * i.upper_lip + 1.2) * _arch(above / (upper + 1.5))
    bulge += (0.32 * i.lower_lip + 1.5) * _arch(-above / (lower + 1.5))
    height = smoothstep(half + 1, half - 4, side) * bulge
    height -= 2.2 * ridge(above, 1.8) * smoothstep(half + 3, half - 3, side)
    height -= 3 * bump(side, y, (half + 1.5, at + i.mouth_corners), (5, 5))
    return height - 1.4 * bump(side, y, (0, 0.5 * (at - i.nose_length) + 1), (3, 6))


def _arch(share: Array) -> Array:
    """Return a round hill from 0 to 1."""
    share = np.clip(share, 0, 1)
    return np.sqrt(4 * share * (1 - share))


def mouth_line(i: Identity, side: Array, at: float) -> Array:
    """Return the height at which the lips meet, continued beyond the corners of the mouth."""
    share = np.minimum(2 * side / i.mouth_breadth, 1.2)
    return at + i.mouth_corners * share**2 - 0.9 * i.cupids_bow * ridge(side, 4)


def lips(i: Identity, side: Array) -> tuple[Array, Array]:
    """Return the heights of the upper and the lower lip."""
    share = np.clip(2 * side / i.mouth_breadth, 0, 1)
    bow = 1 + 0.3 * i.cupids_bow * (ridge(share - 0.2, 0.13) - 1.3 * ridge(share, 0.10))
    square = share * share
    return i.upper_lip * bow * np.sqrt(1 - square) ** 1.5, i.lower_lip * np.sqrt(1 - square * share)


def eyeball(i: Identity, side: Array, y: Array, z: Array) -> Array:
    """Return the depth z with the eyeballs and their lids."""
    square = (side - i.eye_distance / 2) ** 2 + y**2
    front = 65 - 0.75 * i.eye_depth + np.sqrt(np.maximum(EYEBALL**2 - 0.9 * square, 0))
    return np.where(square < EYEBALL**2, smooth_maximum(z, front, 5.0), z)


def nose(i: Identity, side: Array, y: Array) -> Array:
    """Return the relief of bridge, tip, wings and nostrils."""
    foot, projection, bridge, ball = -i.nose_length, i.nose_projection, i.bridge_height, i.nose_tip
    tip = i.tip_height
    middle = 0.5 * (bridge + projection) + i.nose_hump
    above_tip = 0.80 * projection + 0.25 * i.nose_hump
    half = i.bridge_breadth / 2
    profile = [  # y, height of the ridge, breadth of the ridge
        (foot - 9, 0, 1.2 * ball),
        (foot - 3, 0.10 * projection, 1.2 * ball),
        (foot + 1.5, 0.55 * projection, 1.1 * ball),
        (0.55 * tip + 0.45 * foot, 0.95 * projection, ball),
        (tip, projection, ball),
        (0.78 * tip, above_tip, 0.5 * half + 0.5 * ball),
        (0.42 * tip, middle, 1.12 * half),
        (6, bridge, half),
        (16, 0, half),
    ]
    knots, heights, breadths = zip(*profile, strict=True)
    height = curve(knots, heights, y[:, :1]) * ridge(side, curve(knots, breadths, y[:, :1]))
    wing = i.nose_breadth / 2 - 3.5
    height += (2.5 + 0.28 * projection) * bump(side, y, (wing, foot + 7), (6.0, 7.5))
    height += 2 * bump(side, y, (0, tip - 1), (0.9 * ball, 7))
    return height - 0.16 * projection * bump(side, y, (0.48 * wing, foot + 1.5), (4, 2.6))


def moves(head: Head) -> dict[str, Array]:
    """Return the displacement of the head's points by one unit of each expression: (3, rows, columns)."""
    i, (x, y) = head.identity, head.chart
    side, sign, half, none = np.abs(x), np.sign(x), i.mouth_breadth / 2, np.zeros_like(x)
    corner = bump(side, y, (half, head.mouth), (13, 12))
    cheek = bump(side, y, (40, -36), (17, 15))
    # The lower lip opens at once, the cheeks follow slowly.
    below = mouth_line(i, side, head.mouth) - y
    jaw = smoothstep(0, 1, below / (1.2 + 14 * smoothstep(half - 4, half + 12, side)))
    in_front = smoothstep(0.0, 0.45, np.cos(head.angle))
    jaw = jaw * in_front + 0.3 * smoothstep(-30, -90, y) * (1 - in_front)
    lifted = smoothstep(0, 1.5, -below) * bump(side, y, (0, head.mouth), (0.7 * half, 9))
    rounded = bump(side, y, (0, head.mouth), (half, 13))
    brow = bump(side, y, (i.eye_distance / 2, i.brow_height + 2), (26, 11))
    inner = bump(side, y, (10, i.brow_height), (11, 9))
    play = {
        "smile": (sign * (6 * corner + cheek), 6 * corner + 4 * cheek, 3 * cheek - 3 * corner),
        "opened": (none, 1.5 * lifted - 10 * jaw, -3.5 * jaw),
        "pursed": (-0.32 * x * rounded, none, 3.5 * rounded),
        "raised": (none, 6 * brow, 0.5 * brow),
        "frown": (-3 * sign * inner, -4.5 * inner, 1.5 * inner),
    }
    return {name: np.stack(move).astype(np.float32) for name, move in play.items()}
