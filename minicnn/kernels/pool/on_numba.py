"""Pooling, compiled. Forward runs over outputs; the gradients run over inputs and gather from the windows that cover
each pixel, so that every element is written once, by one thread, however windows overlap.
"""

import numpy as np
from numba import njit

from minicnn import backend
from minicnn.kernels.pool import switch_dtype

LEAST_ROWS = 256  # pixels a thread takes at least: below this, handing work over costs more than the work


def max_forward(x, window):
    y = np.empty((x.shape[0], *window.output, x.shape[-1]), x.dtype)
    switches = np.empty(y.shape, switch_dtype(window))
    rows, marks = _rows(y), _rows(switches)
    backend.parallel(_max_range, _pieces(rows), _as_volumes(x), rows, marks, *_as_3d(window))
    return y, switches


def max_gradient(dy, switches, spatial, window):
    dx = np.empty((dy.shape[0], *spatial, dy.shape[-1]), dy.dtype)
    rows = _rows(dx)
    arrays = rows, _lengths_as_3d(spatial), _rows(backend.constant(dy)), _rows(switches)
    backend.parallel(_max_gradient_range, _pieces(rows), *arrays, *_as_3d(window))
    return dx


def avg_forward(x, window, count_padding):
    y = np.empty((x.shape[0], *window.output, x.shape[-1]), x.dtype)
    rows = _rows(y)
    backend.parallel(_avg_range, _pieces(rows), _as_volumes(x), rows, count_padding, *_as_3d(window))
    return y


def avg_gradient(dy, spatial, window, count_padding):
    dx = np.empty((dy.shape[0], *spatial, dy.shape[-1]), dy.dtype)
    rows = _rows(dx)
    arrays = rows, _lengths_as_3d(spatial), _rows(backend.constant(dy)), count_padding
    backend.parallel(_avg_gradient_range, _pieces(rows), *arrays, *_as_3d(window))
    return dx


def _pieces(rows):
    return backend.split(len(rows), least=LEAST_ROWS)


def _rows(array):
    return array.reshape(-1, array.shape[-1])


def _as_volumes(x):
    n, *spatial, channels = x.shape
    return backend.constant(x).reshape(n, *_lengths_as_3d(tuple(spatial)), channels)


def _lengths_as_3d(lengths):
    return (1,) * (3 - len(lengths)) + tuple(lengths)


def _as_3d(window):
    """output, size, stride and before, each with three entries."""
    zeros = (0,) * (3 - len(window.size))
    return (*(_lengths_as_3d(v) for v in (window.output, window.size, window.stride)), zeros + window.before)


@njit(nogil=True, cache=True)
def _place(row, lengths):
    """The (n, d, h, w) of a row of a flattened array."""
    w = row % lengths[2]
    row //= lengths[2]
    h = row % lengths[1]
    row //= lengths[1]
    return row // lengths[0], row % lengths[0], h, w


@njit(nogil=True, cache=True)
def _max_range(start, stop, x, y, switches, output, size, stride, before):
    _, depth, height, width, channels = x.shape
    for i in range(start, stop):
        n, od, oh, ow = _place(i, output)
        best, winner = y[i], switches[i]
        for c in range(channels):
            best[c] = -np.inf
            winner[c] = 0
        number = 0
        first = True
        for kd in range(size[0]):
            d = od * stride[0] + kd - before[0]
            for kh in range(size[1]):
                h = oh * stride[1] + kh - before[1]
                for kw in range(size[2]):
                    w = ow * stride[2] + kw - before[2]
                    if 0 <= d < depth and 0 <= h < height and 0 <= w < width:
                        pixel = x[n, d, h, w]
                        if first:  # also where every element is −∞, the switch points at a pixel, not at padding
                            for c in range(channels):
                                best[c] = pixel[c]
                                winner[c] = number
                            first = False
                        else:
                            for c in range(channels):
                                # not (<=) is > or NaN: a NaN is shown, not hidden
                                if best[c] == best[c] and not (pixel[c] <= best[c]):
                                    best[c] = pixel[c]
                                    winner[c] = number
                    number += 1


@njit(nogil=True, cache=True)
def _max_gradient_range(start, stop, dx, lengths, dy, switches, output, size, stride, before):
    channels = dx.shape[1]
    for i in range(start, stop):
        n, d, h, w = _place(i, lengths)
        row = dx[i]
        for c in range(channels):
            row[c] = 0
        number = 0
        for kd in range(size[0]):
            od = d + before[0] - kd
            for kh in range(size[1]):
                oh = h + before[1] - kh
                for kw in range(size[2]):
                    ow = w + before[2] - kw
                    # Tap k of output o looks at o · stride + k − before; here we look back along it.
                    if od % stride[0] == 0 and oh % stride[1] == 0 and ow % stride[2] == 0:
                        pd, ph, pw = od // stride[0], oh // stride[1], ow // stride[2]
                        if 0 <= pd < output[0] and 0 <= ph < output[1] and 0 <= pw < output[2]:
                            at = ((n * output[0] + pd) * output[1] + ph) * output[2] + pw
                            cotangent, winner = dy[at], switches[at]
                            for c in range(channels):
                                if winner[c] == number:
                                    row[c] += cotangent[c]
                    number += 1


@njit(nogil=True, cache=True)
def _inside(first, size, length):
    """How many of the taps first … first + size lie in range(length)."""
    return min(first + size, length) - max(first, 0)


@njit(nogil=True, cache=True)
def _share(od, oh, ow, lengths, count_padding, size, stride, before):
    """One over the number of elements that an output averages."""
    if count_padding:
        return 1.0 / (size[0] * size[1] * size[2])
    return 1.0 / (
        _inside(od * stride[0] - before[0], size[0], lengths[0])
        * _inside(oh * stride[1] - before[1], size[1], lengths[1])
        * _inside(ow * stride[2] - before[2], size[2], lengths[2])
    )


@njit(nogil=True, cache=True)
def _avg_range(start, stop, x, y, count_padding, output, size, stride, before):
    _, depth, height, width, channels = x.shape
    for i in range(start, stop):
        n, od, oh, ow = _place(i, output)
        total = y[i]
        for c in range(channels):
            total[c] = 0
        for kd in range(size[0]):
            d = od * stride[0] + kd - before[0]
            for kh in range(size[1]):
                h = oh * stride[1] + kh - before[1]
                for kw in range(size[2]):
                    w = ow * stride[2] + kw - before[2]
                    if 0 <= d < depth and 0 <= h < height and 0 <= w < width:
                        pixel = x[n, d, h, w]
                        for c in range(channels):
                            total[c] += pixel[c]
        share = total.dtype.type(_share(od, oh, ow, (depth, height, width), count_padding, size, stride, before))
        for c in range(channels):
            total[c] *= share


@njit(nogil=True, cache=True)
def _avg_gradient_range(start, stop, dx, lengths, dy, count_padding, output, size, stride, before):
    channels = dx.shape[1]
    for i in range(start, stop):
        n, d, h, w = _place(i, lengths)
        row = dx[i]
        for c in range(channels):
            row[c] = 0
        for kd in range(size[0]):
            od = d + before[0] - kd
            for kh in range(size[1]):
                oh = h + before[1] - kh
                for kw in range(size[2]):
                    ow = w + before[2] - kw
                    if od % stride[0] == 0 and oh % stride[1] == 0 and ow % stride[2] == 0:
                        pd, ph, pw = od // stride[0], oh // stride[1], ow // stride[2]
                        if 0 <= pd < output[0] and 0 <= ph < output[1] and 0 <= pw < output[2]:
                            cotangent = dy[((n * output[0] + pd) * output[1] + ph) * output[2] + pw]
                            share = row.dtype.type(_share(pd, ph, pw, lengths, count_padding, size, stride, before))
                            for c in range(channels):
                                row[c] += cotangent[c] * share
