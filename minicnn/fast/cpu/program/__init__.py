"""Many layers in one call: a program, whose steps follow each other without a way back to Python.

A small picture is through a convolution in less time than it takes to begin one: to look at arguments, to cut the work
and to wake the threads. So the layers of a network are written down once as steps (program/drafts.py), numbers that
say where to read and where to write, and run as one. All arrays of numbers are flat:

    arena     what layers take and give, in one run; zeros surround each picture as far as anybody reads beyond it
    numbers   what never changes: filters, in panels of so many columns, and biases, as long as the panels

A step CONVOLVE forms, for each of its outputs (n, i, j) and every filter o,

    arena[target(n, i, j) + o] = bias[o] + Σ_r Σ_k  arena[source(n, i, j) + run(r) + k] · panels[r · depth + k, o]

plus arena[added(n, i, j) + o] unless `added` is negative, and at least zero if `relu`. A step LARGEST, MEAN or LENGTH
forms the maximum over the runs for every k instead, the mean, or the root of the sum of squares.

Winograd's minimal filtering (fast/cpu/winograd) takes three steps. INTO_TILES forms V = Bᵀ d B of the 6×6 pixels that
each tile (n, i, j) sees, from source(n, i, j) on, a step CONVOLVE of 36 images forms M[ξ] = V[ξ] U[ξ], each with panels
of its own, and OUT_OF_TILES forms the 4×4 outputs Aᵀ M A + bias, plus what stands from added(n, i, j) on unless that is
negative, at least zero if `relu`, of which those within `down` by `across` go to target(n, i, j) and on.

Of source, target and added a step has (first, image, line, column): the place is first + n · image + i · line +
j · column. Runs, and a tile's pixels, lie `down_step` and `across_step` apart, and the 36 planes of V, M and U `plane`;
in CONVOLVE that is zero where all images share the panels. Work is cut into `rows` parts of the outputs, of each image
where it has panels of its own, times `parts` of the panels, for different threads. A step begins when the
first `after` steps are done; those in between may run at the same time.

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
    """Filters (*kernel, C_in, C_out) as panels (panels, taps · C_in, width): what hangs over is zero."""
    rows = filters.reshape(-1, filters.shape[-1])
    count = -(-rows.shape[1] // width)
    wide = np.zeros((len(rows), count * width), filters.dtype)
    wide[:, : rows.shape[1]] = rows
    return np.ascontiguousarray(wide.reshape(len(rows), count, width).transpose(1, 0, 2))
