"""Locally connected layers, multi-threaded, in blocks of rows whose windows stay in the cache.

For 32 pictures the definition copies twice as many numbers as there are weights. The products are the same as in the
definition, so there is nothing to compile.
"""

import dataclasses
import math

import numpy as np

from minicnn.fast.cpu import blas, buffers, threads
from minicnn.kernels import locally_connected as definition
from minicnn.kernels.locally_connected import columns, matrices, positions_first

BLOCK_BYTES = 1 << 20  # half of a typical L2 cache


def locally_connected(x, w, window):
    y = buffers.empty((len(x), *window.output, w.shape[-1]), x.dtype)

    def some_rows(start, stop):
        for rows, here, part in _blocks(start, stop, x, window):
            y[:, rows] = definition.locally_connected(x[:, here], w[rows], part)

    blas.parallel_with_blas(some_rows, threads.split(window.output[0]))
    return y


def locally_connected_gradient_to_input(dy, w, spatial, window):
    x_shape = len(dy), *spatial, w.shape[-2]
    pieces = [(i, *piece) for i, piece in enumerate(threads.split(window.output[0], most=8))]
    # Each piece sums into its own slot, and slots are added in order, so the result is bit-identical for any threads.
    slots = np.zeros((len(pieces), *x_shape), dy.dtype)

    def some_rows(slot, start, stop):
        dx = slots[slot]
        for rows, here, part in _blocks(start, stop, dx, window):
            region = dx[:, here]
            region += definition.locally_connected_gradient_to_input(dy[:, rows], w[rows], region.shape[1:-1], part)

    blas.parallel_with_blas(some_rows, pieces)
    return slots.sum(axis=0)


def locally_connected_gradient_to_filters(dy, x, window):
    dw = buffers.empty((*window.output, *window.size, x.shape[-1], dy.shape[-1]), dy.dtype)
    targets = matrices(dw)

    def some_rows(start, stop):
        for rows, here, part in _blocks(start, stop, x, window):
            patches = np.swapaxes(columns(x[:, here], part), -1, -2)
            _multiply(patches, positions_first(dy[:, rows], part), targets[rows])

    blas.parallel_with_blas(some_rows, threads.split(window.output[0]))
    return dw


def _multiply(a, b, out):
    """Write a @ b to out."""
    if a.shape[-1] == 1:  # one picture: NumPy's matmul is four times slower for such a thin product
        np.multiply(a, b, out=out)
    else:
        np.matmul(a, b, out=out)


def _blocks(start, stop, x, window):
    """Yield blocks of output rows start … stop: the rows, the rows of x that they read, and their window."""
    step, size = window.stride[0], window.size[0]
    positions_of_a_row = math.prod(window.output[1:])
    together = max(1, BLOCK_BYTES // (len(x) * positions_of_a_row * window.taps * x.shape[-1] * x.itemsize))
    for first in range(start, stop, together):
        last = min(first + together, stop)
        part = dataclasses.replace(window, output=(last - first, *window.output[1:]))
        yield slice(first, last), slice(first * step, (last - 1) * step + size), part
