"""The colours of a head, painted once per person on a fine grid: skin, lips, brows, freckles, stubble, scalp."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.datasets.synthetic_faces.anatomy import Head
from minicnn.datasets.synthetic_faces.beard import SHADOWS, growth
from minicnn.datasets.synthetic_faces.features import fold, lips, mouth_line
from minicnn.datasets.synthetic_faces.hair import Hair
from minicnn.datasets.synthetic_faces.identity import Identity
from minicnn.datasets.synthetic_faces.shapes import Array, bump, cover, noise, palette, ramp, ridge, smoothstep, tint

TONES = palette("f3d3c1", "e8b898", "d49c76", "b57a54", "8d5a3c", "653d28", "452719")
LIPSTICKS = palette("b06a5e", "c0565a", "a83248", "8a2f3a")


class Canvas(NamedTuple):
    """The chart, or some of its rows, at the resolution of the paint; colours (3, …) and gloss are painted in place."""

    colours: Array
    gloss: Array
    x: Array
    y: Array
    side: Array
    front: Array

    def between(self, bottom: float, top: float) -> Canvas:
        """Return the rows between two heights."""
        rows = np.flatnonzero((self.y[:, 0] > bottom) & (self.y[:, 0] < top))
        part = slice(rows[0], rows[-1] + 1)
        return Canvas(*(plane[..., part, :] for plane in self))

    def bump(self, middle: tuple[float, float], spread: tuple[float, float], power: int = 2) -> Array:
        """Return a bump on both sides of the face."""
        return bump(self.side, self.y, middle, spread, power)

    def tint(self, factors: tuple[float, float, float], weight: Array) -> None:
        self.colours[:] = tint(self.colours, factors, weight)

    def cover(self, over: Array, weight: Array) -> None:
        self.colours[:] = cover(self.colours, over, weight)


def tone(i: Identity) -> Array:
    """Return the base colour of the skin, (3,)."""
    return ramp(i.skin_tone, TONES) * np.array([1 + 0.05 * i.skin_warmth, 1, 1 - 0.14 * i.skin_warmth], np.float32)


def painted_head(head: Head, hair: Hair, rng: np.random.Generator, detail: int) -> Array:
    """Return colour, gloss and the chart, (6, rows, columns), on the grid `head.fine(detail)`."""
    i = head.identity
    level, angle = head.fine(detail)
    x, y, _ = head.rings(level, angle)
    planes = np.empty((6, *x.shape), np.float32)
    planes[4:] = x, y
    front = np.broadcast_to((np.cos(angle) > 0).astype(np.float32), x.shape)
    canvas = Canvas(planes[:3], planes[3], x, y, np.abs(x), front)
    grain = noise(rng, 130, 110, x.shape)
    paint_complexion(i, canvas, grain, rng)
    paint_marks(i, canvas.between(-95, 70), rng)
    paint_lines(i, canvas, head.mouth, rng)
    paint_lips(i, canvas.between(head.mouth - 22, head.mouth + 20), head.mouth, rng)
    paint_stubble(head, canvas.between(-i.face_length - 3, -i.nose_length), hair.colour, grain)
    canvas.cover(hair.colour, hair.on_scalp(y, angle))
    paint_brows(i, canvas.between(0, 50), hair.colour, rng)
    np.clip(planes[:3], 0.002, 1, out=planes[:3])
    return planes


def paint_complexion(i: Identity, canvas: Canvas, grain: Array, rng: np.random.Generator) -> None:
    """Paint uneven skin: redder where blood is near the surface, darker around the eyes."""
    blotches = noise(rng, 44, 36, grain.shape)
    red = canvas.bump((40, -30), (17, 15)) + canvas.bump((0, -i.nose_length + 10), (14, 10))
    red += 0.4 * canvas.bump((0, -i.face_length + 14), (16, 10))
    red = 0.35 * (0.35 + i.redness) * red + 0.09 * blotches
    eye = i.eye_distance / 2
    dark = 0.30 * (0.3 + i.eye_bags) * canvas.bump((eye - 3, -12), (13, 5))
    dark += 0.22 * canvas.bump((eye, 6), (15, 7)) + 0.25 * canvas.bump((eye - 15, 0), (5, 7))
    canvas.colours[:] = tone(i)[:, None, None] * (1 + 0.03 * grain + 0.02 * blotches)
    canvas.tint((1.05, 0.72, 0.70), red)
    canvas.tint((0.4, 0.1, 0.15), dark)
    canvas.gloss[:] = 0.5 + 0.5 * canvas.bump((0, -20), (12, 30)) + 0.3 * canvas.bump((0, 45), (30, 20))


def paint_marks(i: Identity, canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint freckles and moles."""
    if i.freckles > 0:
        spots = smoothstep(0.55, 1.3, noise(rng, 80, 100, canvas.x.shape))
        where = canvas.bump((22, -26), (30, 20)) + 0.4 * canvas.bump((0, 30), (45, 30))
        canvas.tint((0.62, 0.46, 0.36), min(1, 0.35 + i.freckles) * spots * np.clip(where, 0, 1) * canvas.front)
    moles = rng.uniform((-48, -90, 1.2), (48, 45, 2.4), (4, 3)).tolist()
    for x, y, radius in moles[: int(i.moles)]:
        around = canvas.between(y - 5, y + 5)
        around.tint((0.3, 0.3, 0.3), bump(around.x, around.y, (x, y), (radius, radius), power=4) * around.front)


def paint_lines(i: Identity, canvas: Canvas, mouth: float, rng: np.random.Generator) -> None:
    """Paint wrinkles and the shadow of the nose."""
    brow = canvas.between(22, 85)
    waves = np.sin((brow.y - 30) / 3.6 + 1.2 * noise(rng, 3, 9, brow.x.shape))
    furrows = 0.25 * max(i.age - 0.4, 0) * np.square(np.square(np.square(waves)))
    brow.tint((0, 0, 0), furrows * brow.bump((0, 46), (44, 15), power=4) * brow.front)
    low = canvas.between(mouth - 15, 0)
    wing = i.nose_breadth / 2
    dark = (0.05 + 0.22 * i.age) * ridge(fold(i, low.side, low.y, mouth), 2.2)
    dark += 0.22 * low.bump((wing - 0.5, -i.nose_length + 5), (1.6, 6))
    low.tint((0, 0, 0), dark * low.front)
    hole = low.bump((0.5 * wing - 1.75, -i.nose_length + 0.8), (0.3 * wing - 1, 1.8), power=3)
    low.tint((0.25, 0.17, 0.16), hole * low.front)


def paint_lips(i: Identity, canvas: Canvas, mouth: float, rng: np.random.Generator) -> None:
    """Paint lips over the skin, with their gloss and the dark line where they meet."""
    half = i.mouth_breadth / 2
    above = canvas.y - mouth_line(i, canvas.side, mouth)
    upper, lower = lips(i, canvas.side)
    mask = smoothstep(half + 0.5, half - 1, canvas.side) * canvas.front
    seam = mask * ridge(above, 1.0)
    mask = mask * smoothstep(0.8, -0.8, above - upper) * smoothstep(-0.8, 0.8, above + lower)
    made_up = float(smoothstep(0.55, 1.0, i.lip_colour))
    stick = ramp(0.5 + 0.5 * i.skin_warmth, LIPSTICKS) * (1.15 - 0.5 * i.skin_tone)
    flesh = cover(tint(canvas.colours, (0.86, 0.60, 0.62)), stick, np.float32(0.75 * made_up))
    # The upper lip faces down.
    flesh *= (1 + 0.07 * noise(rng, 8, 190, above.shape)) * np.where(above > 0, np.float32(0.86), np.float32(1))
    canvas.cover(flesh, 0.9 * mask)
    canvas.tint((0.40, 0.32, 0.32), seam)
    canvas.gloss[:] += mask * (0.8 + made_up)


def paint_stubble(head: Head, canvas: Canvas, hair: Array, grain: Array) -> None:
    """Paint the shaven jaw, and the skin under a beard."""
    i = head.identity
    if i.beard == "none" and i.masculinity < 0.6:
        return
    dense = SHADOWS[i.beard] * growth(head, canvas.side, canvas.y, "full")
    if i.beard not in ("none", "stubble"):  # a beard's edge fades into the skin
        dense = np.maximum(dense, 0.8 * np.sqrt(growth(head, canvas.side, canvas.y, i.beard)))
    grain = grain[-len(canvas.y) :]
    canvas.cover(0.5 * hair, np.clip(dense * np.clip(1 + 0.5 * grain, 0.2, 1.6), 0, 0.9) * canvas.front)


def paint_brows(i: Identity, canvas: Canvas, hair: Array, rng: np.random.Generator) -> None:
    """Paint short hairs along an arch that thins out away from the nose."""
    along = (canvas.side - i.brow_gap / 2) / i.brow_length
    tilt = float(np.tan(np.radians(i.brow_tilt)))
    middle = i.brow_height + tilt * i.brow_length * (along - 0.5) + i.brow_arch * (1 - ((along - 0.62) / 0.62) ** 2)
    half = 0.5 * i.brow_thickness * (1.05 - 0.75 * np.clip(along, 0, 1) ** 1.6)
    # Strand by strand, leaning outwards.
    lattice = rng.standard_normal(120)
    hairs = np.interp((40 * along + 0.9 * canvas.y) % 119, np.arange(120), lattice).astype(np.float32)
    mask = smoothstep(1.3, -1.3, np.abs(canvas.y - middle) - half * (1 + 0.2 * hairs))
    mask = mask * smoothstep(-0.06, 0.10, along) * smoothstep(1.03, 0.85, along) * np.clip(0.85 + 0.35 * hairs, 0, 1.2)
    weight = np.clip((0.45 + 0.55 * i.brow_darkness) * mask, 0, 0.97) * canvas.front
    canvas.cover((0.75 - 0.35 * i.brow_darkness) * hair, weight)
