"""Brush strokes along a flow, made of bristles that leave ridges of paint."""

import numpy as np
from PIL import Image, ImageDraw

from minicnn.datasets.paintings.materials import Array


class Easel:
    """A canvas whose fourth channel is the height of the paint, so that one pass draws colour and relief."""

    def __init__(self, size: int, ground: Array) -> None:
        self.size = size
        self.image = Image.new("RGBA", (size, size), loaded(ground, height=0.25))
        self.pen = ImageDraw.Draw(self.image)

    def fill(self, corners: Array, colour: Array) -> None:
        """Fill a polygon with thin paint."""
        self.pen.polygon((corners * self.size).ravel().tolist(), fill=loaded(colour, height=0.4))

    def paint(self, rng: np.random.Generator, paths: Array, widths: Array, colours: Array, bristles: int = 7) -> None:
        """Draw strokes in order: paths (n, points, 2), widths (n,), colours (n, 3)."""
        count, across = len(paths), np.linspace(-0.5, 0.5, bristles)
        rows = spread_bristles(rng, paths, widths, across)
        tones = rng.normal(1, 0.13, (count, bristles, 1))
        # A brush pushes the paint outwards, so it is highest at the edges of the stroke.
        heights = 0.45 + 0.8 * across**2 + rng.normal(0, 0.16, (count, bristles))
        inks = np.concatenate([colours[:, None] * tones, heights[..., None]], axis=-1)
        inks = (255 * np.clip(inks, 0, 1)).astype(int).reshape(-1, 4)
        # 1.5 times their spacing, so that neighbours overlap.
        thickness = np.rint(1.5 * widths * self.size / bristles).clip(1).astype(int).repeat(bristles)
        lines = (rows * self.size).reshape(count * bristles, -1)
        for line, ink, width in zip(lines.tolist(), inks.tolist(), thickness.tolist(), strict=True):
            self.pen.line(line, fill=tuple(ink), width=width)

    def lit(self, relief: float) -> Array:
        """Return the painting in a raking light from the upper left, which brings out every ridge."""
        from scipy.ndimage import gaussian_filter

        pixels = np.asarray(self.image, dtype=np.float32) / 255
        down, right = np.gradient(gaussian_filter(pixels[..., 3], 0.0016 * self.size))
        shade = np.tanh(-(down + right) * self.size / 512 * relief)[..., None]
        colours = pixels[..., :3] * (1 + np.where(shade > 0, 0.5, 0.4) * shade)
        return colours + 0.12 * np.maximum(shade, 0) ** 2


def loaded(colour: Array, height: float) -> tuple[int, ...]:
    """Return a colour and the height of its paint, in Pillow's form."""
    return tuple(int(255 * channel) for channel in (*colour, height))


def spread_bristles(rng: np.random.Generator, paths: Array, widths: Array, across: Array) -> Array:
    """Return the path of every bristle, (n, bristles, points, 2): side by side, with ragged ends."""
    tangents = np.gradient(paths, axis=1)
    normals = np.stack([-tangents[..., 1], tangents[..., 0]], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    along = np.linspace(-1, 1, paths.shape[1])
    pressure = np.sqrt(1 - 0.75 * along**4)  # lower at both ends of the stroke
    aside = across[:, None] * pressure * widths[:, None, None]
    rows = paths[:, None] + normals[:, None] * aside[..., None]
    middles = rows.mean(axis=2, keepdims=True)
    return middles + (rows - middles) * rng.uniform(0.72, 1.0, (len(paths), len(across), 1, 1))


def scatter(rng: np.random.Generator, count: int) -> Array:
    """Return about `count` points, spread evenly but not regularly over the picture, in random order."""
    side = round(count**0.5)
    corners = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    return rng.permutation((corners + rng.random((side * side, 2))) / side)


def pick(field: Array, points: Array) -> Array:
    """Return the values of a field at the given points, each from the nearest cell."""
    size = len(field)
    cells = np.clip((points * size).astype(int), 0, size - 1)
    return field[cells[..., 1], cells[..., 0]]


def follow(starts: Array, flow: Array, lengths: Array, steps: int = 4) -> Array:
    """Return paths of the given lengths through the starting points, `steps` steps along the flow either way."""
    halves: dict[int, list[Array]] = {-1: [], 1: []}
    for way, half in halves.items():
        points, stride = starts, way * lengths[:, None] / (2 * steps)
        for _ in range(steps):
            points = points + stride * pick(flow, points + stride / 2 * pick(flow, points))
            half.append(points)
    return np.stack([*halves[-1][::-1], starts, *halves[1]], axis=1)


def contours(height: Array) -> Array:
    """Return the unit vectors along the contour lines of a height map, the direction of strokes."""
    down, right = np.gradient(height)
    along = np.stack([-down, right], axis=-1)
    return along / (np.linalg.norm(along, axis=-1, keepdims=True) + 1e-12)
