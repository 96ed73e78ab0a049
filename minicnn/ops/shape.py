"""Reshaping, joining and padding; and the choice of elements."""

from typing import Any

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.tensor import Tensor


@op(inputs=1)
def reshape(x, shape):
    """Return x in another shape, with the elements in the same order. One size may be -1, which is inferred.

    Raise InputError if the number of elements differs.
    """
    before = x.shape
    try:
        y = np.reshape(x, shape)
    except ValueError:
        raise InputError(f"reshape: x has shape {before}, {x.size} elements; cannot become {shape}") from None

    def backward(dy):
        return np.reshape(dy, before)

    return y, backward


@op(inputs=1)
def transpose(x, axes=None):
    """Return x with its axes in the order `axes` (default: reversed)."""
    back = None if axes is None else tuple(np.argsort([a % x.ndim for a in axes]).tolist())

    def backward(dy):
        return np.transpose(dy, back)

    return np.transpose(x, axes), backward


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


def stack(tensors, axis=0):
    """Return the tensors, all of one shape, along a new axis. Raise InputError if there are none or shapes differ."""
    shapes = [np.shape(tensor) for tensor in tensors]
    if len(set(shapes)) != 1:
        raise InputError(f"stack: tensors have shapes {shapes}; expected at least one, and all of one shape")
    return concat([expand_dims(tensor, axis) for tensor in tensors], axis)


def expand_dims(x, axis):
    """Return x with a new axis of length 1 at `axis`, an int or a tuple of ints."""
    return reshape(x, np.expand_dims(_of_shape(x), axis).shape)


def squeeze(x, axis=None):
    """Return x without its axes of length 1, or without those in `axis`. Raise InputError if one is longer."""
    try:
        return reshape(x, np.squeeze(_of_shape(x), axis).shape)
    except ValueError:
        raise InputError(f"squeeze: x has shape {np.shape(x)}; expected length 1 along axis {axis}") from None


def _of_shape(x):
    """Return an array of the shape of x, without memory of its own."""
    return np.broadcast_to(0, np.shape(x))


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
    return x.reshape((x.shape[0], int(np.prod(x.shape[1:]))))


@op(inputs=1, fresh=True)
def getitem(x, index):
    """Return x[index], for any NumPy index. The gradients of repeated elements are summed."""
    index = index.data if isinstance(index, Tensor) else index
    if not isinstance(x, np.ndarray):
        index = tuple(devices.beside(i, x) if isinstance(i, np.ndarray) else i for i in _as_tuple(index))
    shape, dtype = x.shape, x.dtype

    picks_once = all(isinstance(i, (int, slice, type(None), type(...))) for i in _as_tuple(index))

    def backward(dy):
        dx = np.zeros_like(dy, dtype, shape=shape)
        if picks_once:
            dx[index] = dy
        else:
            np.add.at(dx, index, dy)
        return dx

    return x[index], backward


def _as_tuple(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def where(condition, x, y):
    """Return x where the condition holds and y elsewhere, broadcast. The condition has no gradient."""
    return _chosen(x, y, condition.data if isinstance(condition, Tensor) else condition)


@op(inputs=2, fresh=True)
def _chosen(x, y, condition):
    condition = devices.beside(condition, x if devices.is_array(x) else y)

    def backward(dz):
        return np.where(condition, dz, 0), np.where(condition, 0, dz)

    return np.where(condition, x, y), backward
