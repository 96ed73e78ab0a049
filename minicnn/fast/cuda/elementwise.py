"""Elementwise kernels on a GPU: packed marks of ReLU, and one step of Adam with clipping.

CuPy computes everything else, through NumPy's functions.
"""

import math

import numpy as np
from numba import cuda

from minicnn.fast.cuda import gpu
from minicnn.kernels import elementwise as definition

THREADS = 16 if gpu.simulated() else 256  # threads per block


def relu_marks(y):
    channels = y.shape[-1]
    marks = np.empty_like(y, np.uint8, shape=(*y.shape[:-1], -(-channels // 8)), order="C")
    rows = gpu.contiguous(y).reshape(-1, channels), marks.reshape(-1, marks.shape[-1])
    gpu.launch(_mark, gpu.blocks_for(marks.size, THREADS), THREADS, *rows)
    return marks


def marked_gradient(dy, marks):
    channels = dy.shape[-1]
    dx = np.empty_like(dy, order="C")
    rows = (gpu.contiguous(array).reshape(-1, array.shape[-1]) for array in (dy, marks))
    blocks = gpu.blocks_for(dx.size, THREADS)
    gpu.launch(_marked_gradient, blocks, THREADS, *rows, dx.reshape(-1, channels))
    return dx


@cuda.jit
def _mark(y, marks):
    """Write marks, with one thread per byte, so that no two threads write to the same byte."""
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


def adam_step(p, g, mean, square, rate, eps, beta1, beta2, low, high):
    arrays = p, mean, square
    numbers = rate, eps, beta1, beta2, low, high
    if not all(array.flags.c_contiguous for array in arrays):  # flattening would copy, and the update would be lost
        definition.adam_step(p, g, mean, square, *numbers)
        return
    g = gpu.contiguous(g.astype(p.dtype, copy=False)).reshape(-1)
    flat = (array.reshape(-1) for array in arrays)
    blocks = gpu.blocks_for(p.size, THREADS)
    # Use the arrays' dtype: a Python float would promote the arithmetic to float64.
    gpu.launch(_move, blocks, THREADS, g, *flat, *(p.dtype.type(number) for number in numbers))


@cuda.jit
def _move(g, p, mean, square, rate, eps, beta1, beta2, low, high):
    i = cuda.grid(1)
    if i >= p.size:
        return
    one = p.dtype.type(1)
    m = mean[i] + (one - beta1) * (g[i] - mean[i])
    v = square[i] + (one - beta2) * (g[i] * g[i] - square[i])
    moved = p[i] - rate * m / (p.dtype.type(math.sqrt(v)) + eps)
    if moved < low:  # NaN stays NaN, and is reported
        moved = low
    if moved > high:
        moved = high
    mean[i], square[i], p[i] = m, v, moved
