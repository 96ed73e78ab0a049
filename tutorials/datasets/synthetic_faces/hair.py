"""The hair of the head: a cap over the skull from the hairline, a curtain of long hair, and a bun."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces.anatomy import Head
from minicnn.datasets.synthetic_faces.identity import Identity
from minicnn.datasets.synthetic_faces.meshes import Patch, patch, uneven, unit
from minicnn.datasets.synthetic_faces.shapes import Array, cover, curve, noise, palette, ramp, ridge, smoothstep

TONES = palette("0b0a0a", "1a100b", "2e1b11", "4a2d1a", "6f4a2a", "97703f", "bf955a", "dcbf8a")
REDS = palette("120806", "2a0e07", "4a170a", "7a2a10", "a5441a", "bf6428", "d08a48", "e0aa6a")
GREYS = palette("565452", "b9b6b0")


class Style(NamedTuple):
    """A hairstyle: the thickness on top and at the sides, the direction of combing, and its special features."""

    top: float = 0
    sides: float = 0
    combed: str = "down"  # from the crown; or "back", or "aside" from a parting
    quiff: float = 0
    curl: float = 0.12
    fringe: bool = False
    ends: tuple[float, float] | None = None  # the heights at which the curtain ends: the shortest and the longest
    wave: float = 1.2
    bun: bool = False
    scalp: float = 0.97  # share of the hair's colour on the scalp


STYLES = {
    "bald": Style(scalp=0),
    "shaven": Style(scalp=0.72),
    "short": Style(9, 4),
    "swept": Style(15, 5, combed="back"),
    "parted": Style(15, 6, combed="aside"),
    "quiff": Style(16, 4, combed="back", quiff=18),
    "curls": Style(20, 14, curl=1.0),
    "afro": Style(40, 34, curl=0.6),
    "fringe": Style(15, 11, fringe=True),
    "bob": Style(15, 12, combed="aside", ends=(-66, -110)),
    "long": Style(14, 11, combed="aside", ends=(-150, -260)),
    "waves": Style(18, 15, combed="aside", ends=(-110, -220), curl=0.35, wave=6.0),
    "tied": Style(7, 5, combed="back"),
    "bun": Style(8, 6, combed="back", bun=True),
}

# The ends of the hair beside and behind the face: (degrees from the middle, height); None is the end of the sideburn.
BESIDE = [(62, 18), (72, 2), (80, None), (89, None), (95, 14), (112, 14), (124, -14), (138, -52), (180, -62)]


class Hair:
    """The patches cap, curtain and bun, or None. Their marks are the points' places on the picture of strands."""

    def __init__(self, head: Head, rng: np.random.Generator) -> None:
        i = head.identity
        self.colour, self.style = _colour(i), STYLES[i.hairstyle]
        self._line = _hairline(i, self.style, rng)
        self.strands = _strands(rng)
        self.cap = _cap(self, head, rng) if self.style.top else None
        self.curtain = _curtain(self.style, i, rng) if self.style.ends else None
        self.bun = _bun(i, rng) if self.style.bun else None

    def above_line(self, y: Array, angle: Array) -> Array:
        """Return the distance within the hairline at a height and an angle, in millimetres; negative outside."""
        fine = np.linspace(-np.pi, np.pi, len(self._line))
        steepness = np.gradient(self._line, fine) / 72  # divided by the approximate radius of the head
        line, steepness = np.interp(angle, fine, self._line), np.interp(angle, fine, steepness)
        return (y - line.astype(np.float32)) / np.sqrt(1 + steepness.astype(np.float32) ** 2)

    def on_scalp(self, y: Array, angle: Array) -> Array:
        """Return the share of the hair's colour on the scalp."""
        return self.style.scalp * smoothstep(-3, 5, self.above_line(y, angle))


def _colour(i: Identity) -> Array:
    tone = cover(ramp(i.hair_tone, TONES), ramp(i.hair_tone, REDS), np.float32(max(i.hair_redness, 0) ** 1.5))
    return cover(tone, ramp(4 * i.age - 3, GREYS), np.float32(0.85 * smoothstep(0.8, 1.0, i.age)))


def _hairline(i: Identity, style: Style, rng: np.random.Generator) -> Array:
    """Return the height of the hairline at 721 angles around the head."""
    start, receded = i.hairline, max(i.recession, 0) * (0.4 + 0.6 * i.masculinity)
    if style.fringe:
        start = 20 + 8 * i.parting
        front = [(0, start), (20, start), (40, start - 3), (54, start - 12)]
    else:
        peak = 9 * max(i.widows_peak, 0)
        front = [(0, start - peak), (7, start - peak / 3), (16, start + 4 + 8 * receded)]
        front += [(30, start + 3 + 24 * receded), (43, start - 8 + 17 * receded), (54, start - 26 + 8 * receded)]
    sideburn = i.sideburns if i.beard in ("none", "stubble") else -30  # it grows into the beard
    degrees, heights = zip(*(front + BESIDE), strict=True)
    angle = np.linspace(-180, 180, 721)
    line = curve(degrees, [sideburn if height is None else height for height in heights], np.abs(angle))
    unruly = [np.interp(angle, np.linspace(-180, 180, count), rng.standard_normal(count)) for count in (24, 120)]
    return line + 1.2 * unruly[0] + 0.7 * unruly[1]


def _cap(hair: Hair, head: Head, rng: np.random.Generator) -> Patch:
    """Return the hair on the skull, which lies under the skin where no hair grows."""
    i, style, shape = head.identity, hair.style, (72, 85)
    level = np.linspace(0, 10.2, shape[0])
    angle = uneven(lambda a: 1 + 1.5 * np.exp(-(((np.abs(a) - 1.1) / 0.5) ** 2)), shape[1], -2.8, 2.8)
    x, y, z = skull = head.rings(level, angle)
    inside = hair.above_line(y, angle)
    thick = _thickness(i, style, x, y, z, angle)
    thick = thick * (1 + 0.12 * noise(rng, 8, 10, shape))
    thick += 5.5 * style.curl * (0.6 + 0.8 * i.hair_curl) * noise(rng, 22, 30, shape)
    if style.fringe:
        rounded = np.sqrt(np.clip(inside / 5, 0, 1))
    else:
        share = np.clip(inside / (9 + 0.35 * thick), 0, 1)
        rounded = np.sqrt(share * (2 - share))
    # Outside the hairline it lies so deep that not even the eye sockets expose it.
    height = np.where(inside > -2, 1.8 * smoothstep(-2, 1, inside) + thick * rounded, np.maximum(2 * inside + 4, -27))
    outwards = unit(skull - np.array([0, 14, -12], np.float32)[:, None, None])
    across = {
        "back": np.arctan2(x, np.maximum(y, 5) + 30),
        "aside": (z + 0.35 * y) / 75,
        "down": np.broadcast_to(0.9 * angle, shape),
    }[style.combed]
    return patch(*(skull + outwards * (height - 1.2)), across, y / 60)


def _thickness(i: Identity, style: Style, x: Array, y: Array, z: Array, angle: Array) -> Array:
    """Return the thickness of the cap, before it is rounded off along the hairline."""
    volume, forward = 0.7 + 0.6 * i.hair_volume, ridge(angle, 0.8)
    upper = smoothstep(35, 0.86 * i.crown_height, y)
    thick = style.sides + (style.top - style.sides) * upper + style.quiff * forward * smoothstep(30, 75, y)
    if style.combed == "aside":
        across, parting = x / 75, 0.41 * np.copysign(0.3 + 0.7 * abs(i.parting), i.parting)
        groove = ridge(across - parting, 0.07) * smoothstep(-30, 10, y) * smoothstep(-40, 20, z)
        thick = thick * (1 - 0.65 * groove)
        thick += 5 * ridge(across + 1.3 * parting, 0.5) * forward * smoothstep(30, 80, y)
    return (volume * thick).astype(np.float32)


def _curtain(style: Style, i: Identity, rng: np.random.Generator) -> Patch:
    """Return the hair that falls beside and behind the face."""
    assert style.ends is not None
    shape, top, (shortest, longest) = (44, 90), 42, style.ends
    start, volume = np.radians(64 + 6 * rng.random()), 0.7 + 0.6 * i.hair_volume
    angle, down = np.linspace(start, 2 * np.pi - start, shape[1]), np.linspace(0, 1, shape[0])[:, None]
    end = shortest + (longest - shortest) * i.hair_length + 4 * noise(rng, 1, 30, (1, shape[1]))
    y = top + (end - top) * down
    swell = 6 * volume * np.sin(np.pi * np.clip(1.15 * down, 0, 1))
    swell = swell - 10 * (i.hair_curl - 0.3) * smoothstep(0.5, 1, down)
    wave = np.sin(-2 * np.pi * y / 55 + 5 * noise(rng, 1, 16, (1, shape[1]))) + noise(rng, 10, 26, shape)
    outwards = style.sides * volume + swell + style.wave * wave
    # Its edges beside the face bend inwards.
    edge = smoothstep(0, 0.30, np.minimum(angle - start, 2 * np.pi - start - angle))
    radius = i.head_breadth / 2 + outwards - 16 * (1 - edge) - 6 * smoothstep(20, top, y)
    depth = np.where(np.cos(angle) > 0, 0.85 * radius, 100 + outwards)
    return patch(radius * np.sin(angle), y, depth * np.cos(angle) - 4, 0.9 * angle, y / 60)


def _bun(i: Identity, rng: np.random.Generator) -> Patch:
    shape = (30, 40)
    polar, turn = np.linspace(0, np.pi, shape[0])[:, None], np.linspace(-np.pi, np.pi, shape[1])
    radius = 26 + 12 * i.hair_volume + 1.5 * noise(rng, 8, 10, shape)
    x, z = radius * np.sin(polar) * np.sin(turn), radius * np.sin(polar) * np.cos(turn)
    y = 0.85 * radius * np.cos(polar) + i.crown_height + 12
    return patch(x, y, z - 42, 2 * polar + 0.4 * turn, turn / 2)


def _strands(rng: np.random.Generator) -> Array:
    """Return light and dark strands, of standard deviation 1: (1, 512 across, 32 along)."""
    total = noise(rng, 340, 9, (512, 32)) + noise(rng, 130, 9, (512, 32)) + 0.8 * noise(rng, 45, 9, (512, 32))
    return total[None] / total.std()
