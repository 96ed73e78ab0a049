"""A program in NumPy, step after step: the definition."""

import numpy as np

from minicnn.fast.cpu.program import CONVOLVE, LARGEST, LENGTH, MEAN

WIDTH = 16  # any would do
POOLS = {
    LARGEST: lambda windows: windows.max(axis=1),
    MEAN: lambda windows: windows.mean(axis=1),
    LENGTH: lambda windows: np.sqrt((windows**2).sum(axis=1)),
}


def width(dtype):
    return WIDTH


def run(steps, numbers, arena):
    for step in steps:
        windows = arena[_places(step, "source")[:, None, None] + _runs(step)]  # (outputs, runs, depth)
        y = _products(step, windows, numbers) if step["kind"] == CONVOLVE else POOLS[int(step["kind"])](windows)
        columns = np.arange(step["outputs"])
        if step["added"] >= 0:
            y = y + arena[_places(step, "added")[:, None] + columns]
        if step["relu"]:
            y = np.maximum(y, 0)
        arena[_places(step, "target")[:, None] + columns] = y


def _products(step, windows, numbers):
    panel, outputs = numbers[step["panels"] :], step["outputs"]
    taps, count = windows[0].size, -(-outputs // WIDTH)
    filters = panel[: count * taps * WIDTH].reshape(count, taps, WIDTH).transpose(1, 0, 2).reshape(taps, -1)
    bias = numbers[step["bias"] :][:outputs]
    return windows.reshape(len(windows), taps) @ filters[:, :outputs] + bias


def _places(step, what):
    axes = [("images", "_image"), ("height", "_line"), ("width", "_column")]
    along = [np.arange(step[size]) * step[what + part] for size, part in axes]
    return step[what] + np.add.outer(np.add.outer(*along[:2]), along[2]).reshape(-1)


def _runs(step):
    down, across = (np.arange(step[way]) * step[f"{way}_step"] for way in ("down", "across"))
    return np.add.outer(down, across).reshape(-1, 1) + np.arange(step["depth"])
