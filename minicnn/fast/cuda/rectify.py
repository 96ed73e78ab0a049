"""The rectifier on a GPU. What is elementwise is CuPy's, by way of NumPy's functions; the packed marks are ours."""

import numpy as np
from numba import cuda

from minicnn import devices
from minicnn.kernels.rectify.on_numpy import forward, gradient, sloped

__all__ = ["forward", "gradient", "mark", "marked_gradient", "sloped"]

THREADS = 16 if devices.simulated() else 256  # of a block


def mark(y):
    channels = y.shape[-1]
    marks = np.empty_like(y, np.uint8, shape=(*y.shape[:-1], -(-channels // 8)), order="C")
    rows = devices.contiguous(y).reshape(-1, channels), marks.reshape(-1, marks.shape[-1])
    devices.launch(_mark, devices.blocks_for(marks.size, THREADS), THREADS, *rows)
    return marks


def marked_gradient(dy, marks):
    channels = dy.shape[-1]
    dx = np.empty_like(dy, order="C")
    rows = (devices.contiguous(array).reshape(-1, array.shape[-1]) for array in (dy, marks))
    blocks = devices.blocks_for(dx.size, THREADS)
    devices.launch(_marked_gradient, blocks, THREADS, *rows, dx.reshape(-1, channels))
    return dx


@cuda.jit
def _mark(y, marks):
    """A thread a byte, so that no two write to one."""
    number = cuda.grid(1)
    if number >= marks.size:
        return
    row, byte = number // marks.shape[1], number % marks.shape[1]
    bits = 0
    for c in range(8 * byte, min(8 * byte + 8, y.shape[1])):
        if y[row, c] > 0:
            bits |= 1 << (c - 8 * byte)
    marks[row, byte] = bits


@cuda.jit
def _marked_gradient(dy, marks, dx):
    number = cuda.grid(1)
    if number >= dx.size:
        return
    row, c = number // dx.shape[1], number % dx.shape[1]
    value = dx.dtype.type(0)
    if marks[row, c // 8] >> (c % 8) & 1:
        value = dy[row, c]
    dx[row, c] = value
