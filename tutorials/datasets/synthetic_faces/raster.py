"""The two contracts that draw grids of points. The definition draws triangle by triangle, all pixels of one at once."""

import numpy as np

from minicnn.kernels.contract import contract, form


@contract()
def raster_fill(points, part, two_sided, depth, owner, place):
    """Draw a grid of points into the z-buffer `depth`, in place (Catmull 1974).

    points (3, rows, columns) float32: x and y in pixels (the first pixel reaches from 0 to 1) and a depth that grows
    towards the viewer and is linear in x and y. Every cell of the grid is two triangles. Where a triangle covers the
    centre of a pixel and lies in front of `depth` (H, W), it writes its depth there, `part` into `owner` (H, W) uint8,
    and the row and column of the grid into `place` (2, H, W). Unless `two_sided`, triangles that face away (rows run
    down, columns to the right) are left out.
    """
    rows, columns = points.shape[1:]
    for row in range(rows - 1):
        for column in range(columns - 1):
            for corner in (0, 1):
                # The corner at the right angle, and its neighbours along the row and along the column.
                r, c, step = row + corner, column + corner, 1 - 2 * corner
                triangle = points[:, r, c], points[:, r, c + step], points[:, r + step, c]
                _fill_triangle(triangle, (r, c, step), part, two_sided, depth, owner, place)


def _fill_triangle(triangle, where, part, two_sided, depth, owner, place):
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = triangle
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0 or (area < 0 and not two_sided):
        return
    height, width = depth.shape
    left, right = max(int(np.ceil(min(ax, bx, cx) - 0.5)), 0), min(int(np.floor(max(ax, bx, cx) - 0.5)), width - 1)
    top, bottom = max(int(np.ceil(min(ay, by, cy) - 0.5)), 0), min(int(np.floor(max(ay, by, cy) - 0.5)), height - 1)
    if left > right or top > bottom:
        return
    window = np.s_[top : bottom + 1, left : right + 1]
    x = np.arange(left, right + 1, dtype=np.float32) + np.float32(0.5) - ax
    y = (np.arange(top, bottom + 1, dtype=np.float32) + np.float32(0.5) - ay)[:, None]
    along = (x * (cy - ay) - y * (cx - ax)) / area
    down = (y * (bx - ax) - x * (by - ay)) / area
    z = az + along * (bz - az) + down * (cz - az)
    seen = (along >= 0) & (down >= 0) & (along + down <= 1) & (z > depth[window])
    r, c, step = where
    depth[window][seen] = z[seen]
    owner[window][seen] = part
    place[0][window][seen] = (r + step * down)[seen]
    place[1][window][seen] = (c + step * along)[seen]


@contract(lambda grid, place: form(grid, (len(grid), place.shape[1])))
def raster_sample(grid, place):
    """Return a grid (channels, rows, columns) sampled at place (2, n), bilinearly: (channels, n).

    Places beyond the grid take its edge.
    """
    rows, columns = grid.shape[1:]
    row, column = np.clip(place[0], 0, rows - 1), np.clip(place[1], 0, columns - 1)
    r, c = np.minimum(row.astype(int), rows - 2), np.minimum(column.astype(int), columns - 2)
    down, along = row - r, column - c
    upper = grid[:, r, c] + along * (grid[:, r, c + 1] - grid[:, r, c])
    lower = grid[:, r + 1, c] + along * (grid[:, r + 1, c + 1] - grid[:, r + 1, c])
    return upper + down * (lower - upper)
