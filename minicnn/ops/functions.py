"""Functions of single elements, and of pairs of them."""

import numpy as np

from minicnn.operation import op


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


@op(inputs=1, fresh=True)
def clip(x, low, high):
    """Return x clipped to [low, high], elementwise. The gradient passes where low ≤ x ≤ high, bounds included."""
    inside = (x >= low) & (x <= high)

    def backward(dy):
        return dy * inside

    return np.clip(x, low, high), backward


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


def _won(dz, larger, smaller):
    """Return dz where `larger` > `smaller`, half of it where they are equal, and 0 elsewhere."""
    return np.where(np.equal(larger, smaller), dz / 2, dz * np.greater(larger, smaller))
