"""The Gram matrix on a GPU by tiles in shared memory, as explained in conv.py.

There are few results and many positions to sum over. So the positions are split into runs, each summed into its own
slot, and slots are added in order, so that the result is deterministic.
"""

import numpy as np
from numba import cuda

from minicnn.fast.cuda import gpu

SIDE = 4 if gpu.simulated() else 16  # side of a tile
MOST_SLOTS = 3 if gpu.simulated() else 64
LEAST_POSITIONS = 5 if gpu.simulated() else 1024  # minimum number of positions per slot


def gram(features):
    n, positions, channels = features.shape
    slots = max(1, min(MOST_SLOTS, positions // LEAST_POSITIONS))
    parts = np.empty_like(features, shape=(slots, n, channels, channels), order="C")
    tiles = gpu.blocks_for(channels, SIDE)
    gpu.launch(_forward, (tiles, tiles, slots * n), (SIDE, SIDE), gpu.contiguous(features), parts)
    return parts.sum(axis=0)


def gram_gradient(dgram, features, total):
    if total is not None and not total.flags.c_contiguous:
        return np.add(total, gram_gradient(dgram, features, None), out=total)
    n, positions, channels = features.shape
    dfeatures = np.empty_like(features, order="C") if total is None else total
    symmetric = gpu.contiguous(dgram + np.swapaxes(dgram, 1, 2))
    blocks = gpu.blocks_for(positions, SIDE), gpu.blocks_for(channels, SIDE), n
    arguments = symmetric, gpu.contiguous(features), total is not None, dfeatures
    gpu.launch(_gradient, blocks, (SIDE, SIDE), *arguments)
    return dfeatures


@cuda.jit
def _forward(features, parts):
    """Compute G[i, j] = Σ_p F[p, i] · F[p, j]. Both squares are read in memory order, channels first."""
    rows = cuda.shared.array((SIDE, SIDE), features.dtype)
    columns = cuda.shared.array((SIDE, SIDE), features.dtype)
    across, down = cuda.threadIdx.x, cuda.threadIdx.y
    i, j = cuda.blockIdx.x * SIDE, cuda.blockIdx.y * SIDE
    n, slot = cuda.blockIdx.z % features.shape[0], cuda.blockIdx.z // features.shape[0]
    positions, channels = features.shape[1], features.shape[2]
    begin, end = positions * slot // parts.shape[0], positions * (slot + 1) // parts.shape[0]
    total = features.dtype.type(0)
    for start in range(begin, end, SIDE):
        p = start + down
        row = column = features.dtype.type(0)
        if p < end and i + across < channels:
            row = features[n, p, i + across]
        if p < end and j + across < channels:
            column = features[n, p, j + across]
        rows[down, across] = row
        columns[down, across] = column
        cuda.syncthreads()
        for k in range(SIDE):
            total += rows[k, down] * columns[k, across]
        cuda.syncthreads()
    if i + down < channels and j + across < channels:
        parts[slot, n, i + down, j + across] = total


@cuda.jit
def _gradient(symmetric, features, add, dfeatures):
    """Compute dF = F S, with S = dG + dGᵀ."""
    rows = cuda.shared.array((SIDE, SIDE), features.dtype)
    columns = cuda.shared.array((SIDE, SIDE), features.dtype)
    across, down, n = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockIdx.z
    p, c = cuda.blockIdx.x * SIDE + down, cuda.blockIdx.y * SIDE + across
    positions, channels = features.shape[1], features.shape[2]
    total = features.dtype.type(0)
    for start in range(0, channels, SIDE):
        row = column = features.dtype.type(0)
        if p < positions and start + across < channels:
            row = features[n, p, start + across]
        if c < channels and start + down < channels:
            column = symmetric[n, start + down, c]
        rows[down, across] = row
        columns[down, across] = column
        cuda.syncthreads()
        for k in range(SIDE):
            total += rows[down, k] * columns[k, across]
        cuda.syncthreads()
    if p < positions and c < channels:
        if add:
            total += dfeatures[n, p, c]
        dfeatures[n, p, c] = total
