"""Drawing grids of points: the contract of its implementations.

fill(points, part, two_sided, depth, owner, place)
    The z-buffer (Catmull 1974). points (3, rows, columns) float32: x and y in pixels (the first pixel reaches from
    0 to 1) and a depth that grows towards the viewer and is linear in x and y. Every cell of the grid is two
    triangles; wherever one covers the middle of a pixel and lies before `depth` (H, W), it writes its own depth,
    `part` into `owner` (H, W) uint8, and into `place` (2, H, W) the row and column of the grid that is seen there.
    Unless `two_sided`, triangles that turn their back (rows running down, columns to the right) are left out.

sample(grid, place) -> (channels, n)
    What a grid (channels, rows, columns) holds at place (2, n), between its points: bilinear interpolation.
    Places beyond the grid take its edge.
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(array: np.ndarray) -> ModuleType:
    """The module that draws arrays like this."""
    return backend.implementation(__name__, array)
