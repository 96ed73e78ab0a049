"""Programs: many layers in one compiled call, without returning to Python between them.

For a small picture, a convolution takes less time than its overhead: checking arguments, splitting the work and waking
threads. So the layers of a network are translated once into steps (program/drafts.py), tables of where to read and
write, which run in one call. All arrays are flat:

    arena     activations of all layers; each picture is surrounded by zeros as far as windows reach
    numbers   constants: filters, packed into panels, and biases, as long as the panels

A step CONVOLVE computes, for each of its outputs (n, i, j) and every filter o,

    arena[target(n, i, j) + o] = bias[o] + Σ_r Σ_k  arena[source(n, i, j) + run(r) + k] · panels[r · depth + k, o]

plus arena[added(n, i, j) + o] unless `added` is negative, clamped at zero if `relu`. A step LARGEST, MEAN or LENGTH
computes the maximum, the mean, or the root of the sum of squares over the runs, for every k.

Winograd's minimal filtering (fast/cpu/winograd) takes three steps. INTO_TILES computes V = Bᵀ d B of the 6×6 pixels of
each tile (n, i, j), from source(n, i, j) on. A step CONVOLVE of 36 images computes M[ξ] = V[ξ] U[ξ], each with its own
panels. OUT_OF_TILES computes the 4×4 outputs Aᵀ M A + bias, plus the numbers from added(n, i, j) on unless that is
negative. It clamps them at zero if `relu`, and writes those within `down` by `across` from target(n, i, j) on.

Source, target and added have the fields (first, image, line, column) for the position first + n · image + i · line +
j · column. Runs, and the pixels of a tile, are `down_step` and `across_step` apart. The 36 planes of V, M and U are
`plane` apart; in CONVOLVE that is zero if all images share the panels. Work is split into `rows` parts of the outputs
(of each image if it has its own panels) times `parts` of the panels. A step begins when the first `after` steps are
done; the ones in between may run at the same time.

    run(steps, numbers, arena)      steps: (S,) of STEP; arena is written to
    width(dtype)                    columns of a panel
"""

import numpy as np

CONVOLVE, LARGEST, MEAN, LENGTH, INTO_TILES, OUT_OF_TILES = range(6)

PLACES = ("", "_image", "_line", "_column")
FIELDS = (
    *("kind", "rows", "parts", "images", "height", "width"),
    *(what + part for what in ("source", "target", "added") for part in PLACES),
    *("down", "down_step", "across", "across_step", "depth"),
    *("outputs", "panels", "bias", "relu", "plane", "after"),
)
STEP = np.dtype([(field, np.int64) for field in FIELDS])


def pack(filters: np.ndarray, width: int) -> np.ndarray:
    """Return filters (*kernel, C_in, C_out) as panels (panels, taps · C_in, width), filled up with zeros."""
    rows = filters.reshape(-1, filters.shape[-1])
    count = -(-rows.shape[1] // width)
    wide = np.zeros((len(rows), count * width), filters.dtype)
    wide[:, : rows.shape[1]] = rows
    return np.ascontiguousarray(wide.reshape(len(rows), count, width).transpose(1, 0, 2))
