"""Elementwise kernels, multi-threaded: one pass, into memory from the pool."""

import numpy as np
from numba import njit

from minicnn.fast.cpu import buffers, threads
from minicnn.kernels import elementwise as definition

LEAST = 1 << 15  # minimum number of elements per thread
LEAST_IN_BLOCK = 1 << 17  # for the end of a residual block, which is limited by memory
LEAST_ADDED = 1 << 18  # for sums: smaller arrays are added faster than a thread starts

# --- ReLU ---------------------------------------------------------------------------------------------------------


def relu(x):
    y = buffers.empty_like(x)
    threads.parallel(_relu_range, _pieces(x), _flat(x), y.reshape(-1))
    return y


def relu_gradient(dy, active):
    dx = buffers.empty_like(dy)
    threads.parallel(_relu_gradient_range, _pieces(dy), _flat(dy), _flat(active), dx.reshape(-1))
    return dx


def sloped(x, slope):
    """Return PReLU of x. One slope per channel is compiled, because NumPy is slow for few channels."""
    if slope.shape != x.shape[-1:] or slope.dtype != x.dtype:
        return definition.sloped(x, slope)
    y = buffers.empty(x.shape, x.dtype)
    rows = _rows(x)
    pieces = threads.split(len(rows), least=max(1, LEAST // x.shape[-1]))
    threads.parallel(_sloped_range, pieces, rows, threads.constant(slope), _writable_rows(y))
    return y


def _pieces(array):
    return threads.split(array.size, least=LEAST)


def _flat(array):
    return threads.constant(array).reshape(-1)


@njit(nogil=True, cache=True)
def _relu_range(start, stop, x, y):
    source, target = x[start:stop], y[start:stop]
    nothing = y.dtype.type(0)
    for i in range(target.size):
        target[i] = nothing if source[i] <= 0 else source[i]  # propagates NaN


@njit(nogil=True, cache=True)
def _relu_gradient_range(start, stop, dy, active, dx):
    cotangent, switch, target = dy[start:stop], active[start:stop], dx[start:stop]
    nothing = dx.dtype.type(0)
    for i in range(target.size):
        target[i] = cotangent[i] if switch[i] > 0 else nothing


@njit(nogil=True, cache=True)
def _sloped_range(start, stop, x, slope, y):
    for i in range(start, stop):
        source, target = x[i], y[i]
        for c in range(target.size):
            target[c] = source[c] if source[c] > 0 else source[c] * slope[c]


def relu_marks(y):
    rows = _rows(y)
    marks = buffers.empty((*y.shape[:-1], -(-y.shape[-1] // 8)), np.uint8)
    threads.parallel(_mark_range, threads.split(len(rows), least=LEAST // 64), rows, _writable_rows(marks))
    return marks


def marked_gradient(dy, marks):
    dx = buffers.empty_like(dy)
    rows = _rows(dy)
    arrays = rows, _rows(marks), _writable_rows(dx)
    threads.parallel(_marked_gradient_range, threads.split(len(rows), least=LEAST // 64), *arrays)
    return dx


def _rows(array):
    return threads.constant(array).reshape(-1, array.shape[-1])


def _writable_rows(array):
    return array.reshape(-1, array.shape[-1])


# Eight bytes of 0 or 1 per byte of marks.
_SPREAD = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").reshape(-1).view(np.uint64)
TOGETHER = 64  # rows of flags before packing: reading fresh writes back at another width is slow


@njit(nogil=True, cache=True)
def _mark_range(start, stop, y, marks):
    channels, groups = y.shape[1], marks.shape[1]
    flags = np.zeros((TOGETHER, 8 * groups), np.uint8)
    eights = flags.reshape(-1).view(np.uint64).reshape(TOGETHER, groups)
    for first in range(start, stop, TOGETHER):
        count = min(TOGETHER, stop - first)
        for i in range(count):
            row, flag = y[first + i], flags[i][:channels]
            for c in range(flag.size):
                flag[c] = row[c] > 0
        for i in range(count):
            eight, mark = eights[i], marks[first + i]
            for g in range(mark.size):  # the product moves byte k to bit k of the highest byte
                mark[g] = (eight[g] * np.uint64(0x0102040810204080)) >> np.uint64(56)


@njit(nogil=True, cache=True)
def _marked_gradient_range(start, stop, dy, marks, dx):
    channels, groups = dy.shape[1], marks.shape[1]
    flags = np.zeros((TOGETHER, 8 * groups), np.uint8)
    eights = flags.reshape(-1).view(np.uint64).reshape(TOGETHER, groups)
    nothing = dx.dtype.type(0)
    for first in range(start, stop, TOGETHER):
        count = min(TOGETHER, stop - first)
        for i in range(count):
            eight, mark = eights[i], marks[first + i]
            for g in range(mark.size):
                eight[g] = _SPREAD[mark[g]]
        for i in range(count):
            cotangent, flag, target = dy[first + i], flags[i][:channels], dx[first + i]
            for c in range(flag.size):
                target[c] = cotangent[c] if flag[c] else nothing


# --- sums ----------------------------------------------------------------------------------------------------------


def add(x, y, out):
    if x.size < LEAST_ADDED or (out is not None and not out.flags.c_contiguous):
        return definition.add(x, y, out)
    total = buffers.empty_like(x) if out is None else out
    arrays = threads.constant(x).reshape(-1), threads.constant(y).reshape(-1), total.reshape(-1)
    threads.parallel(_add_range, threads.split(x.size, least=LEAST_ADDED // 2), *arrays)
    return total


@njit(nogil=True, cache=True)
def _add_range(start, stop, x, y, total):
    a, b, target = x[start:stop], y[start:stop], total[start:stop]
    for i in range(target.size):
        target[i] = a[i] + b[i]


def residual(x, change, scale, relu):
    y = buffers.empty_like(x)
    arrays = threads.constant(x).reshape(-1), threads.constant(change).reshape(-1)
    threads.parallel(
        _residual_range, threads.split(x.size, least=LEAST_IN_BLOCK), *arrays, x.dtype.type(scale), relu, y.reshape(-1)
    )
    return y


@njit(nogil=True, cache=True)
def _residual_range(start, stop, x, change, scale, relu, y):
    for first in range(start, stop, 4096):  # few enough to stay in the L1 cache for ReLU
        last = min(first + 4096, stop)
        source, added, target = x[first:last], change[first:last], y[first:last]
        for i in range(target.size):
            target[i] = source[i] + scale * added[i]
        if relu:
            nothing = y.dtype.type(0)
            for i in range(target.size):
                target[i] = nothing if target[i] <= 0 else target[i]  # propagates NaN


# --- steps of optimizers: one pass over memory instead of eight ----------------------------------------------------


def sgd_step(p, gradient, v, rate, momentum, decay, nesterov):
    if not (
        p.flags.c_contiguous and (v is None or v.flags.c_contiguous)
    ):  # flattening p would copy it, and the update would be lost
        definition.sgd_step(p, gradient, v, rate, momentum, decay, nesterov)
        return
    gradient = threads.constant(np.broadcast_to(gradient, p.shape).astype(p.dtype, copy=False))
    numbers = (p.dtype.type(number) for number in (rate, momentum, decay))
    rate, momentum, decay = numbers
    pieces, flat = threads.split(p.size, least=LEAST), (p.reshape(-1), gradient.reshape(-1))
    if v is None:
        threads.parallel(_descend_range, pieces, *flat, rate, decay)
    else:
        threads.parallel(_sgd_range, pieces, *flat, v.reshape(-1), rate, momentum, decay, nesterov)


@njit(nogil=True, cache=True)
def _descend_range(start, stop, p, gradient, rate, decay):
    p, gradient = p[start:stop], gradient[start:stop]
    for i in range(p.size):
        p[i] -= rate * (gradient[i] + decay * p[i])


@njit(nogil=True, cache=True)
def _sgd_range(start, stop, p, gradient, v, rate, momentum, decay, nesterov):
    p, gradient, v = p[start:stop], gradient[start:stop], v[start:stop]
    for i in range(p.size):
        g = gradient[i] + decay * p[i]
        v[i] = momentum * v[i] + g
        p[i] -= rate * (g + momentum * v[i] if nesterov else v[i])


def adam_step(p, g, mean, square, rate, eps, beta1, beta2, low, high):
    arrays = p, mean, square
    numbers = rate, eps, beta1, beta2, low, high
    if not all(array.flags.c_contiguous for array in arrays):  # flattening would copy, and the update would be lost
        definition.adam_step(p, g, mean, square, *numbers)
        return
    g = threads.constant(g.astype(p.dtype, copy=False)).reshape(-1)
    flat = (array.reshape(-1) for array in arrays)
    threads.parallel(_adam_range, threads.split(p.size, least=LEAST), g, *flat, tuple(p.dtype.type(n) for n in numbers))


@njit(nogil=True, cache=True)
def _adam_range(start, stop, g, p, mean, square, numbers):
    rate, eps, beta1, beta2, low, high = numbers
    g, p, mean, square = g[start:stop], p[start:stop], mean[start:stop], square[start:stop]
    one = p.dtype.type(1)
    for i in range(p.size):
        mean[i] += (one - beta1) * (g[i] - mean[i])
        square[i] += (one - beta2) * (g[i] * g[i] - square[i])
        moved = p[i] - rate * mean[i] / (np.sqrt(square[i]) + eps)
        moved = low if moved < low else moved  # NaN stays NaN, and is reported
        p[i] = high if moved > high else moved
