"""Compiled cropping and resizing of windows: averages over rows, then over columns."""

import math

import numpy as np
from numba import njit

from minicnn.fast.cpu import buffers, threads

LEAST = 1 << 14  # minimum number of pixels read per thread


def crop(x, windows, height, width):
    y = buffers.empty((len(windows), height, width, x.shape[-1]), x.dtype)
    if not y.size:
        return y
    read = np.abs(windows[:, 2:] - windows[:, :2]).prod(axis=1).sum() / (len(windows) * height)  # per row of y
    pieces = threads.split(len(windows) * height, least=max(1, int(LEAST / (read + width))))
    common = threads.constant(x), threads.constant(np.asarray(windows, np.float64)), y
    threads.parallel(_crop_range, pieces, *common)
    return y


@njit(nogil=True, cache=True)
def _stretch(low, high, count, i):
    """Return the ends of the i-th of `count` equal intervals, at least one pixel long."""
    step = (high - low) / count
    middle, reach = low + (i + 0.5) * step, max(step, 1.0) / 2
    return middle - reach, middle + reach


@njit(nogil=True, cache=True)
def _pixels(begin, end, length):
    """Return the range (start, stop) of the pixels that an interval touches."""
    first = min(max(math.floor(begin), 0), length)
    return first, max(first, min(math.ceil(end), length))


@njit(nogil=True, cache=True)
def _crop_range(start, stop, x, windows, y):
    rows, columns, channels = x.shape
    _, height, width, _ = y.shape
    line = np.empty(columns * channels, x.dtype)
    for index in range(start, stop):
        n, i = index // height, index % height
        left, top, right, bottom = windows[n]
        begin, end = _stretch(top, bottom, height, i)
        first_row, stop_row = _pixels(begin, end, rows)
        first, stop_column = _pixels(
            _stretch(left, right, width, 0)[0], _stretch(left, right, width, width - 1)[1], columns
        )
        total = line[: (stop_column - first) * channels]
        total[:] = 0
        for r in range(first_row, stop_row):
            share = x.dtype.type((min(r + 1, end) - max(r, begin)) / (end - begin))
            row = x[r, first:stop_column].reshape(-1)
            for k in range(total.size):
                total[k] += share * row[k]
        for j in range(width):
            begin, end = _stretch(left, right, width, j)
            first_column, last = _pixels(begin, end, columns)
            for k in range(channels):
                y[n, i, j, k] = 0
            for c in range(first_column, last):
                share = x.dtype.type((min(c + 1, end) - max(c, begin)) / (end - begin))
                for k in range(channels):
                    y[n, i, j, k] += share * total[(c - first) * channels + k]
