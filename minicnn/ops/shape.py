"""Concatenation, padding and flattening. reshape, transpose and getitem are in arithmetic.py."""

import numpy as np

from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.tensor import Tensor


def concat(tensors, axis=-1):
    """Return the tensors concatenated along `axis`. Raise InputError if there are none or their other sizes differ."""
    if not len(tensors):
        raise InputError("concat: tensors is empty; expected at least one")
    return _concat(*tensors, axis=axis)


@op
def _concat(*parts, axis):
    shapes = [np.shape(p) for p in parts]
    try:
        whole = list(shapes[0])
        whole[axis] = sum(shape[axis] for shape in shapes)
        out = kernels_for(parts[0]).empty(tuple(whole), np.result_type(*parts), parts[0])
        y = np.concatenate(parts, axis=axis, out=out)
    except (ValueError, IndexError):
        raise InputError(f"concat: shapes {shapes} do not join along axis {axis}") from None
    edges = np.cumsum([shape[axis] for shape in shapes])[:-1].tolist()

    def backward(dy):
        return tuple(np.split(dy, edges, axis=axis))

    return y, backward


@op(inputs=1)
def pad(x, widths, value=0.0):
    """Return x padded with `value`. widths: one (before, after) pair per axis; raise InputError for another number."""
    if len(widths) != x.ndim:
        raise InputError(f"pad: widths is {widths!r}; expected {x.ndim} pairs (before, after), one an axis")
    inside = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True))

    def backward(dy):
        return dy[inside]

    return np.pad(x, widths, constant_values=value), backward


def flatten(x):
    """Return x (N, …) as (N, K), where K is the product of the other sizes."""
    x = x if isinstance(x, Tensor) else Tensor(x)
    return x.reshape((x.shape[0], -1))
