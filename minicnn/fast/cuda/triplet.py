"""Triplet mining within a batch on a GPU. Distances are computed by tiles, as explained in conv.py. A block of threads
finds the hardest example of each anchor by a reduction in shared memory.
"""

import math

import numpy as np
from numba import cuda

from minicnn import devices
from minicnn.fast.cuda import gpu

SIDE = 4 if gpu.simulated() else 16  # side of a tile
THREADS = 8 if gpu.simulated() else 128  # threads per block, one block per anchor; a power of two


def distances(x, squared):
    x = gpu.contiguous(x.astype(np.float64, copy=False))
    d = np.empty_like(x, shape=(len(x), len(x)))
    tiles = gpu.blocks_for(len(x), SIDE)
    gpu.launch(_distances, (tiles, tiles), (SIDE, SIDE), x, squared, d)
    return d


def hardest(d, labels):
    d, labels = gpu.contiguous(d), devices.beside(labels, d)
    positives, negatives = (np.empty_like(labels, np.int64) for _ in range(2))
    gpu.launch(_hardest, len(labels), THREADS, d, gpu.contiguous(labels), positives, negatives)
    return positives, negatives


def triplets(d, labels, low, high):
    """Return all triplets. They are counted first, to know where those of each pair of anchor and positive begin."""
    d, labels = gpu.contiguous(d), gpu.contiguous(devices.beside(labels, d))
    counts = np.empty_like(d, np.int64)
    blocks, band = gpu.blocks_for(d.size, THREADS), (float(low), float(high))
    gpu.launch(_count, blocks, THREADS, d, labels, *band, counts)
    ends = np.cumsum(counts)
    found = np.empty_like(counts, shape=(int(ends[-1]), 3))
    if len(found):
        gpu.launch(_write, blocks, THREADS, d, labels, *band, ends, counts, found)
    return found


def pull(weights, x):
    weights, x = gpu.contiguous(weights), gpu.contiguous(x)
    dx = np.empty_like(x)
    blocks = gpu.blocks_for(x.shape[0], SIDE), gpu.blocks_for(x.shape[1], SIDE)
    gpu.launch(_pull, blocks, (SIDE, SIDE), weights, x, dx)
    return dx


@cuda.jit
def _distances(x, squared, d):
    """Compute one distance per thread. The block loads SIDE numbers at a time of all its rows."""
    rows = cuda.shared.array((SIDE, SIDE), x.dtype)
    others = cuda.shared.array((SIDE, SIDE), x.dtype)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    i, j = cuda.blockIdx.x * SIDE, cuda.blockIdx.y * SIDE
    total = x.dtype.type(0)
    for start in range(0, x.shape[1], SIDE):
        row = other = x.dtype.type(0)
        if start + across < x.shape[1] and i + down < x.shape[0]:
            row = x[i + down, start + across]
        if start + across < x.shape[1] and j + down < x.shape[0]:
            other = x[j + down, start + across]
        rows[down, across] = row
        others[down, across] = other
        cuda.syncthreads()
        for k in range(SIDE):
            difference = rows[down, k] - others[across, k]
            total += difference * difference
        cuda.syncthreads()
    if i + down < x.shape[0] and j + across < x.shape[0]:
        d[i + down, j + across] = total if squared else math.sqrt(total)


@cuda.jit(device=True)
def _precedes(value, at, other, other_at, sign):
    """Return True if (value, at) is harder: farther for sign 1, nearer for sign −1, and the first of a tie.

    at: index of the example, or −1 for none.
    """
    if at < 0 or other_at < 0:
        return other_at < 0
    return sign * value > sign * other or (value == other and at < other_at)


@cuda.jit
def _hardest(d, labels, positives, negatives):
    far = cuda.shared.array(THREADS, d.dtype)
    far_at = cuda.shared.array(THREADS, labels.dtype)
    near = cuda.shared.array(THREADS, d.dtype)
    near_at = cuda.shared.array(THREADS, labels.dtype)
    anchor, t = cuda.blockIdx.x, cuda.threadIdx.x
    own = labels[anchor]
    # Each thread scans every THREADS-th picture.
    positive = negative = -1
    for i in range(t, len(labels), THREADS):
        if labels[i] != own:
            if negative < 0 or d[anchor, i] < d[anchor, negative]:
                negative = i
        elif i != anchor and (positive < 0 or d[anchor, i] > d[anchor, positive]):
            positive = i
    far_at[t], near_at[t] = positive, negative
    far[t], near[t] = d[anchor, max(positive, 0)], d[anchor, max(negative, 0)]
    # Then half of the threads compare their results with the other half, and so on, until one result is left.
    half = THREADS // 2
    while half > 0:
        cuda.syncthreads()
        if t < half:
            if _precedes(far[t + half], far_at[t + half], far[t], far_at[t], 1):
                far[t], far_at[t] = far[t + half], far_at[t + half]
            if _precedes(near[t + half], near_at[t + half], near[t], near_at[t], -1):
                near[t], near_at[t] = near[t + half], near_at[t + half]
        half //= 2
    if t == 0:
        positives[anchor], negatives[anchor] = far_at[0], near_at[0]


@cuda.jit
def _count(d, labels, low, high, counts):
    """Count the negatives of one pair of anchor and positive per thread."""
    number = cuda.grid(1)
    if number >= d.size:
        return
    anchor, positive = number // d.shape[1], number % d.shape[1]
    count = 0
    if anchor != positive and labels[anchor] == labels[positive]:
        for i in range(d.shape[1]):
            gap = d[anchor, i] - d[anchor, positive]
            if labels[i] != labels[anchor] and low <= gap and gap < high:
                count += 1
    counts[anchor, positive] = count


@cuda.jit
def _write(d, labels, low, high, ends, counts, found):
    number = cuda.grid(1)
    if number >= d.size:
        return
    anchor, positive = number // d.shape[1], number % d.shape[1]
    place = ends[number] - counts[anchor, positive]
    if place == ends[number]:
        return
    for i in range(d.shape[1]):
        gap = d[anchor, i] - d[anchor, positive]
        if labels[i] != labels[anchor] and low <= gap and gap < high:
            found[place, 0], found[place, 1], found[place, 2] = anchor, positive, i
            place += 1


@cuda.jit
def _pull(weights, x, dx):
    """Compute dx[i, c] = Σ_j weights[i, j] · (x[i, c] − x[j, c])."""
    factors = cuda.shared.array((SIDE, SIDE), weights.dtype)
    others = cuda.shared.array((SIDE, SIDE), x.dtype)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    i, c = cuda.blockIdx.x * SIDE + down, cuda.blockIdx.y * SIDE + across
    own = x.dtype.type(0)
    if i < x.shape[0] and c < x.shape[1]:
        own = x[i, c]
    total = weights.dtype.type(0)
    for start in range(0, x.shape[0], SIDE):
        factor, other = weights.dtype.type(0), x.dtype.type(0)
        if i < x.shape[0] and start + across < x.shape[0]:
            factor = weights[i, start + across]
        if start + down < x.shape[0] and c < x.shape[1]:
            other = x[start + down, c]
        factors[down, across] = factor
        others[down, across] = other
        cuda.syncthreads()
        for k in range(SIDE):
            total += factors[down, k] * (own - others[k, across])
        cuda.syncthreads()
    if i < x.shape[0] and c < x.shape[1]:
        dx[i, c] = total
