"""Matrix products."""

import math

import numpy as np

from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.operation import op


@op(fresh=True)
def matmul(x, y, *, needs):
    """Return x @ y, the matrix product of the last two axes, broadcast over the others.

    x: (…, M, K) or (K,); y: (…, K, N) or (K,). Raise InputError if K differs or an operand is a scalar.
    """
    _check_matmul(x, y)

    def backward(dz):
        rows = x[None, :] if x.ndim == 1 else x
        columns = y[:, None] if y.ndim == 1 else y
        dz = np.expand_dims(dz, -1) if y.ndim == 1 else dz
        dz = np.expand_dims(dz, -2) if x.ndim == 1 else dz
        dx = dy = None
        if needs[0]:
            dx = product(dz, np.swapaxes(columns, -1, -2))
            dx = dx.reshape(-1, *x.shape).sum(axis=0) if x.ndim == 1 else dx
        if needs[1]:
            dy = product(np.swapaxes(rows, -1, -2), dz)
            dy = dy[..., 0] if y.ndim == 1 else dy
        return dx, dy

    return product(x, y), backward


@op(fresh=True)
def linear(x, w, b=None, *, needs):
    """Return x @ w + b (…, C_out). x: (…, C_in); w: (C_in, C_out); b: (C_out,) or None.

    Raise InputError for other shapes.
    """
    if np.ndim(w) != 2 or np.ndim(x) < 1 or x.shape[-1] != w.shape[0]:
        expected = "(…, C_in) and (C_in, C_out)"
        expected += "; was x to be flattened first?" if math.prod(np.shape(x)[1:]) in np.shape(w)[:1] else ""
        raise InputError(f"linear: x has shape {np.shape(x)}, w {np.shape(w)}; expected {expected}")
    if b is not None and np.shape(b) != w.shape[1:]:
        raise InputError(f"linear: b has shape {np.shape(b)}; expected {w.shape[1:]}, one per output, for w {w.shape}")
    kernels, dtype, shape = kernels_for(x), np.result_type(x, w), x.shape
    rows, w = x.reshape(math.prod(shape[:-1]), len(w)).astype(dtype, copy=False), w.astype(dtype, copy=False)
    y = kernels.product(rows, w)
    if b is not None:
        y = y + b

    def backward(dy):
        dy = dy.reshape(len(rows), w.shape[1])
        return (
            kernels.product(dy, w.T).reshape(shape) if needs[0] else None,
            kernels.product(rows.T, dy) if needs[1] else None,
            kernels.sum_of_rows(dy) if needs[2] else None,
        )

    return y.reshape(*shape[:-1], w.shape[1]), backward


def product(x, y):
    """Return the matrix product of arrays, by the chosen kernels for two plain matrices."""
    plain = np.ndim(x) == np.ndim(y) == 2 and x.dtype == y.dtype
    return kernels_for(x).product(x, y) if plain else np.matmul(x, y)


def _check_matmul(x: np.ndarray, y: np.ndarray) -> None:
    inner = y.shape[-2] if np.ndim(y) > 1 else np.shape(y)[0] if np.ndim(y) else None
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != inner:
        raise InputError(f"matmul: x {np.shape(x)} and y {np.shape(y)} do not chain; expected (…, M, K) and (…, K, N)")
