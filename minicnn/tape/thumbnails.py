"""Arrays as the page carries them: whole if small, otherwise as statistics and a picture of fewer cells."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

SIDE = 28  # cells per side of a cut tile
MOST_TILES = 12
ZERO, NOT_FINITE = 127, 255  # values of the cells, which are bytes: 0 … 254 for −scale … scale


def picture_of(array: np.ndarray, room: int, *, filters: bool = False) -> dict[str, Any]:
    """Return plain data, about `room` bytes as text. filters: the array is a convolution's (*kernel, C_in, C_out)."""
    facts = _facts(array) | {"plane": plane_of(array.ndim, filters)}
    kind = "<f4" if array.dtype == np.float32 else "<f8"
    if array.size * np.dtype(kind).itemsize * 4 // 3 <= room or array.size <= 1:
        return facts | {"whole": _text(array.astype(kind)), "bytes": np.dtype(kind).itemsize}
    return facts | _cells(array, facts["plane"], facts["scale"], room * 3 // 4)


def plane_of(axes: int, filters: bool = False) -> tuple[int, int]:
    """Return the two axes that a tile shows: the last two spatial ones, or else the last two."""
    if filters and axes >= 4:
        return axes - 4, axes - 3
    return (axes - 3, axes - 2) if axes >= 4 else (max(axes - 2, 0), max(axes - 1, 0))


def _facts(array: np.ndarray) -> dict[str, Any]:
    """Return shape, dtype and statistics. Numbers that are not finite are counted, and left out of the statistics."""
    values = array.astype(np.float64).ravel()
    finite = values[np.isfinite(values)]
    some = finite if finite.size else np.zeros(1)
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = float(some.std())
    return {
        "shape": list(array.shape),
        "size": array.size,
        "type": str(array.dtype),
        "low": float(some.min()),
        "high": float(some.max()),
        "mean": float(some.mean()),
        "deviation": deviation if math.isfinite(deviation) else 0.0,
        "zeros": float(np.mean(some == 0)) if finite.size else 0.0,
        "bad": int(values.size - finite.size),
        "scale": float(np.abs(some).max()),
    }


def _cells(array: np.ndarray, plane: tuple[int, int], scale: float, room: int) -> dict[str, Any]:
    """Return the first tiles, each cell the mean of the elements it covers."""
    axes = array.ndim
    flat, (down, across) = (array.reshape(1, -1), (0, 1)) if axes == 1 else (array, plane)
    others = [i for i in range(flat.ndim) if i not in (down, across)]
    tiles = np.moveaxis(flat, (down, across), (-2, -1)).reshape(-1, flat.shape[down], flat.shape[across])
    side = max(2, min(SIDE, math.isqrt(room)))
    rows, columns = (edges_of(n, min(n, side)) for n in tiles.shape[1:])
    count = max(1, min(len(tiles), MOST_TILES, room // (len(rows) * len(columns))))
    means = np.stack([means_of(tile.astype(np.float64), rows, columns) for tile in tiles[:count]])
    with np.errstate(invalid="ignore"):
        levels = np.rint(means / (scale or 1) * ZERO) + ZERO
    levels = np.where(np.isfinite(levels), np.clip(levels, 0, 2 * ZERO), NOT_FINITE).astype(np.uint8)
    starts: list[list[int]] = []
    for i in np.ndindex(*(flat.shape[k] for k in others)):
        if len(starts) == count:
            break
        start = [0] * axes
        for axis, at in zip(others, i, strict=True):
            start[axis] = at
        starts.append(start)
    high, wide = (math.ceil(n / len(edges)) for n, edges in zip(tiles.shape[1:], (rows, columns), strict=True))
    told = f"each cell is the mean of {high} × {wide}" if high * wide > 1 else ""
    if count < len(tiles):
        told = f"the first {count} of {len(tiles)} tiles{'; ' if told else ''}{told}"
    return {
        "cells": _text(levels),
        "grid": [len(rows), len(columns)],
        "rows": rows.tolist(),
        "columns": columns.tolist(),
        "starts": starts,
        "note": told,
    }


def edges_of(length: int, parts: int) -> np.ndarray:
    """Return the start of each of `parts` equal parts."""
    return np.arange(parts) * length // parts


def means_of(tile: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the mean of each part of a tile."""
    sums = np.add.reduceat(np.add.reduceat(tile, rows, axis=0), columns, axis=1)
    heights = np.diff(rows, append=tile.shape[0])
    return sums / (heights[:, None] * np.diff(columns, append=tile.shape[1]))


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
