"""The sum of two large arrays over the threads, into memory that has been used before."""

import numpy as np
from numba import njit

from minicnn import backend
from minicnn.fast import buffers

LEAST = 1 << 18  # elements; smaller arrays are added before a thread has begun


def forward(x, y, out=None):
    if x.size < LEAST or (out is not None and not out.flags.c_contiguous):
        return np.add(x, y, out=out)
    total = buffers.empty_like(x) if out is None else out
    arrays = backend.constant(x).reshape(-1), backend.constant(y).reshape(-1), total.reshape(-1)
    backend.parallel(_range, backend.split(x.size, least=LEAST // 2), *arrays)
    return total


@njit(nogil=True, cache=True)
def _range(start, stop, x, y, total):
    a, b, target = x[start:stop], y[start:stop], total[start:stop]
    for i in range(target.size):
        target[i] = a[i] + b[i]
