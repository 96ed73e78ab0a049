"""Local response normalization over the threads, position by position: all that belongs to one stays in the L1 cache.

The window's sum is formed anew for every channel. A running sum, which adds what enters and subtracts what leaves,
would carry the rounding of one loud channel along to all that follow it.
"""

import math

import numpy as np
from numba import njit

from minicnn import backend
from minicnn.fast import buffers

LEAST_ROWS = 64  # positions a thread takes at least


def forward(x, neighbours, scale, beta, k):
    y = buffers.empty_like(x)
    rule = _numbers(x, scale, beta, k)
    backend.parallel(_forward_range, _pieces(x), backend.constant(x), y, neighbours, *rule)
    return y


def gradient(dy, x, neighbours, scale, beta, k):
    dx = buffers.empty_like(x)
    arrays = backend.constant(dy), backend.constant(x), dx
    backend.parallel(_gradient_range, _pieces(x), *arrays, neighbours, *_numbers(x, scale, beta, k))
    return dx


def _pieces(x):
    return backend.split(len(x), least=LEAST_ROWS)


def _numbers(x, *numbers):
    """Of the dtype of x: with a float64 among them the compiled loops would compute in float64."""
    return tuple(x.dtype.type(number) for number in numbers)


# With NumPy's error model a division needs no test for zero, which would keep the loops from being vectorized.
@njit(nogil=True, cache=True, error_model="numpy")
def _sum_of_neighbours(padded, total):
    """total[c] = the sum of padded[c], padded[c + 1], … as far as the window reaches."""
    channels = total.size
    for c in range(channels):
        total[c] = padded[c]
    for shift in range(1, padded.size - channels + 1):
        shifted = padded[shift : shift + channels]
        for c in range(channels):
            total[c] += shifted[c]


@njit(nogil=True, cache=True, error_model="numpy")
def _strength(row, squares, neighbours, scale, k, strength):
    """strength[c] = k + scale · the sum of squares around c. squares: zeros, with room for the window at both ends."""
    inside = squares[neighbours[0] : neighbours[0] + row.size]
    for c in range(row.size):
        inside[c] = row[c] * row[c]
    _sum_of_neighbours(squares, strength)
    for c in range(row.size):
        strength[c] = k + scale * strength[c]


@njit(nogil=True, cache=True, error_model="numpy")
def _divide(row, strength, beta, out):
    """out = row · strength^−beta."""
    if beta == 0.75:  # as in every network that has these layers; roots are vectorized, powers are not
        for c in range(row.size):
            root = math.sqrt(strength[c])
            out[c] = row[c] / (root * math.sqrt(root))
    else:
        for c in range(row.size):
            out[c] = row[c] * strength[c] ** -beta


@njit(nogil=True, cache=True, error_model="numpy")
def _forward_range(start, stop, x, y, neighbours, scale, beta, k):
    channels = x.shape[1]
    squares, strength = np.zeros(neighbours[0] + channels + neighbours[1], x.dtype), np.empty(channels, x.dtype)
    for i in range(start, stop):
        _strength(x[i], squares, neighbours, scale, k, strength)
        _divide(x[i], strength, beta, y[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _gradient_range(start, stop, dy, x, dx, neighbours, scale, beta, k):
    before, after = neighbours
    channels = x.shape[1]
    squares, strength = np.zeros(before + channels + after, x.dtype), np.empty(channels, x.dtype)
    shares, total = np.zeros(after + channels + before, x.dtype), np.empty(channels, x.dtype)
    inside = shares[after : after + channels]
    slope = 2 * beta * scale
    for i in range(start, stop):
        row, out = x[i], dx[i]
        _strength(row, squares, neighbours, scale, k, strength)
        _divide(dy[i], strength, beta, out)
        for c in range(channels):
            inside[c] = out[c] * row[c] / strength[c]
        _sum_of_neighbours(shares, total)
        for c in range(channels):
            out[c] -= slope * row[c] * total[c]
