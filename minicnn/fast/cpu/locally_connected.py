"""Locally connected layers over the threads, some rows of positions at a time, so that what lies under their windows
stays in the cache: for 32 pictures the definition copies twice as much as there are weights.

The products are those of the definition, so there is nothing to compile.
"""

import dataclasses
import math

import numpy as np

from minicnn.fast.cpu import blas, buffers, threads
from minicnn.kernels import locally_connected as definition
from minicnn.kernels.locally_connected import columns, matrices, positions_first

BLOCK_BYTES = 1 << 20  # half of a common L2 cache


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
    # Each piece sums into its own slot, and the slots are added in order: the same bits for any number of threads.
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
    """out = a @ b."""
    if a.shape[-1] == 1:  # one picture: for so thin a product NumPy's matmul is four times as slow
        np.multiply(a, b, out=out)
    else:
        np.matmul(a, b, out=out)


def _blocks(start, stop, x, window):
    """Rows start … stop of the output, some at a time: which rows, which rows of x they see, and their window."""
    step, size = window.stride[0], window.size[0]
    positions_of_a_row = math.prod(window.output[1:])
    together = max(1, BLOCK_BYTES // (len(x) * positions_of_a_row * window.taps * x.shape[-1] * x.itemsize))
    for first in range(start, stop, together):
        last = min(first + together, stop)
        part = dataclasses.replace(window, output=(last - first, *window.output[1:]))
        yield slice(first, last), slice(first * step, (last - 1) * step + size), part
