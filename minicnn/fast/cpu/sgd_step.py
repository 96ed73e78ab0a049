"""A step of gradient descent in one pass, where the formulas one by one would read and write memory eight times."""

import numpy as np
from numba import njit

from minicnn import backend
from minicnn.kernels.sgd_step import on_numpy

LEAST = 1 << 15  # elements a thread takes at least


def move(p, gradient, v, rate, momentum, decay, nesterov):
    if not (p.flags.c_contiguous and v.flags.c_contiguous):  # a flat p would be a copy, and moving it would be in vain
        on_numpy.move(p, gradient, v, rate, momentum, decay, nesterov)
        return
    gradient = backend.constant(np.broadcast_to(gradient, p.shape).astype(p.dtype, copy=False))
    numbers = (p.dtype.type(number) for number in (rate, momentum, decay))
    pieces = backend.split(p.size, least=LEAST)
    backend.parallel(_move_range, pieces, p.reshape(-1), gradient.reshape(-1), v.reshape(-1), *numbers, nesterov)


@njit(nogil=True, cache=True)
def _move_range(start, stop, p, gradient, v, rate, momentum, decay, nesterov):
    p, gradient, v = p[start:stop], gradient[start:stop], v[start:stop]
    for i in range(p.size):
        g = gradient[i] + decay * p[i]
        v[i] = momentum * v[i] + g
        p[i] -= rate * (g + momentum * v[i] if nesterov else v[i])
