"""The definition of Winograd's minimal filtering, by matrix products per tile. It tests the compiled kernels.

Names are those of the paper: d an input tile, g a filter, V and U their transforms, M the products, Y the outputs.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicnn.fast.cpu.winograd import A_T, B_T, INPUT, OUTPUT, G, tiles_along


def transform_filters(w):
    """Return U = G g Gᵀ for each pair of channels: (3, 3, C_in, C_out) -> (6, 6, C_in, C_out)."""
    return np.einsum("ia,abco,jb->ijco", G, w, G)


def forward(x, w, b, before, output):
    U = transform_filters(w)
    V = _both_sides(B_T, _input_tiles(x, before, output))
    M = np.einsum("nrscij,ijco->nrsoij", V, U)
    y = _untile(_both_sides(A_T, M), output)
    return y if b is None else y + b


def gradient_to_input(dy, w, before, spatial):
    """Return the gradient to the input: a convolution with filters rotated by 180° and channels swapped.

    Mirroring each input and output tile replaces the rotation, and transposing U swaps the channels. So the
    transformed filters of the forward pass are reused.
    """
    U = transform_filters(w)
    padding = tuple(2 - b for b in before)
    tiles = _input_tiles(dy, padding, spatial)[..., ::-1, ::-1]
    M = np.einsum("nrsoij,ijco->nrscij", _both_sides(B_T, tiles), U)
    return _untile(_both_sides(A_T, M)[..., ::-1, ::-1], spatial)


def gradient_to_filters(dy, x, before):
    """Return the gradient to the filters: dM = A dY Aᵀ, dU = Vᵀ dM, dg = Gᵀ dU G."""
    output = dy.shape[1:3]
    V = _both_sides(B_T, _input_tiles(x, before, output))
    dM = _both_sides(A_T.T, _output_tiles(dy))
    dU = np.einsum("nrscij,nrsoij->ijco", V, dM)
    return np.einsum("ia,ijco,jb->abco", G, dU, G)


def _both_sides(matrix, tiles):
    """Return matrix · tile · matrixᵀ for every tile: (…, a, a) -> (…, b, b)."""
    return matrix @ tiles @ matrix.T


def _input_tiles(x, before, output):
    """Return overlapping tiles of 6×6 pixels, one per 4×4 outputs: (N, rows, columns, C, 6, 6), zero outside x."""
    pads = [(0, 0)]
    for first, length, n in zip(before, output, x.shape[1:3], strict=True):
        needed = OUTPUT * tiles_along(length) + INPUT - OUTPUT
        pads.append((first, needed - n - first))
    cut = tuple(slice(max(-low, 0), n - max(-high, 0)) for (low, high), n in zip(pads[1:], x.shape[1:3], strict=True))
    padded = np.pad(x[(slice(None), *cut)], [*((max(low, 0), max(high, 0)) for low, high in pads), (0, 0)])
    return sliding_window_view(padded, (INPUT, INPUT), axis=(1, 2))[:, ::OUTPUT, ::OUTPUT]


def _output_tiles(y):
    """Return disjoint tiles of 4×4 pixels: (N, rows, columns, C, 4, 4)."""
    n, height, width, channels = y.shape
    rows, columns = tiles_along(height), tiles_along(width)
    padded = np.pad(y, [(0, 0), (0, OUTPUT * rows - height), (0, OUTPUT * columns - width), (0, 0)])
    return padded.reshape(n, rows, OUTPUT, columns, OUTPUT, channels).transpose(0, 1, 3, 5, 2, 4)


def _untile(tiles, output):
    """Return the picture of some output tiles, the inverse of _output_tiles."""
    n, rows, columns, channels = tiles.shape[:4]
    whole = tiles.transpose(0, 1, 4, 2, 5, 3).reshape(n, rows * OUTPUT, columns * OUTPUT, channels)
    return whole[:, : output[0], : output[1]]
