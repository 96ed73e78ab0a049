"""Matrix products by BLAS, split over our threads. BLAS's own threads stay idle: after a product they would spin for a
while and compete with ours.
"""

import numpy as np
from numba import njit

from minicnn.fast.cpu import blas, buffers, threads

WORK = 1 << 21  # minimum number of multiplications per thread
LEAST = 1 << 15  # minimum count of numbers added per thread
TOGETHER = 32  # rows added in their own precision before conversion to float64


def product(x, y):
    (rows, depth), columns = x.shape, y.shape[1]
    out = buffers.empty((rows, columns), x.dtype)
    along_rows = rows >= columns
    pieces = threads.split(max(rows, columns), least=WORK // max(1, depth * min(rows, columns)) + 1)

    def some(start, stop):
        if along_rows:
            np.matmul(x[start:stop], y, out=out[start:stop])
        else:
            np.matmul(x, y[:, start:stop], out=out[:, start:stop])

    blas.parallel_with_blas(some, pieces)
    return out


def sum_of_rows(rows):
    rows = threads.constant(rows)
    pieces = threads.split(len(rows), least=max(1, LEAST // max(1, rows.shape[1])))
    slots = np.zeros((len(pieces), rows.shape[1]))  # one per piece, added in order
    threads.parallel(_sum_range, [(slot, *piece) for slot, piece in enumerate(pieces)], rows, slots)
    return slots.sum(axis=0).astype(rows.dtype)


@njit(nogil=True, cache=True)
def _sum_range(slot, start, stop, rows, slots):
    total, result = np.empty(rows.shape[1], rows.dtype), slots[slot]
    for first in range(start, stop, TOGETHER):
        total[:] = 0
        for i in range(first, min(first + TOGETHER, stop)):
            row = rows[i]
            for c in range(total.size):
                total[c] += row[c]
        for c in range(total.size):
            result[c] += total[c]
