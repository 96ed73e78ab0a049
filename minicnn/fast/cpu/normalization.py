"""Normalization, multi-threaded.

Batch normalization takes as few passes over memory as its formulas allow. Each piece sums into its own slot, and slots
are added in order, so the result is bit-identical for any number of threads.

Local response normalization processes one position at a time, whose channels stay in the L1 cache. The sum of the
window is computed anew for every channel. A running sum would carry the rounding error of one large channel along to
all later ones.
"""

import math

import numpy as np
from numba import njit

from minicnn.fast.cpu import buffers, threads

LEAST = 1 << 15  # minimum number of elements per thread
LENGTH = 512  # minimum number of elements of a row, so that the start of a loop does not count
# Rows summed in the array's own precision, which is fast, before conversion to float64: few enough for a relative error
# of about 1e-7, enough to make the conversions negligible.
BLOCK = 32
LEAST_ROWS = 64  # minimum number of positions per thread of local response normalization


def batch_statistics(x):
    # Take deviations from a rough mean of n positions. Its squared error is at most P/n times the variance, and usually
    # far less, so the difference below does not cancel.
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
    """Return x with several positions per row if it has few channels, and channel values repeated to match.

    Long loops are faster. The number of positions is a multiple of those per row.
    """
    count = math.gcd(len(x), 1 << (max(1, LENGTH // x.shape[1]).bit_length() - 1))
    return threads.constant(x).reshape(-1, count * x.shape[1]), *(np.tile(values, count) for values in channels)


def _pieces(rows):
    return threads.split(len(rows), least=max(1, LEAST // rows.shape[1]))


def _summed(kernel, rows, channels, *arguments):
    """Return the two sums per channel of a kernel, in float64: (2, C)."""
    pieces = [(i, *piece) for i, piece in enumerate(_pieces(rows))]
    slots = np.zeros((len(pieces), 2, rows.shape[1]))
    threads.parallel(kernel, pieces, rows, *arguments, slots)
    return slots.sum(axis=0).reshape(2, -1, channels).sum(axis=1)


# normal: (mean, scale, beta, relu) for (value − mean) · scale + beta, clamped at zero if relu.


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
            out[c] = nothing if relu & (value <= 0) else value  # propagates NaN


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
            for c in range(row.size):  # a second loop: with so many arrays in one loop, LLVM does not vectorize
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
    """Return numbers in the dtype of x, so that the compiled loops do not compute in float64."""
    return tuple(x.dtype.type(number) for number in numbers)


# NumPy's error model omits the test for division by zero, which would prevent vectorization.
@njit(nogil=True, cache=True, error_model="numpy")
def _sum_of_neighbours(padded, total):
    """Set total[c] to the sum of padded[c], padded[c + 1], … over the window."""
    channels = total.size
    for c in range(channels):
        total[c] = padded[c]
    for shift in range(1, padded.size - channels + 1):
        shifted = padded[shift : shift + channels]
        for c in range(channels):
            total[c] += shifted[c]


@njit(nogil=True, cache=True, error_model="numpy")
def _strength(row, squares, neighbours, scale, k, strength):
    """Set strength[c] to k + scale · the sum of squares around c. squares: a zeroed buffer, padded by the window."""
    inside = squares[neighbours[0] : neighbours[0] + row.size]
    for c in range(row.size):
        inside[c] = row[c] * row[c]
    _sum_of_neighbours(squares, strength)
    for c in range(row.size):
        strength[c] = k + scale * strength[c]


@njit(nogil=True, cache=True, error_model="numpy")
def _divide(row, strength, beta, out):
    """Set out to row · strength^−beta."""
    if beta == 0.75:  # as in all known networks; square roots vectorize, powers do not
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
