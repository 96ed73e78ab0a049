"""A step of Adam and the clip in one pass over the picture, a thread a number."""

import math

from numba import cuda

from minicnn import devices
from minicnn.kernels.pixel_step import on_numpy

THREADS = 16 if devices.simulated() else 256  # of a block


def move(p, g, mean, square, rate, eps, beta1, beta2, low, high):
    arrays = p, mean, square
    numbers = rate, eps, beta1, beta2, low, high
    if not all(array.flags.c_contiguous for array in arrays):  # a flat one would be a copy, and moved in vain
        on_numpy.move(p, g, mean, square, *numbers)
        return
    g = devices.contiguous(g.astype(p.dtype, copy=False)).reshape(-1)
    flat = (array.reshape(-1) for array in arrays)
    blocks = devices.blocks_for(p.size, THREADS)
    # The numbers are of the arrays' own kind: a Python float would draw the arithmetic into float64.
    devices.launch(_move, blocks, THREADS, g, *flat, *(p.dtype.type(number) for number in numbers))


@cuda.jit
def _move(g, p, mean, square, rate, eps, beta1, beta2, low, high):
    i = cuda.grid(1)
    if i >= p.size:
        return
    one = p.dtype.type(1)
    m = mean[i] + (one - beta1) * (g[i] - mean[i])
    v = square[i] + (one - beta2) * (g[i] * g[i] - square[i])
    moved = p[i] - rate * m / (p.dtype.type(math.sqrt(v)) + eps)
    if moved < low:  # a NaN stays one, and is reported
        moved = low
    if moved > high:
        moved = high
    mean[i], square[i], p[i] = m, v, moved
