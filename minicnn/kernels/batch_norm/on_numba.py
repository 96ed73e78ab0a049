"""Batch normalization in as few passes over memory as its formulas allow, over the threads.

Sums over positions are formed in float64 in each piece's own slot and added in order: the same bits for any number
of threads.
"""

import numpy as np
from numba import njit

from minicnn import backend

LEAST_ROWS = 512


def statistics(x):
    mean = _summed(_sum_range, x) / len(x)
    variance = _summed(_square_range, x, mean) / len(x)
    return mean.astype(x.dtype), variance.astype(x.dtype)


def normalize(x, mean, scale, beta):
    y = np.empty_like(x, order="C")
    backend.parallel(_normalize_range, _pieces(x), backend.constant(x), mean, scale, backend.constant(beta), y)
    return y


def sums(dy, x, mean, inverse_deviation):
    dy, x = backend.constant(dy), backend.constant(x)
    slots = np.zeros((len(_pieces(x)), 2, x.shape[1]))
    backend.parallel(_products_range, _numbered(x), dy, x, mean, inverse_deviation, slots)
    total = slots.sum(axis=0).astype(x.dtype)
    return total[0], total[1]


def gradient(dy, x, mean, inverse_deviation, scale, mean_dy, mean_dy_xhat):
    dy, x = backend.constant(dy), backend.constant(x)
    dx = np.empty_like(x)
    slope = mean_dy_xhat * inverse_deviation
    backend.parallel(_gradient_range, _pieces(x), dy, x, mean, scale, mean_dy, slope, dx)
    return dx


def _pieces(x):
    return backend.split(len(x), least=LEAST_ROWS)


def _numbered(x):
    return [(i, *piece) for i, piece in enumerate(_pieces(x))]


def _summed(kernel, x, *arguments):
    slots = np.zeros((len(_pieces(x)), x.shape[1]))
    backend.parallel(kernel, _numbered(x), backend.constant(x), *arguments, slots)
    return slots.sum(axis=0)


@njit(nogil=True, cache=True)
def _sum_range(slot, start, stop, x, slots):
    total = slots[slot]
    for i in range(start, stop):
        row = x[i]
        for c in range(row.size):
            total[c] += row[c]


@njit(nogil=True, cache=True)
def _square_range(slot, start, stop, x, mean, slots):
    total = slots[slot]
    for i in range(start, stop):
        row = x[i]
        for c in range(row.size):
            deviation = row[c] - mean[c]
            total[c] += deviation * deviation


@njit(nogil=True, cache=True)
def _normalize_range(start, stop, x, mean, scale, beta, y):
    for i in range(start, stop):
        row, out = x[i], y[i]
        for c in range(row.size):
            out[c] = (row[c] - mean[c]) * scale[c] + beta[c]


@njit(nogil=True, cache=True)
def _products_range(slot, start, stop, dy, x, mean, inverse_deviation, slots):
    total, product = slots[slot, 0], slots[slot, 1]
    for i in range(start, stop):
        cotangent, row = dy[i], x[i]
        for c in range(row.size):
            total[c] += cotangent[c]
            product[c] += cotangent[c] * ((row[c] - mean[c]) * inverse_deviation[c])


@njit(nogil=True, cache=True)
def _gradient_range(start, stop, dy, x, mean, scale, mean_dy, slope, dx):
    for i in range(start, stop):
        cotangent, row, out = dy[i], x[i], dx[i]
        for c in range(row.size):
            out[c] = (cotangent[c] - mean_dy[c] - (row[c] - mean[c]) * slope[c]) * scale[c]
