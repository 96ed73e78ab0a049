"""The parts painted anew for every picture, since lids close, eyes turn and lips part: eyes and the open mouth."""

from __future__ import annotations

import math

import numpy as np

from minicnn.datasets.synthetic_faces.anatomy import Head
from minicnn.datasets.synthetic_faces.features import mouth_line
from minicnn.datasets.synthetic_faces.meshes import unit
from minicnn.datasets.synthetic_faces.shapes import Array, cover, palette, ramp, ridge, smoothstep, tint

IRISES = palette("1d0f07", "3a200e", "5d3a1a", "7d6436", "5f7d4c", "84949a", "5f93bd", "3567a0")
WHITE, PINK, LASHES, TEETH, TONGUE, DARK = palette("d6cfc9", "bd8578", "140d0a", "e6e1d6", "94443f", "3a1a1a").T


def paint_eyes(
    head: Head, chart: Array, colours: Array, normals: Array, openness: float, gaze: tuple[float, float]
) -> Array:
    """Paint both eyes in place, and return a mask (n,) of the wet pixels.

    chart (2, n); colours and normals (3, n), normals in the head's frame. openness: 1 is awake, 0 closed; gaze: shift
    of the irises in millimetres to the right and up.
    """
    i = head.identity
    wet = np.zeros(chart.shape[1], bool)
    near = np.flatnonzero((chart[1] < 18) & (chart[1] > -18))
    x = np.abs(chart[0, near]) - i.eye_distance / 2
    near, x = near[np.abs(x) < 24], x[np.abs(x) < 24]
    y, sign = chart[1, near], np.sign(chart[0, near])
    tilt, half = math.radians(i.eye_tilt), i.eye_width / 2
    # Across the eye, outwards, and up; `share` runs from corner to corner.
    u, v = x * math.cos(tilt) + y * math.sin(tilt), y * math.cos(tilt) - x * math.sin(tilt)
    share, beyond = np.clip(u / half, -1, 1), np.abs(u) - half
    bottom = -0.40 * i.eye_opening * (1 - np.abs(share) ** 2.4) * (1 + 0.15 * share)
    awake = 0.54 * i.eye_opening * (1 - share**2) * (1 - 0.12 * share)
    top = bottom + (awake - bottom) * openness
    made_up = float(smoothstep(0.5, 1, i.lip_colour)) * (1 - i.masculinity)

    skin = colours[:, near]
    crease = awake + 2 + 2.6 * (1 - i.lid_fold) - 1.2 * (1 - openness)
    line = ridge(v - crease * (1 - 0.25 * share**2), 0.7 + 0.5 * i.lid_fold) * smoothstep(3, -4, beyond)
    skin = tint(skin, (0.62, 0.53, 0.52), line)
    lid = smoothstep(-0.5, 0.5, v - top) * smoothstep(crease + 0.5, crease - 1.5, v) * smoothstep(1, -3, beyond)
    skin = tint(skin, (0.88 - 0.3 * made_up, 0.82 - 0.45 * made_up, 0.84 - 0.3 * made_up), lid)

    seen = smoothstep(-0.35, 0.35, np.minimum(top - v, v - bottom)) * (beyond < 0)
    across, up = u - sign * gaze[0], v - (gaze[1] + 0.6)
    shaded = 1 - 0.6 * smoothstep(3.2, 0, top - v)  # by the upper lid
    skin = cover(skin, _ball(i.eye_colour, share, across, up) * shaded, seen)

    width = (0.75 + 0.9 * smoothstep(-1, 1, share)) * (1 + 0.9 * made_up)
    lashes = np.exp(-((np.abs(v - top - 0.5 * width) / width) ** 3)) * (beyond < 1 + 2.5 * made_up)
    skin = cover(skin, LASHES, 0.9 * lashes)
    colours[:, near] = tint(skin, (0.7, 0.64, 0.62), ridge(v - bottom + 0.4, 0.7) * (beyond < 0))

    ball = seen > 0.5
    wet[near[ball]] = True
    across, up = across[ball] / 9.5, up[ball] / 9.5
    forward = np.sqrt(np.maximum(1 - across**2 - up**2, 0.1))
    normals[:, near[ball]] = unit(np.stack([sign[ball] * across, up, forward]))
    return wet


def _ball(colour: float, share: Array, across: Array, up: Array) -> Array:
    """Return the colours of an eyeball: white, pink in the inner corner, with iris and pupil around the gaze."""
    from_pupil = np.hypot(across, up)
    ball = WHITE[:, None] * (1 - 0.22 * np.abs(share) ** 3)
    ball = cover(ball, PINK, 0.75 * smoothstep(-0.70, -0.98, share))
    turn = np.arctan2(up, across)
    streaks = 1 + 0.18 * np.sin(23 * turn) * np.sin(9 * turn + 2)
    # Light comes from above and collects in the lower half of the iris.
    glow = 0.65 + 0.75 * smoothstep(1.5, 5.0, from_pupil) * smoothstep(-6, 4, -up)
    rim = 1 - 0.75 * smoothstep(4.9, 6.1, from_pupil)
    ball = cover(ball, ramp(colour, IRISES)[:, None] * (glow * streaks * rim), smoothstep(6.35, 5.75, from_pupil))
    return ball * (1 - 0.97 * smoothstep(2.7, 2.2, from_pupil))


def paint_mouth(head: Head, chart: Array, colours: Array, opened: float) -> None:
    """Paint the inside of an open mouth in place: the strip between the lips, stretched by their distance."""
    i, half = head.identity, head.identity.mouth_breadth / 2
    near = np.flatnonzero((np.abs(chart[1] - head.mouth) < 6) & (np.abs(chart[0]) < half - 1))
    if opened < 0.06 or len(near) == 0:
        return
    side = np.abs(chart[0, near])
    above = chart[1, near] - mouth_line(i, side, head.mouth)
    strip = 1.3 * np.sqrt(1 - (side / (half - 1)) ** 2)
    open_here = smoothstep(-0.05, 0.05, strip - np.abs(above)) * min(1, (opened - 0.03) / 0.1)
    below = (strip - above) / 2.6 * 10 * opened  # millimetres under the upper lip
    gaps = 1 - 0.22 * ridge(np.abs(side % 8.2 - 4.1) - 4.1, 0.5)
    teeth = TEETH[:, None] * gaps * (0.55 + 0.45 * smoothstep(0, 2.5, below)) * (1 - 0.5 * smoothstep(0, half, side))
    biting = 6.5 - 0.009 * side**1.6
    bitten = smoothstep(biting + 0.8, biting - 0.8, below) * smoothstep(half - 5, half - 11, side)
    inside = cover(np.repeat(DARK[:, None], len(near), 1), TONGUE, smoothstep(8, 13, below))
    colours[:, near] = cover(colours[:, near], cover(inside, teeth, bitten), open_here)
