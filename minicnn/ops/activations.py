"""Activations, elementwise except softmax."""

import contextvars

import numpy as np

from minicnn import devices
from minicnn.backend import kernels_for
from minicnn.errors import InputError, check_activation
from minicnn.operation import op

# How a cotangent g passes the ReLU of x. The other rules serve visualization; only the first is the gradient.
RELU_RULES = {
    "gradient": "g · [x > 0]",
    "deconvnet": "max(g, 0)",  # Zeiler & Fergus 2014
    "guided": "max(g, 0) · [x > 0]",  # Springenberg et al. 2015
}
# The rule in use, read when backward runs. visualize.backward_rule sets it.
chosen_relu_rule: contextvars.ContextVar[str] = contextvars.ContextVar("relu_rule", default="gradient")


def relu_rule(kernels, dy, active):
    """Return dy after the backward pass of a ReLU, by the chosen rule, of the shape of dy.

    active: positive exactly where the ReLU's input was positive, such as its result or a mask.
    """
    dy, active = at_relu(kernels, dy, active)
    return dy if active is None else kernels.relu_gradient(dy, active)


def at_relu(kernels, dy, active):
    """Return (dy, active) such that the ordinary gradient of a ReLU, applied to them, follows the chosen rule.

    active: marks where the input was positive, in any form. If None is returned for it, all of dy passes.
    """
    rule = chosen_relu_rule.get()
    if rule == "gradient":
        return dy, active
    return kernels.relu(dy), active if rule == "guided" else None


@op(fresh=True)
def relu(x):
    """Return max(x, 0), elementwise. x: any shape. The gradient at 0 is 0. Source: Nair & Hinton 2010."""
    kernels = kernels_for(x)
    y = kernels.relu(x)

    def backward(dy):
        return relu_rule(kernels, dy, y)

    return y, backward


@op(fuses={"activation": {"relu": relu}})
def residual(x, change, *, scale=1.0, activation=None, needs):
    """Return x + scale · change, followed by ReLU if activation="relu": the end of a residual block, in one pass.

    x, change: arrays of the same shape and dtype. scale: a number. activation: None or "relu".
    Raise InputError if shapes or dtypes differ, or for another activation.
    Source: He et al. 2016; the scale: Szegedy et al. 2017.
    """
    if np.shape(x) != np.shape(change) or np.result_type(x) != np.result_type(change):
        what = [f"{np.result_type(array)} {np.shape(array)}" for array in (x, change)]
        raise InputError(f"residual: change is {what[1]}; expected as x is, {what[0]}")
    check_activation("residual", activation)
    kernels = kernels_for(x)
    y = kernels.residual(x, change, scale, activation == "relu")
    active = y if activation else None

    def backward(dy):
        dy = dy if active is None else relu_rule(kernels, dy, active)
        return dy, dy * dy.dtype.type(scale) if needs[1] else None

    return y, backward


@op(inputs=1, fresh=True)
def leaky_relu(x, slope):
    """Return x where x > 0, slope · x elsewhere. x: any shape; slope: a number. The gradient at 0 is the slope.

    Source: Maas et al. 2013.
    """
    factor = np.where(x > 0, x.dtype.type(1), x.dtype.type(slope))

    def backward(dy):
        return dy * factor

    return x * factor, backward


@op(fresh=True)
def prelu(x, slope, *, needs):
    """Return x where x > 0, slope · x elsewhere, with a learned slope. The gradient at 0 is the slope.

    Source: He et al. 2015.
    slope: (C,), one per channel, or any other shape that broadcasts to the shape of x. Raise InputError otherwise.
    """
    if not _broadcasts(np.shape(slope), np.shape(x)):
        raise InputError(f"prelu: slope has shape {np.shape(slope)}; expected {np.shape(x)[-1:]} for x {np.shape(x)}")

    def backward(dy):
        positive = x > 0
        return (
            np.where(positive, dy, dy * slope) if needs[0] else None,
            np.where(positive, 0, dy * x) if needs[1] else None,
        )

    return kernels_for(x).sloped(x, slope), backward


def _broadcasts(shape, to):
    """Return True if an array of `shape` broadcasts to the shape `to`."""
    lengths = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(n in (1, wanted) for n, wanted in lengths)


@op(fresh=True)
def sigmoid(x):
    """Return 1 / (1 + e⁻ˣ), elementwise, without overflow."""
    decay = np.exp(-np.abs(x))
    y = np.where(x >= 0, 1, decay) / (1 + decay)

    def backward(dy):
        return dy * y * (1 - y)

    return y, backward


@op(fresh=True)
def tanh(x):
    """Return tanh(x), elementwise."""
    y = np.tanh(x)

    def backward(dy):
        return dy * (1 - y * y)

    return y, backward


@op(fresh=True)
def softplus(x):
    """Return log(1 + eˣ), elementwise, without overflow."""
    y = np.logaddexp(x, x.dtype.type(0))

    def backward(dy):
        return dy * -np.expm1(-y)  # the derivative is sigmoid(x) = 1 − e^(−softplus(x))

    return y, backward


@op(fresh=True)
def softmax(x, *, axis=-1):
    """Return eˣ / Σ eˣ, summed along `axis` and shifted by the maximum to avoid overflow.

    An element of −∞ gets 0 and no gradient. If all along the axis are −∞, or one is ∞, all are NaN.
    """
    y = np.exp(x - (x.max(axis=axis, keepdims=True) if x.size else 0))
    y /= y.sum(axis=axis, keepdims=True)

    def backward(dy):
        return y * (dy - np.sum(dy * y, axis=axis, keepdims=True))

    return y, backward


@op(fresh=True)
def log_softmax(x, *, axis=-1):
    """Return log softmax(x) along `axis`, without overflow. An element of −∞ stays −∞. If all are, they become NaN."""
    y = logarithms(x, axis)

    def backward(dy):
        return dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)

    return y, backward


def logarithms(x, axis):
    """Return log softmax(x) of an array."""
    shifted = x - (x.max(axis=axis, keepdims=True) if x.size else 0)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)) if x.size else shifted


@op(inputs=1)
def dropout(x, rate, *, training=True, seed=None):
    """Set each element to zero with probability `rate` and divide the rest by 1 − rate. Return x if not training.

    seed: an int, a NumPy Generator, or None. Raise InputError unless 0 ≤ rate < 1.
    Source: Srivastava et al. 2014 (inverted, so that inference needs no factor).
    """
    if not 0 <= rate < 1:
        raise InputError(f"dropout: rate is {rate!r}; expected 0 ≤ rate < 1")
    if not training or rate == 0:
        return x, lambda dy: dy
    keep = np.random.default_rng(seed).random(x.shape) >= rate
    factor = devices.beside(keep.astype(x.dtype) / x.dtype.type(1 - rate), x)

    def backward(dy):
        return dy * factor

    return x * factor, backward
