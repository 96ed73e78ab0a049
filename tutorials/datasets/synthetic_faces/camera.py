"""The camera: the projection of points into the picture, and the conversion of light to pixels."""

from __future__ import annotations

import math

import numpy as np

from minicnn.datasets.synthetic_faces.circumstances import REFERENCE_SIZE, Circumstances
from minicnn.datasets.synthetic_faces.shapes import Array

DISTANCE = 1150.0  # from the camera to the axis of the head, in millimetres
FIELD = 272.0  # millimetres that the picture spans at that distance


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """Return the matrix (3, 3) that turns a head by these degrees: first to the side, then down, then over."""
    (a, b, c), (sa, sb, sc) = ([f(math.radians(turn)) for turn in (yaw, pitch, roll)] for f in (math.cos, math.sin))
    to_side = np.array([[a, 0, sa], [0, 1, 0], [-sa, 0, a]])
    down = np.array([[1, 0, 0], [0, b, -sb], [0, sb, b]])
    over = np.array([[c, -sc, 0], [sc, c, 0], [0, 0, 1]])
    return (over @ down @ to_side).astype(np.float32)


class Camera:
    """A pinhole camera of `size` × `size` pixels, with the point `centre` (3,) in the middle of the picture."""

    def __init__(self, size: int, scale: float, centre: Array) -> None:
        self.scale = size / FIELD * scale  # pixels per millimetre, at the axis of the head
        near = DISTANCE / (DISTANCE - centre[2])
        self.x0 = size / 2 - self.scale * float(centre[0] * near)
        self.y0 = size / 2 + self.scale * float(centre[1] * near)

    def project(self, points: Array) -> Array:
        """Return x and y in pixels of points (3, …), and their nearness: 1 at the axis, more in front of it."""
        near = DISTANCE / (DISTANCE - points[2])
        return np.stack([self.x0 + self.scale * near * points[0], self.y0 - self.scale * near * points[1], near])

    def unproject(self, x: Array, y: Array, near: Array) -> Array:
        """Return the points (3, …) of a projection."""
        scale = self.scale * near
        return np.stack([(x - self.x0) / scale, (self.y0 - y) / scale, DISTANCE - DISTANCE / near])


def develop(light: Array, how: Circumstances, rng: np.random.Generator) -> Array:
    """Return light (3, size, size) as a picture (size, size, 3) uint8, with focus, exposure, tone and noise."""
    from scipy.ndimage import gaussian_filter

    size = light.shape[-1]
    if how.blur > 0:
        sigma = how.blur * size / REFERENCE_SIZE
        light = gaussian_filter(light, (0, sigma, sigma), truncate=3.0)
    tones = 1 - np.exp(-2.1 * how.exposure * light)  # highlights fade into white, as on film
    tones = 0.5 + how.contrast * (tones ** (1 / 2.2) - 0.5)
    if how.noise:
        tones = tones + how.noise * rng.standard_normal(tones.shape, dtype=np.float32)
    picture = np.rint(255 * np.clip(tones, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(picture.transpose(1, 2, 0))
