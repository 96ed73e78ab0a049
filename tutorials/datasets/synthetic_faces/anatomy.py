"""The head of a person: level rings around an upright axis, with a relief added to them."""

from __future__ import annotations

import functools
import math

import numpy as np

from minicnn.datasets.synthetic_faces import features
from minicnn.datasets.synthetic_faces.identity import Identity
from minicnn.datasets.synthetic_faces.meshes import uneven
from minicnn.datasets.synthetic_faces.shapes import Array, smoothstep

ROWS, COLUMNS = 116, 87
LAST_LEVEL = 14
# The extent of the grid around the head, in radians: the camera never sees beyond it.
HALF_TURN = math.radians(135)


class Head:
    """The surface of a head and its movements.

    points (3, rows, columns): at rest. moves: by name of an expression, the displacement of the points per unit.
    chart (2, rows, columns): x and y without relief, in which features are placed, sculpted and painted.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.mouth = -identity.nose_length - identity.mouth_height * (identity.face_length - identity.nose_length)
        self._rings = _levels(identity, self.mouth)
        self.level, self.angle = _level_grid(), _angle_grid()
        x, y, z = self.rings(self.level, self.angle)
        self.chart = np.stack([x, y])
        side, forward = np.abs(x), smoothstep(0, 0.25, np.cos(self.angle)).astype(np.float32)
        self.points = np.stack([x, y, z + forward * features.relief(self, side, y, z)])
        self.moves = {name: move * forward for name, move in features.moves(self).items()}

    def rings(self, level: Array, angle: Array) -> Array:
        """Return x, y and z (3, levels, angles) of the smooth skull; angle 0 is the middle of the face."""
        y, half, centre, front, back = (_between_levels(level.tobytes()) @ self._rings).T[..., None]
        sine, cosine = np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)
        depth = np.where(cosine > 0, front - centre, centre - back)
        x = np.maximum(half, 0) * sine
        return np.stack(np.broadcast_arrays(x, y, centre + depth * cosine))

    def place(self, x: float, y: float) -> Array:
        """Return the row and column (2, 1) of the grid at (x, y) of the chart."""
        heights = self.chart[1, :, 0]
        row = np.interp(-y, -heights, np.arange(ROWS))
        front, (above, share) = np.flatnonzero(np.abs(self.angle) < np.pi / 2), (int(row), row % 1)
        across = (1 - share) * self.chart[0, above, front] + share * self.chart[0, above + 1, front]
        column = np.interp(x, across, front)
        return np.array([[row], [column]], np.float32)

    def fine(self, detail: int) -> tuple[Array, Array]:
        """Return levels and angles of a grid `detail` times as fine, for the paint; indices scale with it."""
        rows, columns = np.linspace(0, ROWS - 1, detail * ROWS), np.linspace(0, COLUMNS - 1, detail * COLUMNS)
        return np.interp(rows, np.arange(ROWS), self.level), np.interp(columns, np.arange(COLUMNS), self.angle)


@functools.cache
def _level_grid() -> Array:
    """Return levels that are densest from the brows to the chin."""
    return uneven(lambda level: 1 + 2.2 * np.exp(-(((level - 7.6) / 3.2) ** 4)), ROWS, 0, LAST_LEVEL)


@functools.cache
def _angle_grid() -> Array:
    """Return angles that are densest in front."""
    return uneven(lambda angle: 1 + 5 * np.exp(-((angle / 0.95) ** 4)), COLUMNS, -HALF_TURN, HALF_TURN)


@functools.lru_cache(maxsize=8)
def _between_levels(level: bytes) -> Array:
    """Return the matrix from all rings to the rings at these levels (float64): natural cubic splines."""
    from scipy.interpolate import CubicSpline

    rings = np.arange(LAST_LEVEL + 1)
    return CubicSpline(rings, np.eye(len(rings)), bc_type="natural")(np.frombuffer(level)).astype(np.float32)


def _levels(i: Identity, mouth: float) -> Array:
    """Return the rings of the skull from crown to throat, each of a front and a back half-ellipse."""
    head, cheek, jaw, chin = (b / 2 for b in (i.head_breadth, i.cheekbone_breadth, i.jaw_breadth, i.chin_breadth))
    crown, nose, bottom = i.crown_height, -i.nose_length, -i.face_length
    slope, forward = i.forehead_slope, i.chin_projection
    return np.array(
        [  # y, half breadth, and z of the widest point, the front and the back
            (crown, 0, -12, -12, -12),
            (crown - 3, 0.42 * head, -12, 26 + slope / 2, -50),
            (crown - 14, 0.72 * head, -11, 54 + slope, -80),
            (0.66 * crown, 0.93 * head, -9, 77 + slope, -99),
            (0.40 * crown, head, -6, 89 + slope / 2, -104),
            (20, 0.98 * head, 0, 93, -100),  # the brows
            (0, 0.45 * head + 0.52 * cheek, 5, 88, -94),  # the eyes
            (0.45 * nose, cheek, 8, 86, -86),  # the cheekbones
            (nose, 0.25 * jaw + 0.73 * cheek, 12, 87, -72),
            (mouth, 0.7 * jaw + 0.29 * cheek, 17, 87, -56),
            (0.5 * (mouth + bottom + 15), 0.87 * jaw + 0.08 * chin, 24, 83 + 0.5 * forward, -38),
            (bottom + 15, 0.45 * jaw + 0.55 * chin, 34, 84 + forward, -16),  # the chin
            (bottom + 5, 0.15 * jaw + 0.62 * chin, 42, 81 + forward, 4),
            (bottom, 0.36 * chin, 46, 68 + forward, 26),
            (bottom - 1, 0, 46, 46, 46),
        ],
        np.float32,
    )
