"""Sums, differences, products, quotients and powers. The end of this file gives Tensor its operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

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
def square(x):
    """Return x², elementwise."""

    def backward(dy):
        return 2 * dy * x

    return np.square(x), backward


@op(inputs=1)
def sum(x, axis=None, keepdims=False):
    """Return the sum over `axis`: an int, a tuple of ints, or None for all axes. The sum of no elements is 0."""
    shape = x.shape

    def backward(dy):
        return np.broadcast_to(restore_axes(dy, shape, axis, keepdims), shape)

    return np.sum(x, axis=axis, keepdims=keepdims), backward


@op(inputs=1)
def mean(x, axis=None, keepdims=False):
    """Return the mean over `axis`: an int, a tuple of ints, or None for all axes. The mean of no elements is NaN."""
    y = np.mean(x, axis=axis, keepdims=keepdims)
    shape, count = x.shape, x.size // math.prod(np.shape(y)) if np.size(y) else 1

    def backward(dy):
        return np.broadcast_to(restore_axes(dy, shape, axis, keepdims) / count, shape)

    return y, backward


def restore_axes(dy: np.ndarray, shape: tuple, axis: Any, keepdims: bool) -> np.ndarray:
    """Return the cotangent of a reduction with the reduced axes restored, of length one."""
    if keepdims or np.ndim(dy) == len(shape):
        return dy
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis).tolist()
    reduced = {a % len(shape) for a in axes}
    return np.reshape(dy, [1 if i in reduced else n for i, n in enumerate(shape)])


def quotient(x, y):
    """Return x / y for arrays, and 0 where y is 0: for gradients at points that have none."""
    nowhere = y == 0
    return np.where(nowhere, 0, x / np.where(nowhere, 1, y))


# --- the operators of Tensor, attached here because operations need Tensor; methods.py attaches the methods -----------


def _reversed(operation: Callable) -> Callable:
    """Return the operation with its operands swapped, for `number - tensor`."""
    return lambda tensor, other: operation(other, tensor)


_BINARY = {"add": add, "sub": sub, "mul": mul, "truediv": div, "pow": power}
for _name, _operation in _BINARY.items():
    setattr(Tensor, f"__{_name}__", _operation)
    setattr(Tensor, f"__r{_name}__", _reversed(_operation))
