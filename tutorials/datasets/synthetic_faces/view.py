"""A camera's view of a person's parts, pixel by pixel, and the light from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minicnn.backend import kernels_for
from minicnn.datasets.synthetic_faces.camera import Camera
from minicnn.datasets.synthetic_faces.circumstances import Circumstances
from minicnn.datasets.synthetic_faces.lighting import Surface, illuminate, lamplight, recesses, sheen
from minicnn.datasets.synthetic_faces.meshes import unit
from minicnn.datasets.synthetic_faces.shapes import Array

HEAD = 1  # the number of the first part

# The surface of n pixels of a part, from their places (2, n) on its grid and their normals (3, n), as turned.
Look = Callable[[Array, Array], Surface]


class Part(NamedTuple):
    """The points and normals (3, rows, columns) of a part in front of the camera, and its look."""

    points: Array
    normals: Array
    look: Look
    two_sided: bool = False
    throws_shadow: bool = False


class View:
    """The content of each pixel: its part (`owner`, 0 for none), the place on it, and the nearness."""

    def __init__(self, size: int, parts: list[Part], camera: Camera) -> None:
        self.depth = np.zeros((size, size), np.float32)
        self.owner, self.place = np.zeros((size, size), np.uint8), np.zeros((2, size, size), np.float32)
        self._draw = kernels_for(self.depth)
        for number, part in enumerate(parts, start=HEAD):
            seen = camera.project(part.points)
            self._draw.raster_fill(seen, number, part.two_sided, self.depth, self.owner, self.place)

    def lit(self, parts: list[Part], camera: Camera, how: Circumstances) -> Array:
        """Return the light (3, size, size) that comes from the parts."""
        pixels, surface = self._surface(parts)
        y, x = np.divmod(pixels, np.int32(len(self.depth)))
        across, down = x.astype(np.float32) + np.float32(0.5), y.astype(np.float32) + np.float32(0.5)
        points = camera.unproject(across, down, self.depth.ravel()[pixels])
        # Every other row and column is enough to cast a shadow.
        throwing = [part for part in parts if part.throws_shadow]
        surfaces = [(np.ascontiguousarray(part.points[:, ::2, ::2]), part.two_sided) for part in throwing]
        arriving = lamplight(surfaces, points, how)
        hidden = recesses(self.depth, camera)[y // 2, x // 2]
        canvas = np.zeros((3, *self.depth.shape), np.float32)
        canvas.reshape(3, -1)[:, pixels] = illuminate(surface, arriving, hidden, how)
        return canvas

    def _surface(self, parts: list[Part]) -> tuple[Array, Surface]:
        """Return the pixels (n,) that show a part, part by part, and their surfaces."""
        order = np.argsort(self.owner, axis=None, kind="stable").astype(np.int32)
        edges = np.cumsum(np.bincount(self.owner.ravel(), minlength=len(parts) + HEAD))
        pixels, edges = order[edges[0] :], edges - edges[0]
        places = self.place.reshape(2, -1)[:, pixels]
        planes = np.empty((9, len(pixels)), np.float32)
        surface = Surface(planes[:3], planes[3:6], *planes[6:])
        for number, part in enumerate(parts, start=HEAD):
            mine = slice(edges[number - 1], edges[number])
            if mine.start < mine.stop:
                place = np.ascontiguousarray(places[:, mine])
                shown = part.look(place, unit(self._draw.raster_sample(part.normals, place)))
                planes[:3, mine], planes[3:6, mine] = shown.colours, shown.normals
                planes[6, mine], planes[7, mine], planes[8, mine] = shown.gloss, shown.shine, shown.flesh
        return pixels, surface

    def glaze(self, canvas: Array, lens: Array, marks: Array, how: Circumstances, scale: float) -> None:
        """Draw a lens, projected points and their marks, over the light on the canvas."""
        depth, owner, place = self.depth.copy(), np.zeros_like(self.owner), np.zeros_like(self.place)
        self._draw.raster_fill(lens, 1, True, depth, owner, place)
        y, x = np.nonzero(owner)
        if len(y):
            here = self._draw.raster_sample(marks, np.ascontiguousarray(place[:, y, x]))
            canvas[:, y, x] = 0.93 * canvas[:, y, x] + sheen(here, how, (x + y) / np.float32(scale))
