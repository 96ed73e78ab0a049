"""Convolution on a GPU by tiles in shared memory. Read naive_conv.py first.

All three functions are products of two matrices A (rows × depth) and B (depth × columns). Neither is ever formed:
their elements are read from x, dy or w when needed.

                            rows                    depth                   columns           A        B
    forward                 positions of y          taps · channels in      channels out      x        w
    gradient to input       positions of x          taps · channels out     channels in       dy       w
    gradient to filters     taps · channels in      positions of y          channels out      x        dy

A block of SIDE × SIDE threads computes a tile of as many results, one per thread. Its threads need the same SIDE rows
of A and SIDE columns of B. So they load a square of each into shared memory, which is fast and close to the
multipliers; each thread loads one number of each. Then every thread multiplies its row of one square by its column of
the other, and they load the next two squares. Each number from global memory is used SIDE times instead of once.

Two barriers synchronize the threads: none multiplies before all have loaded, and none loads over numbers that another
still reads. Without either there is a race condition, as lesson 22 shows.
"""

import numpy as np
from numba import cuda

from minicnn.fast.cuda import gpu
from minicnn.fast.cuda.volumes import filters, steps, volumes

SIDE = 4 if gpu.simulated() else 16  # side of a tile; the simulator runs a Python thread per element
# The gradient to the filters has few results and a long depth. So the positions are split into at most this many
# runs, each summed into its own slot, and slots are added in order, so that the result is deterministic.
MOST_SLOTS = 3 if gpu.simulated() else 64
LEAST_DEPTH = 8 if gpu.simulated() else 1024  # minimum number of positions per slot


def conv(x, w, b, window, groups, relu=False):
    y = np.empty_like(x, shape=(len(x), *window.output, w.shape[-1]), order="C")
    bias = np.zeros_like(y, shape=w.shape[-1]) if b is None else gpu.contiguous(b.astype(y.dtype, copy=False))
    arguments = volumes(x), filters(w), bias, *steps(window), relu, volumes(y)
    _launch(_forward, y.size // y.shape[-1], y.shape[-1] // groups, groups, *arguments)
    return y


def conv_gradient_to_input(dy, w, spatial, window, groups):
    dx = np.empty_like(dy, shape=(len(dy), *spatial, w.shape[-2] * groups), order="C")
    arguments = volumes(dy), filters(w), *steps(window), volumes(dx)
    _launch(_gradient_to_input, dx.size // dx.shape[-1], w.shape[-2], groups, *arguments)
    return dx


def conv_gradient_to_filters(dy, x, window, groups):
    channels, outputs = x.shape[-1] // groups, dy.shape[-1]
    positions = dy.size // outputs
    slots = max(1, min(MOST_SLOTS, positions // LEAST_DEPTH))
    parts = np.empty_like(dy, shape=(slots, window.taps * channels, outputs), order="C")
    size = volumes(parts[0].reshape(1, *window.size, channels * outputs)).shape[1:4]
    arguments = volumes(dy), volumes(x), *steps(window), size, groups, parts
    _launch(_gradient_to_filters, window.taps * channels, outputs // groups, groups * slots, *arguments)
    return parts.sum(axis=0).reshape(*window.size, channels, outputs)


def _launch(kernel, rows, columns, layers, *arguments):
    """Launch one block per tile: rows along the grid's x, the only long dimension, columns along y, and layers along z.

    Layers have separate tiles, for example groups.
    """
    blocks = gpu.blocks_for(rows, SIDE), gpu.blocks_for(columns, SIDE), layers
    gpu.launch(kernel, blocks, (SIDE, SIDE), *arguments)


# In each kernel threadIdx.x is the column, which is contiguous in memory, so that accesses of neighbouring threads are
# coalesced; threadIdx.y is the row.


@cuda.jit
def _forward(x, w, b, stride, dilation, before, relu, y):
    a_tile = cuda.shared.array((SIDE, SIDE), x.dtype)
    b_tile = cuda.shared.array((SIDE, SIDE), x.dtype)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    row = cuda.blockIdx.x * SIDE + down
    column = cuda.blockIdx.y * SIDE + across
    channels, groups = w.shape[3], cuda.gridDim.z
    outputs = w.shape[4] // groups
    first, j = cuda.blockIdx.z * channels, cuda.blockIdx.z * outputs + column
    depth = w.shape[0] * w.shape[1] * w.shape[2] * channels

    o2, rest = row % y.shape[3], row // y.shape[3]
    o1, rest = rest % y.shape[2], rest // y.shape[2]
    o0, n = rest % y.shape[1], rest // y.shape[1]
    total = x.dtype.type(0)
    for start in range(0, depth, SIDE):
        # A[row, start + across]: its tap, channel and pixel.
        c, tap = (start + across) % channels, (start + across) // channels
        k2, k1, k0 = tap % w.shape[2], tap // w.shape[2] % w.shape[1], tap // w.shape[2] // w.shape[1]
        p0 = o0 * stride[0] + k0 * dilation[0] - before[0]
        p1 = o1 * stride[1] + k1 * dilation[1] - before[1]
        p2 = o2 * stride[2] + k2 * dilation[2] - before[2]
        value = x.dtype.type(0)
        inside = 0 <= p0 < x.shape[1] and 0 <= p1 < x.shape[2] and 0 <= p2 < x.shape[3]
        if inside and n < x.shape[0] and start + across < depth:
            value = x[n, p0, p1, p2, first + c]
        a_tile[down, across] = value
        # B[start + down, column].
        c, tap = (start + down) % channels, (start + down) // channels
        k2, k1, k0 = tap % w.shape[2], tap // w.shape[2] % w.shape[1], tap // w.shape[2] // w.shape[1]
        value = x.dtype.type(0)
        if start + down < depth and column < outputs:
            value = w[k0, k1, k2, c, j]
        b_tile[down, across] = value

        cuda.syncthreads()  # wait until both squares are complete
        for k in range(SIDE):
            total += a_tile[down, k] * b_tile[k, across]
        cuda.syncthreads()  # wait until all threads have read them
    if n < y.shape[0] and column < outputs:
        total += b[j]
        if relu and total < 0:  # propagates NaN
            total = x.dtype.type(0)
        y[n, o0, o1, o2, j] = total


@cuda.jit
def _gradient_to_input(dy, w, stride, dilation, before, dx):
    a_tile = cuda.shared.array((SIDE, SIDE), dy.dtype)
    b_tile = cuda.shared.array((SIDE, SIDE), dy.dtype)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    row = cuda.blockIdx.x * SIDE + down
    column = cuda.blockIdx.y * SIDE + across
    channels, groups = w.shape[3], cuda.gridDim.z
    outputs = w.shape[4] // groups
    first, c = cuda.blockIdx.z * outputs, cuda.blockIdx.z * channels + column
    depth = w.shape[0] * w.shape[1] * w.shape[2] * outputs

    p2, rest = row % dx.shape[3], row // dx.shape[3]
    p1, rest = rest % dx.shape[2], rest // dx.shape[2]
    p0, n = rest % dx.shape[1], rest // dx.shape[1]
    total = dy.dtype.type(0)
    for start in range(0, depth, SIDE):
        # A[row, start + across]: the output, if any, whose window has this pixel under that tap.
        j, tap = (start + across) % outputs, (start + across) // outputs
        k2, k1, k0 = tap % w.shape[2], tap // w.shape[2] % w.shape[1], tap // w.shape[2] // w.shape[1]
        o0 = p0 + before[0] - k0 * dilation[0]
        o1 = p1 + before[1] - k1 * dilation[1]
        o2 = p2 + before[2] - k2 * dilation[2]
        value = dy.dtype.type(0)
        hit = o0 >= 0 and o1 >= 0 and o2 >= 0 and o0 % stride[0] + o1 % stride[1] + o2 % stride[2] == 0
        o0, o1, o2 = o0 // stride[0], o1 // stride[1], o2 // stride[2]
        inside = hit and o0 < dy.shape[1] and o1 < dy.shape[2] and o2 < dy.shape[3]
        if inside and n < dx.shape[0] and start + across < depth:
            value = dy[n, o0, o1, o2, first + j]
        a_tile[down, across] = value
        # B[start + down, column].
        j, tap = (start + down) % outputs, (start + down) // outputs
        k2, k1, k0 = tap % w.shape[2], tap // w.shape[2] % w.shape[1], tap // w.shape[2] // w.shape[1]
        value = dy.dtype.type(0)
        if start + down < depth and column < channels:
            value = w[k0, k1, k2, column, first + j]
        b_tile[down, across] = value

        cuda.syncthreads()
        for k in range(SIDE):
            total += a_tile[down, k] * b_tile[k, across]
        cuda.syncthreads()
    if n < dx.shape[0] and column < channels:
        dx[n, p0, p1, p2, c] = total


@cuda.jit
def _gradient_to_filters(dy, x, stride, dilation, before, size, groups, parts):
    """Write the partial sums of the gradient to parts: (slots, taps · channels, outputs)."""
    a_tile = cuda.shared.array((SIDE, SIDE), dy.dtype)
    b_tile = cuda.shared.array((SIDE, SIDE), dy.dtype)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    row = cuda.blockIdx.x * SIDE + down
    column = cuda.blockIdx.y * SIDE + across
    group, slot = cuda.blockIdx.z % groups, cuda.blockIdx.z // groups
    channels, outputs = x.shape[4] // groups, dy.shape[4] // groups
    at, j = group * channels + row % channels, group * outputs + column
    tap = row // channels
    k2, k1, k0 = tap % size[2], tap // size[2] % size[1], tap // size[2] // size[1]
    # The positions of this slot.
    positions = dy.shape[0] * dy.shape[1] * dy.shape[2] * dy.shape[3]
    begin, end = positions * slot // parts.shape[0], positions * (slot + 1) // parts.shape[0]

    total = dy.dtype.type(0)
    for start in range(begin, end, SIDE):
        # A[row, start + across]: the pixel under this row's tap at that position.
        position = start + across
        o2, rest = position % dy.shape[3], position // dy.shape[3]
        o1, rest = rest % dy.shape[2], rest // dy.shape[2]
        o0, n = rest % dy.shape[1], rest // dy.shape[1]
        p0 = o0 * stride[0] + k0 * dilation[0] - before[0]
        p1 = o1 * stride[1] + k1 * dilation[1] - before[1]
        p2 = o2 * stride[2] + k2 * dilation[2] - before[2]
        value = dy.dtype.type(0)
        inside = 0 <= p0 < x.shape[1] and 0 <= p1 < x.shape[2] and 0 <= p2 < x.shape[3]
        if inside and row < parts.shape[1] and position < end:
            value = x[n, p0, p1, p2, at]
        a_tile[down, across] = value
        # B[start + down, column].
        position = start + down
        o2, rest = position % dy.shape[3], position // dy.shape[3]
        o1, rest = rest % dy.shape[2], rest // dy.shape[2]
        o0, n = rest % dy.shape[1], rest // dy.shape[1]
        value = dy.dtype.type(0)
        if position < end and column < outputs:
            value = dy[n, o0, o1, o2, j]
        b_tile[down, across] = value

        cuda.syncthreads()
        for k in range(SIDE):
            total += a_tile[down, k] * b_tile[k, across]
        cuda.syncthreads()
    if row < parts.shape[1] and column < outputs:
        parts[slot, row, j] = total
