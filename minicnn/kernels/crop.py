"""Crops of one picture, all resized to one size.

    y[n, i, j] = Σ_r Σ_c  R[i, r] · C[j, c] · x[r, c]

Output row i of window n covers the interval of length (window height / height) around its centre, or one pixel if that
is more. R[i, r] is the fraction of this interval in picture row r; C does the same for columns. Downscaling therefore
averages over areas, without aliasing. Upscaling interpolates linearly between pixel centres. x is zero outside its
bounds.

Shapes: x (H, W, C), y (N, height, width, C), windows (N, 4) float64. A window is left, top, right, bottom in pixels,
where pixel 0 spans 0 to 1.

The definition: two matrix products per window.
"""

import numpy as np

from minicnn.kernels.contract import contract, form


@contract(lambda x, windows, height, width: form(x, (len(windows), height, width, x.shape[-1])))
def crop(x, windows, height, width):
    """Return y (N, height, width, C)."""
    y = np.empty((len(windows), height, width, x.shape[-1]), x.dtype)
    for n, (left, top, right, bottom) in enumerate(windows):
        rows, columns = _shares(top, bottom, height, x.shape[0]), _shares(left, right, width, x.shape[1])
        y[n] = np.einsum("ir,jc,rck->ijk", rows, columns, x, optimize=True)
    return y


def _shares(low, high, count, pixels):
    """Return weights (count, pixels): the fraction of each interval that lies in each pixel.

    The intervals divide low … high into `count` equal parts, and are extended to at least one pixel.
    """
    step = (high - low) / count
    middle = low + (np.arange(count)[:, None] + 0.5) * step
    reach = max(step, 1) / 2
    pixel = np.arange(pixels)
    inside = np.minimum(pixel + 1, middle + reach) - np.maximum(pixel, middle - reach)
    return np.maximum(inside, 0) / (2 * reach)
