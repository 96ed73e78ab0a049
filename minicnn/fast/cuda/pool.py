"""Pooling on a GPU: one thread per output forward, and one per input backward, which gathers from its windows.

Windows overlap little and are read in memory order, so the kernels are limited by memory and tiles would not help.
Signals, pictures and volumes are all reshaped to three dimensions.
"""

import numpy as np
from numba import cuda

from minicnn.fast.cuda import gpu
from minicnn.kernels.pool import switch_dtype

THREADS = 16 if gpu.simulated() else 256  # threads per block


def max_pool(x, window):
    y = np.empty_like(x, shape=(len(x), *window.output, x.shape[-1]), order="C")
    switches = np.empty_like(y, switch_dtype(window))
    _launch(_max_forward, y.size, _volumes(x), *_in_3d(window), _volumes(y), _volumes(switches))
    return y, switches


def max_pool_gradient(dy, switches, spatial, window):
    dx = np.empty_like(dy, shape=(len(dy), *spatial, dy.shape[-1]), order="C")
    _launch(_max_gradient, dx.size, _volumes(dy), _volumes(switches), *_in_3d(window), _volumes(dx))
    return dx


def avg_pool(x, window, count_padding):
    y = np.empty_like(x, shape=(len(x), *window.output, x.shape[-1]), order="C")
    _launch(_avg_forward, y.size, _volumes(x), *_in_3d(window), count_padding, _volumes(y))
    return y


def avg_pool_gradient(dy, spatial, window, count_padding):
    dx = np.empty_like(dy, shape=(len(dy), *spatial, dy.shape[-1]), order="C")
    _launch(_avg_gradient, dx.size, _volumes(dy), *_in_3d(window), count_padding, _volumes(dx))
    return dx


def _launch(kernel, count, *arguments):
    gpu.launch(kernel, gpu.blocks_for(count, THREADS), THREADS, *arguments)


def _volumes(array):
    n, *spatial, channels = array.shape
    return gpu.contiguous(array).reshape(n, *(1,) * (3 - len(spatial)), *spatial, channels)


def _in_3d(window):
    """Return size, stride and leading padding for three dimensions."""
    missing = 3 - len(window.size)
    return (1,) * missing + window.size, (1,) * missing + window.stride, (0,) * missing + window.before


@cuda.jit(device=True)
def _place(number, shape):
    """Return the indices (n, i, j, k, c) of an element by its number."""
    c, rest = number % shape[4], number // shape[4]
    i2, rest = rest % shape[3], rest // shape[3]
    i1, rest = rest % shape[2], rest // shape[2]
    return rest // shape[1], rest % shape[1], i1, i2, c


@cuda.jit(device=True)
def _inside(o, size, stride, before, length):
    """Return the number of taps of output o that lie on pixels, along one dimension."""
    first = o * stride - before
    return min(first + size, length) - max(first, 0)


@cuda.jit
def _max_forward(x, size, stride, before, y, switches):
    number = cuda.grid(1)
    if number >= y.size:
        return
    n, o0, o1, o2, c = _place(number, y.shape)
    best = x.dtype.type(0)
    winner = -1
    for k0 in range(size[0]):
        p0 = o0 * stride[0] + k0 - before[0]
        for k1 in range(size[1]):
            p1 = o1 * stride[1] + k1 - before[1]
            for k2 in range(size[2]):
                p2 = o2 * stride[2] + k2 - before[2]
                if 0 <= p0 < x.shape[1] and 0 <= p1 < x.shape[2] and 0 <= p2 < x.shape[3]:
                    value = x[n, p0, p1, p2, c]
                    shows_nan = value != value and best == best
                    if winner < 0 or value > best or shows_nan:  # ties keep the first
                        best = value
                        winner = (k0 * size[1] + k1) * size[2] + k2
    y[n, o0, o1, o2, c] = best
    switches[n, o0, o1, o2, c] = max(winner, 0)


@cuda.jit
def _max_gradient(dy, switches, size, stride, before, dx):
    number = cuda.grid(1)
    if number >= dx.size:
        return
    n, p0, p1, p2, c = _place(number, dx.shape)
    total = dx.dtype.type(0)
    for k0 in range(size[0]):
        o0 = p0 + before[0] - k0  # o · stride, if tap k of a window covers this pixel
        if o0 < 0 or o0 % stride[0] or o0 // stride[0] >= dy.shape[1]:
            continue
        for k1 in range(size[1]):
            o1 = p1 + before[1] - k1
            if o1 < 0 or o1 % stride[1] or o1 // stride[1] >= dy.shape[2]:
                continue
            for k2 in range(size[2]):
                o2 = p2 + before[2] - k2
                if o2 < 0 or o2 % stride[2] or o2 // stride[2] >= dy.shape[3]:
                    continue
                q0, q1, q2 = o0 // stride[0], o1 // stride[1], o2 // stride[2]
                if switches[n, q0, q1, q2, c] == (k0 * size[1] + k1) * size[2] + k2:
                    total += dy[n, q0, q1, q2, c]
    dx[n, p0, p1, p2, c] = total


@cuda.jit
def _avg_forward(x, size, stride, before, count_padding, y):
    number = cuda.grid(1)
    if number >= y.size:
        return
    n, o0, o1, o2, c = _place(number, y.shape)
    total = x.dtype.type(0)
    for k0 in range(size[0]):
        p0 = o0 * stride[0] + k0 - before[0]
        for k1 in range(size[1]):
            p1 = o1 * stride[1] + k1 - before[1]
            for k2 in range(size[2]):
                p2 = o2 * stride[2] + k2 - before[2]
                if 0 <= p0 < x.shape[1] and 0 <= p1 < x.shape[2] and 0 <= p2 < x.shape[3]:
                    total += x[n, p0, p1, p2, c]
    count = size[0] * size[1] * size[2]
    if not count_padding:
        count = _inside(o0, size[0], stride[0], before[0], x.shape[1])
        count *= _inside(o1, size[1], stride[1], before[1], x.shape[2])
        count *= _inside(o2, size[2], stride[2], before[2], x.shape[3])
    y[n, o0, o1, o2, c] = total / x.dtype.type(count)


@cuda.jit
def _avg_gradient(dy, size, stride, before, count_padding, dx):
    number = cuda.grid(1)
    if number >= dx.size:
        return
    n, p0, p1, p2, c = _place(number, dx.shape)
    total = dx.dtype.type(0)
    for k0 in range(size[0]):
        o0 = p0 + before[0] - k0
        if o0 < 0 or o0 % stride[0] or o0 // stride[0] >= dy.shape[1]:
            continue
        for k1 in range(size[1]):
            o1 = p1 + before[1] - k1
            if o1 < 0 or o1 % stride[1] or o1 // stride[1] >= dy.shape[2]:
                continue
            for k2 in range(size[2]):
                o2 = p2 + before[2] - k2
                if o2 < 0 or o2 % stride[2] or o2 // stride[2] >= dy.shape[3]:
                    continue
                q0, q1, q2 = o0 // stride[0], o1 // stride[1], o2 // stride[2]
                count = size[0] * size[1] * size[2]
                if not count_padding:
                    count = _inside(q0, size[0], stride[0], before[0], dx.shape[1])
                    count *= _inside(q1, size[1], stride[1], before[1], dx.shape[2])
                    count *= _inside(q2, size[2], stride[2], before[2], dx.shape[3])
                total += dy[n, q0, q1, q2, c] / dx.dtype.type(count)
    dx[n, p0, p1, p2, c] = total
