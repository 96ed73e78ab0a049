"""The tools of sculpting and painting: bumps, steps, smooth curves, noise, and colours as light.

Colours are linear light in [0, 1], as planes (3, …): NumPy is fastest along the last axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

Array = np.ndarray
Number = Array | float | np.floating


def bump(x: Array, y: Array, middle: tuple[float, float], spread: tuple[float, float], power: int = 2) -> Array:
    """Return 1 in the middle, e⁻¹ at `spread` to the side, above or below, soon 0; a higher power is flatter."""
    across, down = (x - middle[0]) / spread[0], (y - middle[1]) / spread[1]
    return np.exp(-(np.abs(across) ** power) - np.abs(down) ** power)


def ridge(distance: Array, width: Number) -> Array:
    """Return 1 where the distance is 0, falling to 0 on either side."""
    return np.exp(-((distance / width) ** 2))


def smoothstep(start: Number, end: Number, values: Number) -> Array:
    """Return 0 on the side of `start`, 1 on the side of `end`, and an S-curve between them."""
    t = np.clip((values - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def smooth_maximum(a: Array, b: Array, blend: float) -> Array:
    """Return the larger of the two, rounded where they cross, over about the distance `blend`."""
    share = np.clip(0.5 + 0.5 * (a - b) / blend, 0, 1)
    return b + (a - b) * share + blend * share * (1 - share)


def curve(knots: Sequence[float], values: Sequence[float], at: Array) -> Array:
    """Return a smooth curve through increasing knots that never overshoots; constant beyond its ends.

    Cubic pieces with the slopes of Fritsch & Butland 1984: the harmonic mean of the neighbouring ones, 0 at an
    extremum.
    """
    x, y = np.asarray(knots, np.float32), np.asarray(values, np.float32)
    rise = np.diff(y) / np.diff(x)
    product, total = rise[1:] * rise[:-1], rise[1:] + rise[:-1]
    inner = np.where(product > 0, 2 * product / np.where(total == 0, 1, total), 0)
    slope = np.concatenate([rise[:1], inner, rise[-1:]]).astype(np.float32)
    at = np.clip(at, x[0], x[-1]).astype(np.float32)
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    width = x[k + 1] - x[k]
    t = (at - x[k]) / width
    bend = (1 - t) * (slope[k] - rise[k]) + t * (rise[k] - slope[k + 1])
    return y[k] + (y[k + 1] - y[k]) * t + width * t * (1 - t) * bend


def noise(rng: np.random.Generator, rows: int, columns: int, shape: tuple[int, int]) -> Array:
    """Return smooth noise around 0, of deviation about 0.7, with one bump per cell of a lattice of rows × columns."""
    lattice = Image.fromarray(rng.standard_normal((rows, columns), dtype=np.float32))
    return np.asarray(lattice.resize(shape[::-1], Image.Resampling.BICUBIC))


def distance_to_segment(x: Array, y: Array, start: tuple[float, float], end: tuple[float, float]) -> Array:
    """Return the distance of points in the plane from the line segment between two others."""
    along = end[0] - start[0], end[1] - start[1]
    share = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along[0] ** 2 + along[1] ** 2)
    share = np.clip(share, 0, 1)
    return np.hypot(x - start[0] - share * along[0], y - start[1] - share * along[1])


def linear(colours: Array) -> Array:
    """Return linear light from sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def palette(*codes: str) -> Array:
    """Return the light of colours such as "1d3f8f": (3, codes)."""
    return linear(np.array([tuple(bytes.fromhex(code)) for code in codes]).T / 255).astype(np.float32)


def ramp(share: float, colours: Array) -> Array:
    """Return one colour (3,) of a palette: 0 gives the first, 1 the last, with interpolation between them."""
    stops = np.linspace(0, 1, colours.shape[1])
    return np.array([np.interp(share, stops, plane) for plane in colours], np.float32)


def tint(colours: Array, factors: Sequence[float], weight: Number = 1.0) -> Array:
    """Return colours (3, …) multiplied by one factor per channel, weighted by `weight`."""
    return np.stack([plane * (1 + (factor - 1) * weight) for plane, factor in zip(colours, factors, strict=True)])


def cover(under: Array, over: Array, weight: Number) -> Array:
    """Return `over`, colours (3, …) or one colour (3,), laid on `under` with `weight` as its opacity."""
    if over.ndim == 1:
        over = over.reshape(3, *[1] * (under.ndim - 1))
    return under + (over - under) * weight
