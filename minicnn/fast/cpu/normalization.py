"""Normalization over the threads.

Batch normalization takes as few passes over memory as its formulas allow. Sums over positions are formed in each
piece's own slot and added in order: the same bits for any number of threads.

Local response normalization goes position by position: all that belongs to one stays in the L1 cache. The window's sum
is formed anew for every channel. A running sum, which adds what enters and subtracts what leaves, would carry the
rounding of one loud channel along to all that follow it.
"""

import math

import numpy as np
from numba import njit

from minicnn.fast.cpu import buffers, threads

LEAST = 1 << 15  # elements a thread takes at least
LENGTH = 512  # elements of a row that are worth starting a loop for
# Rows that are summed in the array's own precision, which is fast, before their sum goes to float64: few enough for
# a rounding error of a ten-millionth or so, enough for the conversions not to count.
BLOCK = 32
LEAST_ROWS = 64  # positions a thread takes at least, of local response normalization


def batch_statistics(x):
    # The deviations are from a rough mean, of a few positions all over x. With n of them, the square of what it is off
    # is at most P/n times the variance, and as a rule far less: the difference below loses nothing that matters.
    rough = x[:: max(1, len(x) // 128)].mean(axis=0)
    rows, long_rough = _long_rows(x, rough)
    total, squares = _summed(_moments_range, rows, len(rough), long_rough) / len(x)
    variance = np.maximum(squares - total**2, 0)
    return (rough + total).astype(x.dtype), variance.astype(x.dtype)


def batch_normalize(x, mean, scale, beta, relu):
    y = buffers.empty_like(x)
    rows, *channels = _long_rows(x, mean, scale, beta)
    threads.parallel(_normalize_range, _pieces(rows), rows, (*channels, relu), y.reshape(rows.shape))
    return y


def batch_sums(dy, x, mean, scale, beta, relu):
    rows, *channels = _long_rows(x, mean, scale, beta)
    cotangents = threads.constant(dy).reshape(rows.shape)
    total, products = _summed(_products_range, rows, len(mean), cotangents, (*channels, relu))
    return total.astype(x.dtype), products.astype(x.dtype)


def batch_gradient(dy, x, mean, scale, beta, relu, mean_dy, slope):
    dx = buffers.empty_like(x)
    rows, mean, scale, beta, mean_dy, slope = _long_rows(x, mean, scale, beta, mean_dy, slope)
    cotangents = threads.constant(dy).reshape(rows.shape)
    arrays = rows, cotangents, (mean, scale, beta, relu), mean_dy, slope, dx.reshape(rows.shape)
    threads.parallel(_batch_gradient_range, _pieces(rows), *arrays)
    return dx


def _long_rows(x, *channels):
    """x with several positions in a row, where it has few channels and so that none is left over: long loops are
    faster. The values of the channels are repeated to match.
    """
    count = math.gcd(len(x), 1 << (max(1, LENGTH // x.shape[1]).bit_length() - 1))
    return threads.constant(x).reshape(-1, count * x.shape[1]), *(np.tile(values, count) for values in channels)


def _pieces(rows):
    return threads.split(len(rows), least=max(1, LEAST // rows.shape[1]))


def _summed(kernel, rows, channels, *arguments):
    """Return what a kernel of two sums a channel adds up, in float64: (2, C)."""
    pieces = [(i, *piece) for i, piece in enumerate(_pieces(rows))]
    slots = np.zeros((len(pieces), 2, rows.shape[1]))
    threads.parallel(kernel, pieces, rows, *arguments, slots)
    return slots.sum(axis=0).reshape(2, -1, channels).sum(axis=1)


# normal: (mean, scale, beta, relu). A value becomes (value − mean) · scale + beta, at least zero if relu.


@njit(nogil=True, cache=True)
def _moments_range(slot, start, stop, rows, rough, slots):
    total, squares = np.empty_like(rough), np.empty_like(rough)
    for first in range(start, stop, BLOCK):
        total[:] = 0
        squares[:] = 0
        for i in range(first, min(first + BLOCK, stop)):
            row = rows[i]
            for c in range(row.size):
                deviation = row[c] - rough[c]
                total[c] += deviation
                squares[c] += deviation * deviation
        _add(total, squares, slots[slot])


@njit(nogil=True, cache=True)
def _add(first, second, slot):
    for c in range(first.size):
        slot[0, c] += first[c]
        slot[1, c] += second[c]


@njit(nogil=True, cache=True)
def _normalize_range(start, stop, rows, normal, y):
    mean, scale, beta, relu = normal
    nothing = y.dtype.type(0)
    for i in range(start, stop):
        row, out = rows[i], y[i]
        for c in range(row.size):
            value = (row[c] - mean[c]) * scale[c] + beta[c]
            out[c] = nothing if relu & (value <= 0) else value  # a NaN is shown, not hidden


@njit(nogil=True, cache=True)
def _products_range(slot, start, stop, rows, dy, normal, slots):
    mean, scale, beta, relu = normal
    total, products, passed = np.empty_like(mean), np.empty_like(mean), np.empty_like(mean)
    nothing = passed.dtype.type(0)
    for first in range(start, stop, BLOCK):
        total[:] = 0
        products[:] = 0
        for i in range(first, min(first + BLOCK, stop)):
            row, cotangent = rows[i], dy[i]
            for c in range(row.size):
                value = (row[c] - mean[c]) * scale[c] + beta[c]
                passed[c] = cotangent[c] if (value > 0) | (not relu) else nothing
            for c in range(row.size):  # a second loop: with so many arrays in one, LLVM would not vectorize it
                total[c] += passed[c]
                products[c] += passed[c] * (row[c] - mean[c])
        _add(total, products, slots[slot])


@njit(nogil=True, cache=True)
def _batch_gradient_range(start, stop, rows, dy, normal, mean_dy, slope, dx):
    mean, scale, beta, relu = normal
    nothing = dx.dtype.type(0)
    for i in range(start, stop):
        row, cotangent, out = rows[i], dy[i], dx[i]
        for c in range(row.size):
            deviation = row[c] - mean[c]
            passed = cotangent[c] if (deviation * scale[c] + beta[c] > 0) | (not relu) else nothing
            out[c] = (passed - mean_dy[c] - deviation * slope[c]) * scale[c]


def local_response_norm(x, neighbours, scale, beta, k):
    y = buffers.empty_like(x)
    rule = _numbers(x, scale, beta, k)
    threads.parallel(_local_range, _positions(x), threads.constant(x), y, neighbours, *rule)
    return y


def local_response_norm_gradient(dy, x, neighbours, scale, beta, k):
    dx = buffers.empty_like(x)
    arrays = threads.constant(dy), threads.constant(x), dx
    threads.parallel(_local_gradient_range, _positions(x), *arrays, neighbours, *_numbers(x, scale, beta, k))
    return dx


def _positions(x):
    return threads.split(len(x), least=LEAST_ROWS)


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
def _local_range(start, stop, x, y, neighbours, scale, beta, k):
    channels = x.shape[1]
    squares, strength = np.zeros(neighbours[0] + channels + neighbours[1], x.dtype), np.empty(channels, x.dtype)
    for i in range(start, stop):
        _strength(x[i], squares, neighbours, scale, k, strength)
        _divide(x[i], strength, beta, y[i])


@njit(nogil=True, cache=True, error_model="numpy")
def _local_gradient_range(start, stop, dy, x, dx, neighbours, scale, beta, k):
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
