"""The Gram matrix over the threads: each sums FᵀF over a run of positions, and the sums are added in order."""

import numpy as np
from numba import njit

from minicnn import backend

LEAST_ROWS = 256


def forward(features):
    n, positions, channels = features.shape
    features = backend.constant(features)
    pieces = backend.split(positions, least=LEAST_ROWS)
    slots = np.empty((len(pieces), n, channels, channels), features.dtype)
    backend.parallel(_forward_range, [(i, *piece) for i, piece in enumerate(pieces)], features, slots)
    return slots.sum(axis=0)


def gradient(dgram, features):
    features = backend.constant(features)
    dfeatures = np.empty_like(features)
    symmetric = backend.constant(dgram + np.swapaxes(dgram, 1, 2))
    backend.parallel(
        _gradient_range, backend.split(features.shape[1], least=LEAST_ROWS), symmetric, features, dfeatures
    )
    return dfeatures


@njit(nogil=True, cache=True)
def _forward_range(slot, start, stop, features, slots):
    for n in range(features.shape[0]):
        rows = features[n, start:stop]
        np.dot(rows.T, rows, slots[slot, n])


@njit(nogil=True, cache=True)
def _gradient_range(start, stop, symmetric, features, dfeatures):
    for n in range(features.shape[0]):
        np.dot(features[n, start:stop], symmetric[n], dfeatures[n, start:stop])
