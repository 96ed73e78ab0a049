"""Windows of one picture, all brought to one size.

    y[n, i, j] = Σ_r Σ_c  R[i, r] · C[j, c] · x[r, c]

Row i of window n stands for the stretch of the picture that is its share of the window's height, or one pixel about its
middle where that is more; R[i, r] is the part of that stretch that lies in row r, and C does the same for columns. So
what shrinks is averaged over its area, and nothing aliases; what grows is interpolated between the middles of pixels.
x is zero outside.

Shapes: x (H, W, C); windows (N, 4) float64: left, top, right, bottom in pixels, of which the first reaches from 0 to 1;
y (N, height, width, C).

The definition: two matrix products for each window.
"""

import numpy as np

from minicnn.kernels.contract import contract, form


@contract(lambda x, windows, height, width: form(x, (len(windows), height, width, x.shape[-1])))
def crop(x, windows, height, width):
    """Return y."""
    y = np.empty((len(windows), height, width, x.shape[-1]), x.dtype)
    for n, (left, top, right, bottom) in enumerate(windows):
        rows, columns = _shares(top, bottom, height, x.shape[0]), _shares(left, right, width, x.shape[1])
        y[n] = np.einsum("ir,jc,rck->ijk", rows, columns, x, optimize=True)
    return y


def _shares(low, high, count, pixels):
    """Return (count, pixels): of each of `count` even stretches from low to high, the parts that lie in each pixel."""
    step = (high - low) / count
    middle = low + (np.arange(count)[:, None] + 0.5) * step
    reach = max(step, 1) / 2
    pixel = np.arange(pixels)
    inside = np.minimum(pixel + 1, middle + reach) - np.maximum(pixel, middle - reach)
    return np.maximum(inside, 0) / (2 * reach)
