"""Elementwise arithmetic, reductions and reshaping. The end of this file attaches operators and methods to Tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.tensor import Tensor


@op
def add(x, y):
    """Return x + y, broadcast."""

    def backward(dz):
        return dz, dz

    return np.add(x, y), backward


@op
def sub(x, y):
    """Return x − y, broadcast."""

    def backward(dz):
        return dz, -dz

    return np.subtract(x, y), backward


@op(fresh=True)
def mul(x, y, *, needs):
    """Return x · y, elementwise, broadcast."""

    def backward(dz):
        return dz * y if needs[0] else None, dz * x if needs[1] else None

    return np.multiply(x, y), backward


@op(fresh=True)
def div(x, y, *, needs):
    """Return x / y, elementwise, broadcast. Where y is 0, results and gradients are infinite or NaN, as in IEEE 754."""

    def backward(dz):
        return dz / y if needs[0] else None, -dz * x / (y * y) if needs[1] else None

    return np.divide(x, y), backward


@op(fresh=True)
def neg(x):
    """Return −x."""

    def backward(dy):
        return -dy

    return np.negative(x), backward


@op(fresh=True)
def power(x, exponent, *, needs):
    """Return x ** exponent, elementwise, broadcast.

    The gradient of x is 0 where the exponent is 0, even at x = 0. The gradient of the exponent is NaN where x < 0, and
    0 where x = 0 and the exponent is not negative. A negative x with a fractional exponent gives NaN.
    """
    y = x**exponent

    def backward(dy):
        return (
            dy * exponent * x ** (exponent - (exponent != 0)) if needs[0] else None,
            dy * y * np.log(np.where(np.equal(x, 0) & (exponent >= 0), 1, x)) if needs[1] else None,
        )

    return y, backward


@op(fresh=True)
def exp(x):
    """Return eˣ, elementwise."""
    y = np.exp(x)

    def backward(dy):
        return dy * y

    return y, backward


@op(fresh=True)
def log(x):
    """Return the natural logarithm of x > 0, elementwise. At 0 the result is −∞ and the gradient ∞."""

    def backward(dy):
        return dy / x

    return np.log(x), backward


@op(fresh=True)
def sqrt(x):
    """Return √x, elementwise. The gradient at 0 is ∞, which a cotangent of 0 makes NaN."""
    y = np.sqrt(x)

    def backward(dy):
        return dy / (2 * y)

    return y, backward


@op(fresh=True)
def abs(x):
    """Return |x|, elementwise. The gradient at 0 is 0."""

    def backward(dy):
        return dy * np.sign(x)

    return np.abs(x), backward


@op(fresh=True)
def square(x):
    """Return x², elementwise."""

    def backward(dy):
        return 2 * dy * x

    return np.square(x), backward


@op(fresh=True)
def maximum(x, y, *, needs):
    """Return max(x, y), elementwise, broadcast. Ties share the gradient evenly."""

    def backward(dz):
        return _won(dz, x, y) if needs[0] else None, _won(dz, y, x) if needs[1] else None

    return np.maximum(x, y), backward


@op(fresh=True)
def minimum(x, y, *, needs):
    """Return min(x, y), elementwise, broadcast. Ties share the gradient evenly."""

    def backward(dz):
        return _won(dz, y, x) if needs[0] else None, _won(dz, x, y) if needs[1] else None

    return np.minimum(x, y), backward


def quotient(x, y):
    """Return x / y for arrays, and 0 where y is 0: for gradients at points that have none."""
    nowhere = y == 0
    return np.where(nowhere, 0, x / np.where(nowhere, 1, y))


def _won(dz, larger, smaller):
    """Return dz where `larger` > `smaller`, half of it where they are equal, and 0 elsewhere."""
    return np.where(np.equal(larger, smaller), dz / 2, dz * np.greater(larger, smaller))


@op(inputs=1, fresh=True)
def clip(x, low, high):
    """Return x clipped to [low, high], elementwise. The gradient passes where low ≤ x ≤ high, bounds included."""
    inside = (x >= low) & (x <= high)

    def backward(dy):
        return dy * inside

    return np.clip(x, low, high), backward


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


def product(x, y):
    """Return the matrix product of arrays: of two plain matrices by the chosen kernels."""
    plain = np.ndim(x) == np.ndim(y) == 2 and x.dtype == y.dtype
    return kernels_for(x).product(x, y) if plain else np.matmul(x, y)


def _check_matmul(x: np.ndarray, y: np.ndarray) -> None:
    inner = y.shape[-2] if np.ndim(y) > 1 else np.shape(y)[0] if np.ndim(y) else None
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != inner:
        raise InputError(f"matmul: x {np.shape(x)} and y {np.shape(y)} do not chain; expected (…, M, K) and (…, K, N)")


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


@op(inputs=1)
def sum(x, axis=None, keepdims=False):
    """Return the sum over `axis`: an int, a tuple of ints, or None for all axes. The sum of no elements is 0."""
    shape = x.shape

    def backward(dy):
        return np.broadcast_to(_restore_axes(dy, shape, axis, keepdims), shape)

    return np.sum(x, axis=axis, keepdims=keepdims), backward


@op(inputs=1)
def mean(x, axis=None, keepdims=False):
    """Return the mean over `axis`: an int, a tuple of ints, or None for all axes. The mean of no elements is NaN."""
    y = np.mean(x, axis=axis, keepdims=keepdims)
    shape, count = x.shape, x.size // math.prod(np.shape(y)) if np.size(y) else 1

    def backward(dy):
        return np.broadcast_to(_restore_axes(dy, shape, axis, keepdims) / count, shape)

    return y, backward


@op(inputs=1, fresh=True)
def max(x, axis=None, keepdims=False):
    """Return the maximum over `axis`: an int, a tuple of ints, or None for all axes.

    Ties share the gradient evenly. Raise InputError if there is no such axis, or no element along it.
    """
    try:
        y = np.max(x, axis=axis, keepdims=True)
    except ValueError:
        raise InputError(f"max: x has shape {x.shape}; there is no maximum over axis {axis}") from None

    def backward(dy):
        winners = x == y
        return winners * (_restore_axes(dy, x.shape, axis, keepdims) / winners.sum(axis=axis, keepdims=True))

    return y if keepdims else np.squeeze(y, axis=axis), backward


def _restore_axes(dy: np.ndarray, shape: tuple, axis: Any, keepdims: bool) -> np.ndarray:
    """Return the cotangent of a reduction with the reduced axes restored, of length one."""
    if keepdims or np.ndim(dy) == len(shape):
        return dy
    axes = range(len(shape)) if axis is None else _as_tuple(axis)
    reduced = {a % len(shape) for a in axes}
    return np.reshape(dy, [1 if i in reduced else n for i, n in enumerate(shape)])


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


# --- operators and methods of Tensor, attached here because they need the ops, which import Tensor -------------------


def _reversed(operation: Callable) -> Callable:
    """Return the operation with its operands swapped, for `number - tensor`."""
    return lambda tensor, other: operation(other, tensor)


def _reshape(tensor: Tensor, *shape: Any) -> Tensor:
    return reshape(tensor, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)


def _transpose(tensor: Tensor, *axes: Any) -> Tensor:
    return transpose(tensor, (axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes) or None)


OPERATORS: dict[str, Any] = {
    **{f"__{name}__": operation for name, operation in (("neg", neg), ("abs", abs), ("getitem", getitem))},
    "sum": sum,
    "mean": mean,
    "max": max,
    "reshape": _reshape,
    "transpose": _transpose,
    "T": property(_transpose),
}
for _name, _operation in {
    "add": add,
    "sub": sub,
    "mul": mul,
    "truediv": div,
    "pow": power,
    "matmul": matmul,
}.items():
    OPERATORS |= {f"__{_name}__": _operation, f"__r{_name}__": _reversed(_operation)}
for _name, _operation in OPERATORS.items():
    setattr(Tensor, _name, _operation)
