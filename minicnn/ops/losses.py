"""Loss functions, Gram matrices and pairwise distances."""

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.ops.activations import logarithms
from minicnn.ops.arithmetic import quotient
from minicnn.ops.matrices import product
from minicnn.tensor import Tensor


@op(inputs=1, fresh=True)
def cross_entropy(logits, labels, *, smoothing=0.0):
    """Return the mean of −Σ target · log softmax(logits), a scalar. logits: (N, classes); labels: (N,) integers.

    The target is 1 at the label and 0 elsewhere. `smoothing`, from 0 to below 1, is the share of it that is spread
    evenly over all classes, which keeps a network from overconfidence. Source: Szegedy et al. 2016, section 7.
    A logit of −∞ makes the cost ∞ if its target is positive, and otherwise adds nothing.
    Raise InputError for labels of another shape, dtype or range.
    """
    labels = devices.beside(labels.data if isinstance(labels, Tensor) else labels, logits)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(
            f"cross_entropy: labels have shape {labels.shape} and dtype {labels.dtype}; "
            f"expected {logits.shape[:1]} integers for logits {logits.shape}"
        )
    if labels.size == 0 or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise InputError(f"cross_entropy: labels must be one or more integers in 0 … {logits.shape[1] - 1}")
    if not 0 <= smoothing < 1:
        raise InputError(f"cross_entropy: smoothing is {smoothing!r}; expected a number from 0 to below 1")
    classes = devices.beside(np.arange(logits.shape[1]), logits)
    spread = logits.dtype.type(smoothing / logits.shape[1])
    target = (labels[:, None] == classes) * logits.dtype.type(1 - smoothing) + spread
    log_softmax = logarithms(logits, 1)

    def backward(dy):
        return (np.exp(log_softmax) - target) * (dy / len(labels))

    # A class whose target is zero adds nothing, even if its logit is −∞.
    costs = target * np.where(target > 0, log_softmax, 0)
    return -costs.sum(axis=1).mean(), backward


@op(inputs=1, fresh=True)
def binary_cross_entropy(logits, labels):
    """Return the mean of −y log σ(x) − (1 − y) log(1 − σ(x)), a scalar, without overflow.

    logits x: any shape. labels y: of the same shape, in [0, 1]; raise InputError otherwise.
    A logit of ±∞ costs 0 if the label is the one that it is certain of, and ∞ otherwise.
    """
    labels = devices.beside(labels.data if isinstance(labels, Tensor) else labels, logits).astype(logits.dtype)
    if labels.shape != logits.shape or labels.size == 0:
        raise InputError(f"binary_cross_entropy: labels have shape {labels.shape}; expected {logits.shape}, as logits")
    if not (labels >= 0).all() or not (labels <= 1).all():
        raise InputError("binary_cross_entropy: labels must lie in [0, 1]")
    zero = logits.dtype.type(0)
    as_one = labels * np.where(labels > 0, np.logaddexp(-logits, zero), 0)
    costs = as_one + (1 - labels) * np.where(labels < 1, np.logaddexp(logits, zero), 0)

    def backward(dy):
        probability = np.exp(-np.logaddexp(-logits, zero))
        return (probability - labels) * (dy / labels.size)

    return costs.mean(), backward


@op(fresh=True)
def mean_squared_error(x, y):
    """Return the mean of (x − y)², a scalar. The shapes of x and y must broadcast."""
    difference = np.subtract(x, y)

    def backward(dz):
        slope = difference * (2 * dz / difference.size)
        return slope, -slope

    return np.mean(difference * difference), backward


@op(adds=True, fresh=True)
def gram_matrix(features):
    """Return FᵀF for each picture, undivided: the products of all pairs of channels, summed over positions.

    features F: (N, *spatial, C) floats; raise InputError otherwise. The result is (N, C, C).

    Source: Gatys, Ecker & Bethge 2015, equation 3.
    """
    if features.ndim < 3 or features.dtype.kind != "f" or 0 in features.shape:
        raise InputError(
            f"gram_matrix: features have shape {features.shape} and dtype {features.dtype}; "
            "expected floats (N, *spatial, C)"
        )
    kernels = kernels_for(features)
    rows = features.reshape(features.shape[0], -1, features.shape[-1])

    def backward(dgram, total=None):
        total = None if total is None else total.reshape(rows.shape)
        return kernels.gram_gradient(dgram, rows, total).reshape(features.shape)

    return kernels.gram(rows), backward


@op(fresh=True)
def pairwise_distances(x, y, *, squared):
    """Return ‖xᵢ − yⱼ‖² if squared, otherwise its root, (N, M). x: (N, D); y: (M, D).

    The gradient of the root at distance 0 is 0. Raise InputError for other shapes.
    """
    if np.ndim(x) != 2 or np.ndim(y) != 2 or x.shape[1] != y.shape[1]:
        raise InputError(f"pairwise_distances: x has shape {np.shape(x)}, y {np.shape(y)}; expected (N, D) and (M, D)")
    squares = np.sum(x * x, axis=1)[:, None] + np.sum(y * y, axis=1)[None, :] - 2 * product(x, y.T)
    squares = np.maximum(squares, 0)  # rounding can make a square slightly negative
    distances = squares if squared else np.sqrt(squares)

    def backward(dd):
        slope = 2 * dd if squared else quotient(dd, distances)
        dx = slope.sum(axis=1)[:, None] * x - product(slope, y)
        dy = slope.sum(axis=0)[:, None] * y - product(slope.T, x)
        return dx, dy

    return distances, backward
