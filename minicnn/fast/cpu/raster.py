"""Compiled rasterization: loops over the triangles and the pixels that each may cover."""

import numpy as np
from numba import njit

HALF, ONE = np.float32(0.5), np.float32(1)


@njit(nogil=True, cache=True)
def raster_fill(points, part, two_sided, depth, owner, place):
    rows, columns = points.shape[1:]
    height, width = depth.shape
    for row in range(rows - 1):
        for column in range(columns - 1):
            for corner in range(2):
                r, c, step = row + corner, column + corner, 1 - 2 * corner
                ax, ay, az = points[0, r, c], points[1, r, c], points[2, r, c]
                bx, by, bz = points[0, r, c + step], points[1, r, c + step], points[2, r, c + step]
                cx, cy, cz = points[0, r + step, c], points[1, r + step, c], points[2, r + step, c]
                area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
                if area == 0 or (area < 0 and not two_sided):
                    continue
                left = max(int(np.ceil(min(ax, bx, cx) - HALF)), 0)
                right = min(int(np.floor(max(ax, bx, cx) - HALF)), width - 1)
                top = max(int(np.ceil(min(ay, by, cy) - HALF)), 0)
                bottom = min(int(np.floor(max(ay, by, cy) - HALF)), height - 1)
                if left > right or top > bottom:
                    continue
                inverse = ONE / area
                for i in range(top, bottom + 1):
                    y = np.float32(i) + HALF - ay
                    for j in range(left, right + 1):
                        x = np.float32(j) + HALF - ax
                        along = (x * (cy - ay) - y * (cx - ax)) * inverse
                        down = (y * (bx - ax) - x * (by - ay)) * inverse
                        if along >= 0 and down >= 0 and along + down <= ONE:
                            z = az + along * (bz - az) + down * (cz - az)
                            if z > depth[i, j]:
                                depth[i, j] = z
                                owner[i, j] = part
                                place[0, i, j] = r + step * down
                                place[1, i, j] = c + step * along


@njit(nogil=True, cache=True)
def raster_sample(grid, place):
    channels, rows, columns = grid.shape
    n = place.shape[1]
    values = np.empty((channels, n), grid.dtype)
    for k in range(n):
        row = min(max(place[0, k], np.float32(0)), np.float32(rows - 1))
        column = min(max(place[1, k], np.float32(0)), np.float32(columns - 1))
        r, c = min(int(row), rows - 2), min(int(column), columns - 2)
        down, along = row - np.float32(r), column - np.float32(c)
        for channel in range(channels):
            upper = grid[channel, r, c] + along * (grid[channel, r, c + 1] - grid[channel, r, c])
            lower = grid[channel, r + 1, c] + along * (grid[channel, r + 1, c + 1] - grid[channel, r + 1, c])
            values[channel, k] = upper + down * (lower - upper)
    return values
