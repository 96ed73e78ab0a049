"""The definition of programs: their steps in NumPy, in sequence."""

import numpy as np

from minicnn.fast.cpu.program import CONVOLVE, INTO_TILES, LARGEST, LENGTH, MEAN, OUT_OF_TILES
from minicnn.fast.cpu.winograd import A_T, B_T

WIDTH = 16  # arbitrary
POOLS = {
    LARGEST: lambda windows: windows.max(axis=1),
    MEAN: lambda windows: windows.mean(axis=1),
    LENGTH: lambda windows: np.sqrt((windows**2).sum(axis=1)),
}


def width(dtype):
    return WIDTH


def run(steps, numbers, arena):
    for step in steps:
        if step["kind"] in TILES:
            TILES[int(step["kind"])](step, numbers, arena)
            continue
        windows = arena[_places(step, "source")[:, None, None] + _runs(step)]  # (outputs, runs, depth)
        y = _products(step, windows, numbers) if step["kind"] == CONVOLVE else POOLS[int(step["kind"])](windows)
        columns = np.arange(step["outputs"])
        if step["added"] >= 0:
            y = y + arena[_places(step, "added")[:, None] + columns]
        if step["relu"]:
            y = np.maximum(y, 0)
        arena[_places(step, "target")[:, None] + columns] = y


def _into_tiles(step, numbers, arena):
    pixels = arena[_places(step, "source")[:, None, None, None] + _pixels(step, 6, 6)]  # (tiles, 6, 6, depth)
    planes = step["plane"] * np.arange(36).reshape(6, 6, 1) + np.arange(step["depth"])
    arena[_places(step, "target")[:, None, None, None] + planes] = np.einsum("ai,tijc,bj->tabc", B_T, pixels, B_T)


def _out_of_tiles(step, numbers, arena):
    depth = step["depth"]
    planes = step["plane"] * np.arange(36).reshape(6, 6, 1) + np.arange(depth)
    products = arena[_places(step, "source")[:, None, None, None] + planes]
    y = np.einsum("ai,tijc,bj->tabc", A_T, products, A_T) + numbers[step["bias"] :][:depth]
    grid = np.ndindex(step["images"], step["height"], step["width"])
    for (_, i, j), to, past, tile in zip(grid, _places(step, "target"), _places(step, "added"), y, strict=True):
        shown = tile[: step["down"] - 4 * i, : step["across"] - 4 * j]  # the rest is outside the picture
        if step["added"] >= 0:
            lines, columns = np.ix_(*(np.arange(n) for n in shown.shape[:2]))
            begin = past + lines * step["added_line"] // 4 + columns * step["added_column"] // 4
            shown = shown + arena[begin[..., None] + np.arange(depth)]
        arena[to + _pixels(step, *shown.shape[:2])] = np.maximum(shown, 0) if step["relu"] else shown


TILES = {INTO_TILES: _into_tiles, OUT_OF_TILES: _out_of_tiles}


def _pixels(step, height, width):
    """Return the offsets of a tile's pixels from its first."""
    down, across = np.arange(height) * step["down_step"], np.arange(width) * step["across_step"]
    return np.add.outer(np.add.outer(down, across), np.arange(step["depth"]))


def _products(step, windows, numbers):
    outputs, taps = step["outputs"], windows[0].size
    count = -(-outputs // WIDTH)
    found = []
    for image, own in enumerate(np.split(windows, step["images"] if step["plane"] else 1)):
        panel = numbers[step["panels"] + image * step["plane"] :][: count * taps * WIDTH]
        filters = panel.reshape(count, taps, WIDTH).transpose(1, 0, 2).reshape(taps, -1)
        found.append(own.reshape(len(own), taps) @ filters[:, :outputs])
    return np.concatenate(found) + numbers[step["bias"] :][:outputs]


def _places(step, what):
    axes = [("images", "_image"), ("height", "_line"), ("width", "_column")]
    along = [np.arange(step[size]) * step[what + part] for size, part in axes]
    return step[what] + np.add.outer(np.add.outer(*along[:2]), along[2]).reshape(-1)


def _runs(step):
    down, across = (np.arange(step[way]) * step[f"{way}_step"] for way in ("down", "across"))
    return np.add.outer(down, across).reshape(-1, 1) + np.arange(step["depth"])
