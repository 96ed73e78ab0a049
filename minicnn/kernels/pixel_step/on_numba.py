"""A step of Adam and the clip in one pass over the picture, over the threads."""

import numpy as np
from numba import njit

from minicnn import backend
from minicnn.kernels.pixel_step import on_numpy

LEAST = 1 << 15  # elements a thread takes at least


def move(p, g, mean, square, rate, eps, beta1, beta2, low, high):
    arrays = p, mean, square
    numbers = rate, eps, beta1, beta2, low, high
    if not all(array.flags.c_contiguous for array in arrays):  # a flat one would be a copy, and moved in vain
        on_numpy.move(p, g, mean, square, *numbers)
        return
    g = backend.constant(g.astype(p.dtype, copy=False)).reshape(-1)
    flat = (array.reshape(-1) for array in arrays)
    backend.parallel(_move_range, backend.split(p.size, least=LEAST), g, *flat, tuple(p.dtype.type(n) for n in numbers))


@njit(nogil=True, cache=True)
def _move_range(start, stop, g, p, mean, square, numbers):
    rate, eps, beta1, beta2, low, high = numbers
    g, p, mean, square = g[start:stop], p[start:stop], mean[start:stop], square[start:stop]
    one = p.dtype.type(1)
    for i in range(p.size):
        mean[i] += (one - beta1) * (g[i] - mean[i])
        square[i] += (one - beta2) * (g[i] * g[i] - square[i])
        moved = p[i] - rate * mean[i] / (np.sqrt(square[i]) + eps)
        moved = low if moved < low else moved  # a NaN stays one, and is reported
        p[i] = high if moved > high else moved
