"""Elementwise mathematics. Each function is a forward and, side by side with it, its backward."""

import numpy as np

from minicnn.operation import op


@op(fresh=True)
def exp(x):
    """eˣ, elementwise."""
    y = np.exp(x)

    def backward(dy):
        return dy * y

    return y, backward


@op(fresh=True)
def log(x):
    """The natural logarithm, elementwise; x > 0."""

    def backward(dy):
        return dy / x

    return np.log(x), backward


@op(fresh=True)
def sqrt(x):
    """√x, elementwise; its gradient needs x > 0."""
    y = np.sqrt(x)

    def backward(dy):
        return dy / (2 * y)

    return y, backward


@op(fresh=True)
def abs(x):
    """|x|, elementwise; the gradient at 0 is 0."""

    def backward(dy):
        return dy * np.sign(x)

    return np.abs(x), backward


@op(fresh=True)
def square(x):
    """x², elementwise."""

    def backward(dy):
        return 2 * dy * x

    return np.square(x), backward


@op(fresh=True)
def maximum(x, y, *, needs):
    """The larger of x and y elementwise, with broadcasting. Ties share the gradient evenly."""

    def backward(dz):
        return _won(dz, x, y) if needs[0] else None, _won(dz, y, x) if needs[1] else None

    return np.maximum(x, y), backward


@op(fresh=True)
def minimum(x, y, *, needs):
    """The smaller of x and y elementwise, with broadcasting. Ties share the gradient evenly."""

    def backward(dz):
        return _won(dz, y, x) if needs[0] else None, _won(dz, x, y) if needs[1] else None

    return np.minimum(x, y), backward


def quotient(x, y):
    """x / y of arrays, and 0 where y is: for slopes at a place where there is none."""
    nowhere = y == 0
    return np.where(nowhere, 0, x / np.where(nowhere, 1, y))


def _won(dz, larger, smaller):
    """The cotangent where `larger` is larger, and half of it where the two are equal."""
    return np.where(np.equal(larger, smaller), dz / 2, dz * np.greater(larger, smaller))


@op(inputs=1, fresh=True)
def clip(x, low, high):
    """x limited to [low, high], elementwise. The gradient passes inside and on the borders."""
    inside = (x >= low) & (x <= high)

    def backward(dy):
        return dy * inside

    return np.clip(x, low, high), backward
