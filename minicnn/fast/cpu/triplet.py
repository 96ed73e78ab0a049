"""Triplet mining within a batch, multi-threaded: each thread takes a range of anchors."""

import numpy as np
from numba import njit

from minicnn.fast.cpu import threads
from minicnn.fast.cpu.product import product

LEAST = 1 << 16  # minimum number of comparisons per thread


def distances(x, squared):
    columns = threads.constant(x.T.astype(np.float64))
    d = np.empty((len(x), len(x)))
    threads.parallel(_distances_range, _pieces(len(x), x.size), columns, d)
    return d if squared else np.sqrt(d, out=d)


def hardest(d, labels):
    positives, negatives = np.empty((2, len(labels)), np.int64)
    arrays = threads.constant(d), threads.constant(labels), positives, negatives
    threads.parallel(_hardest_range, _pieces(len(labels), len(labels)), *arrays)
    return positives, negatives


def triplets(d, labels, low, high):
    """Return all triplets. They are counted first, to know where those of each anchor begin."""
    d, labels = threads.constant(d), threads.constant(labels)
    band = float(low), float(high)
    pieces = _pieces(len(labels), d.size)
    places, found = np.zeros(len(labels), np.int64), np.empty((0, 3), np.int64)
    threads.parallel(_triplets_range, pieces, d, labels, *band, places, found, False)
    counts = places.copy()
    places[:] = np.cumsum(counts) - counts
    found = np.empty((counts.sum(), 3), np.int64)
    threads.parallel(_triplets_range, pieces, d, labels, *band, places, found, True)
    return found


def pull(weights, x):
    exact = x.astype(weights.dtype, copy=False)
    return (weights.sum(axis=1)[:, None] * exact - product(weights, exact)).astype(x.dtype, copy=False)


def _pieces(anchors, comparisons_each):
    return threads.split(anchors, least=max(1, LEAST // max(1, comparisons_each)))


@njit(nogil=True, cache=True)
def _distances_range(start, stop, columns, d):
    for i in range(start, stop):
        target = d[i]
        target[:] = 0
        for k in range(len(columns)):
            column = columns[k]
            value = column[i]
            for j in range(target.size):  # contiguous in memory, and sums are added in a fixed order
                difference = value - column[j]
                target[j] += difference * difference


@njit(nogil=True, cache=True)
def _hardest_range(start, stop, d, labels, positives, negatives):
    for anchor in range(start, stop):
        row, own = d[anchor], labels[anchor]
        positive = negative = -1
        for i in range(row.size):
            if labels[i] != own:
                if negative < 0 or row[i] < row[negative]:
                    negative = i
            elif i != anchor and (positive < 0 or row[i] > row[positive]):
                positive = i
        positives[anchor], negatives[anchor] = positive, negative


@njit(nogil=True, cache=True)
def _triplets_range(start, stop, d, labels, low, high, places, found, write):
    """Write the triplets of some anchors. places: where each anchor's triplets begin; on return, where they end."""
    size = len(labels)
    negatives, far, chosen = np.empty(size, np.int64), np.empty(size), np.empty(size, np.int64)
    for anchor in range(start, stop):
        row, own, place, count = d[anchor], labels[anchor], places[anchor], 0
        for i in range(size):
            if labels[i] != own:
                negatives[count], far[count] = i, row[i]
                count += 1
        for positive in range(size):
            if labels[positive] != own or positive == anchor:
                continue
            hits = 0
            for k in range(count):  # overwritten unless it counts, because a mispredicted branch takes longer
                gap = far[k] - row[positive]
                chosen[hits] = negatives[k]
                hits += (low <= gap) & (gap < high)
            if write:
                for k in range(hits):
                    found[place + k, 0], found[place + k, 1], found[place + k, 2] = anchor, positive, chosen[k]
            place += hits
        places[anchor] = place
