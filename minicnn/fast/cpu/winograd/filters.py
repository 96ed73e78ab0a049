"""The transforms of the filters."""

import numpy as np

from minicnn.fast.cpu import blas, buffers
from minicnn.fast.cpu.cache import keeps, remember
from minicnn.fast.cpu.micro_kernel import columns
from minicnn.fast.cpu.winograd import G

KIND = "winograd filters"  # the label in the cache
_BOTH_SIDES = np.kron(G, G)  # (36, 9): G on both sides of a 3×3 filter, flattened to nine numbers


def transformed(w):
    """Return U of w, cached while w is read-only."""
    return remember(w, transform, KIND)


def keeps_transform(w):
    """Return True if U of w would be cached."""
    return keeps(w, 4 * w.nbytes, KIND)  # 36 numbers from 9


def transform(w):
    """Return U = G g Gᵀ for each pair of channels: (3, 3, C_in, C_out) -> (36, panels, C_in, columns of a panel).

    A panel is the part of U[ξ] in one product of the micro-kernel; the last one is filled up with zeros.
    """
    channels, outputs = w.shape[2:]
    width = columns(w.itemsize)
    panels = -(-outputs // width)
    filters = np.zeros((9, channels, panels * width), w.dtype)
    filters[..., :outputs] = w.reshape(9, channels, outputs)
    filters = filters.reshape(9, channels, panels, width).transpose(0, 2, 1, 3).reshape(9, -1)
    # Cached results are long-lived, so they are allocated outside the pool.
    U = buffers.aligned((36, panels, channels, width), w.dtype)
    with blas.on_one_thread:
        np.matmul(_BOTH_SIDES.astype(w.dtype), filters, out=U.reshape(36, -1))
    return U


def transform_back(dU):
    """Return dg = Gᵀ dU G, the gradient of `transform`."""
    with blas.on_one_thread:
        dw = _BOTH_SIDES.T.astype(dU.dtype) @ dU.reshape(36, -1)
    return dw.reshape(3, 3, *dU.shape[1:])
