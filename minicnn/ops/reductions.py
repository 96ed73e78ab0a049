"""Reductions over axes: extremes, lengths and variances. Sums and means are in arithmetic.py."""

import math

import numpy as np

from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.ops.arithmetic import div, mean, neg, quotient, restore_axes, square, sub


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
        return winners * (restore_axes(dy, x.shape, axis, keepdims) / winners.sum(axis=axis, keepdims=True))

    return y if keepdims else np.squeeze(y, axis=axis), backward


def min(x, axis=None, keepdims=False):
    """Return the minimum over `axis`, as max returns the maximum."""
    return neg(max(neg(x), axis, keepdims))


@op(inputs=1, fresh=True)
def norm(x, axis=None, keepdims=False):
    """Return the Euclidean length √(Σ x²) over `axis`: an int, a tuple of ints, or None. The gradient at 0 is 0."""
    y = np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))

    def backward(dy):
        return x * restore_axes(quotient(dy, y), x.shape, axis, keepdims)

    return y, backward


def var(x, axis=None, keepdims=False):
    """Return the variance over `axis`, the mean square of the deviations from the mean, as in NumPy and Keras.

    PyTorch's default divides by one less than the number of elements.
    """
    return mean(square(sub(x, mean(x, axis, True))), axis, keepdims)


def std(x, axis=None, keepdims=False):
    """Return the standard deviation √var over `axis`. The gradient is 0 where all elements are equal."""
    length = norm(sub(x, mean(x, axis, True)), axis, keepdims)
    return div(length, math.sqrt(np.size(x) / (length.size or 1)))
