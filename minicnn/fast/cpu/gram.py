"""The Gram matrix, multi-threaded: each thread sums FᵀF over some positions, and the sums are added in order."""

import numpy as np
from numba import njit

from minicnn.fast.cpu import blas, buffers, threads
from minicnn.fast.cpu.micro_kernel import FEW, ROWS, columns, row_product

MICRO_KERNEL = "cd2d28bb46fc"  # its digest, so that an edit of it changes this file, too
LEAST_ROWS = 256
TOGETHER = 128  # positions per block, whose features stay in the cache for all pairs of channels

_multiply, _multiply_few = row_product(ROWS), row_product(FEW)


def gram(features):
    n, positions, channels = features.shape
    features = threads.constant(features)
    width = columns(features.itemsize)
    pieces = [(i, *piece) for i, piece in enumerate(threads.split(positions, least=LEAST_ROWS))]
    slots = buffers.empty((len(pieces), n, channels, channels), features.dtype)
    slots[...] = 0
    if channels % width:
        blas.parallel_with_blas(_products_range, pieces, features, slots)
        return slots.sum(axis=0)
    threads.parallel(_triangle_range, pieces, features, slots, width)
    upper, gram = np.triu(np.ones((channels, channels), bool)), slots.sum(axis=0)
    return np.where(upper, gram, np.swapaxes(gram, 1, 2))


def gram_gradient(dgram, features, total):
    n, positions, channels = features.shape
    features = threads.constant(features)
    add = total is not None
    dfeatures = total if add else buffers.empty_like(features)
    symmetric = dgram + np.swapaxes(dgram, 1, 2)
    width = columns(features.itemsize)
    pieces = threads.split(positions, least=LEAST_ROWS)
    if channels % width or positions < ROWS:
        blas.parallel_with_blas(_gradient_range, pieces, threads.constant(symmetric), features, dfeatures, add)
    else:
        panels = np.moveaxis(symmetric.reshape(n, channels, -1, width), 2, 1)
        threads.parallel(_panels_range, pieces, threads.constant(panels), features, dfeatures, add)
    return dfeatures


@njit(nogil=True, cache=True)
def _triangle_range(slot, start, stop, features, slots, width):
    """Compute FᵀF on and above the diagonal, by panels of channels; the rest is symmetric."""
    channels = features.shape[2]
    for n in range(features.shape[0]):
        rows, gram = features[n].reshape(-1), slots[slot, n].reshape(-1)
        for first in range(start, stop, TOGETHER):
            count = min(TOGETHER, stop - first)
            for panel in range(0, channels, width):
                there = (first * channels + panel, channels)
                for i in range(0, panel + width, FEW):
                    here, to = (first * channels + i, 1, channels), (i * channels + panel, channels)
                    _multiply_few(rows, here, rows, there, gram, to, count, first > start)


@njit(nogil=True, cache=True)
def _products_range(slot, start, stop, features, slots):
    """Compute FᵀF by BLAS. A separate kernel, because np.dot takes half a second to compile and is seldom needed."""
    for n in range(features.shape[0]):
        some = features[n, start:stop]
        np.dot(some.T, some, slots[slot, n])


@njit(nogil=True, cache=True)
def _panels_range(start, stop, panels, features, dfeatures, add):
    """Compute F (dG + dGᵀ), one panel of the sum at a time."""
    count, channels, width = panels.shape[1:]
    rest = (stop - start) % ROWS
    last = np.empty(ROWS * width, features.dtype)  # scratch for the remaining rows, which overlap with earlier ones
    for n in range(features.shape[0]):
        rows, target = features[n].reshape(-1), dfeatures[n].reshape(-1)
        for number in range(count):
            panel = panels[n, number].reshape(-1)
            for first in range(start, stop - rest, ROWS):
                to = (first * channels + number * width, channels)
                _multiply(rows, (first * channels, channels, 1), panel, (0, width), target, to, channels, add)
            if rest:
                at = (stop - ROWS) * channels
                _multiply(rows, (at, channels, 1), panel, (0, width), last, (0, width), channels, False)
                for i in range(ROWS - rest, ROWS):
                    to = at + i * channels + number * width
                    for j in range(width):
                        target[to + j] = last[i * width + j] + (target[to + j] if add else last.dtype.type(0))


@njit(nogil=True, cache=True)
def _gradient_range(start, stop, symmetric, features, dfeatures, add):
    for n in range(features.shape[0]):
        product = np.dot(features[n, start:stop], symmetric[n])
        for i in range(stop - start):  # += of a slice takes seconds to compile
            for c in range(product.shape[1]):
                before = dfeatures[n, start + i, c] if add else product.dtype.type(0)
                dfeatures[n, start + i, c] = product[i, c] + before
