"""The transforms of the filters."""

import numpy as np

from minicnn.fast.cpu import blas, buffers
from minicnn.fast.cpu.cache import keeps, remember
from minicnn.fast.cpu.micro_kernel import columns
from minicnn.fast.cpu.winograd import G

KIND = "winograd filters"  # in the cache
_BOTH_SIDES = np.kron(G, G)  # (36, 9): rows of G on either side of a 3×3 filter written as nine numbers


def transformed(w):
    """U of w, remembered while w is read-only."""
    return remember(w, transform, KIND)


def keeps_transform(w):
    """Tell whether U of w, once formed, is remembered."""
    return keeps(w, 4 * w.nbytes, KIND)  # 36 numbers of 9


def transform(w):
    """U = G g Gᵀ for each pair of channels: (3, 3, C_in, C_out) -> (36, panels, C_in, columns of a panel).

    A panel is the part of U[ξ] that the micro-kernel multiplies by at a time; the last one is filled up with zeros.
    """
    channels, outputs = w.shape[2:]
    width = columns(w.itemsize)
    panels = -(-outputs // width)
    filters = np.zeros((9, channels, panels * width), w.dtype)
    filters[..., :outputs] = w.reshape(9, channels, outputs)
    filters = filters.reshape(9, channels, panels, width).transpose(0, 2, 1, 3).reshape(9, -1)
    # What is remembered stays long: not in the midst of what comes and goes.
    U = buffers.aligned((36, panels, channels, width), w.dtype)
    with blas.on_one_thread:
        np.matmul(_BOTH_SIDES.astype(w.dtype), filters, out=U.reshape(36, -1))
    return U


def transform_back(dU):
    """dg = Gᵀ dU G: the gradient of `transform`."""
    with blas.on_one_thread:
        dw = _BOTH_SIDES.T.astype(dU.dtype) @ dU.reshape(36, -1)
    return dw.reshape(3, 3, *dU.shape[1:])
