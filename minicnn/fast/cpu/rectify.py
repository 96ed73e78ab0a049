"""The rectifier over the threads: one pass each way, with no array in between."""

import numpy as np
from numba import njit

from minicnn import backend
from minicnn.fast import buffers
from minicnn.kernels.rectify import on_numpy

LEAST = 1 << 15  # elements a thread takes at least


def forward(x):
    y = buffers.empty_like(x)
    backend.parallel(_forward_range, _pieces(x), _flat(x), y.reshape(-1))
    return y


def gradient(dy, active):
    dx = buffers.empty_like(dy)
    backend.parallel(_gradient_range, _pieces(dy), _flat(dy), _flat(active), dx.reshape(-1))
    return dx


def sloped(x, slope):
    """One slope a channel, as networks have it, is compiled; NumPy takes its time where channels are few."""
    if slope.shape != x.shape[-1:] or slope.dtype != x.dtype:
        return on_numpy.sloped(x, slope)
    y = buffers.empty(x.shape, x.dtype)
    rows = _rows(x)
    pieces = backend.split(len(rows), least=max(1, LEAST // x.shape[-1]))
    backend.parallel(_sloped_range, pieces, rows, backend.constant(slope), _writable_rows(y))
    return y


def _pieces(array):
    return backend.split(array.size, least=LEAST)


def _flat(array):
    return backend.constant(array).reshape(-1)


@njit(nogil=True, cache=True)
def _forward_range(start, stop, x, y):
    source, target = x[start:stop], y[start:stop]
    nothing = y.dtype.type(0)
    for i in range(target.size):
        target[i] = nothing if source[i] <= 0 else source[i]  # a NaN is shown, not hidden


@njit(nogil=True, cache=True)
def _gradient_range(start, stop, dy, active, dx):
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


def mark(y):
    rows = _rows(y)
    marks = buffers.empty((*y.shape[:-1], -(-y.shape[-1] // 8)), np.uint8)
    backend.parallel(_mark_range, backend.split(len(rows), least=LEAST // 64), rows, _writable_rows(marks))
    return marks


def marked_gradient(dy, marks):
    dx = buffers.empty_like(dy)
    rows = _rows(dy)
    arrays = rows, _rows(marks), _writable_rows(dx)
    backend.parallel(_marked_gradient_range, backend.split(len(rows), least=LEAST // 64), *arrays)
    return dx


def _rows(array):
    return backend.constant(array).reshape(-1, array.shape[-1])


def _writable_rows(array):
    return array.reshape(-1, array.shape[-1])


# For each byte of marks, eight bytes of 0 or 1.
_SPREAD = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").reshape(-1).view(np.uint64)
TOGETHER = 64  # rows whose flags are formed before they are packed: what was just written is slow to read back wider


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
            for g in range(mark.size):  # the product moves the k-th byte of eight to the k-th bit of the highest one
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
