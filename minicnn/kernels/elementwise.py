"""Elementwise computations: ReLU, sums, and optimizer steps. Arrays have any shape unless stated."""

import numpy as np

from minicnn.kernels.contract import contract, form

# --- ReLU. Source: Nair & Hinton 2010 ------------------------------------------------------------------------------


@contract(lambda x: form(x))
def relu(x):
    """Return max(x, 0), of the shape of x. NaN stays NaN."""
    return np.maximum(x, 0)


@contract(lambda dy, active: form(dy))
def relu_gradient(dy, active):
    """Return dx: dy where active > 0, and 0 elsewhere. active: the ReLU's result, or any array of the same sign."""
    return np.where(active > 0, dy, dy.dtype.type(0))


@contract(lambda y: ((*y.shape[:-1], -(-y.shape[-1] // 8)), np.uint8))
def relu_marks(y):
    """Return marks (…, ⌈C / 8⌉) uint8, which say where y (…, C) > 0: one bit per element, eight channels per byte."""
    return np.packbits(y > 0, axis=-1, bitorder="little")


@contract(lambda dy, marks: form(dy))
def marked_gradient(dy, marks):
    """Return dx as relu_gradient does, from the marks of relu_marks."""
    return relu_gradient(dy, np.unpackbits(marks, axis=-1, count=dy.shape[-1], bitorder="little"))


@contract(lambda x, slope: form(x))
def sloped(x, slope):
    """Return x where x > 0, slope · x elsewhere. slope: broadcasts to the shape of x. Source: He et al. 2015."""
    return np.where(x > 0, x, x * slope)


# --- sums ----------------------------------------------------------------------------------------------------------


@contract(lambda x, y, out: form(x))
def add(x, y, out):
    """Return x + y, for arrays of the same shape and dtype: the cotangents of a result that is used twice.

    out: None, or the array to write to, which may be x or y.
    """
    return np.add(x, y, out=np.empty_like(x) if out is None else out)  # an array even without dimensions


@contract(lambda x, change, scale, relu: form(x))
def residual(x, change, scale, relu):
    """Return x + scale · change, followed by ReLU if relu is true: the end of a residual block.

    x, change: arrays of one shape and dtype. Behind the ReLU, the gradients are dy for x and scale · dy for change.
    Source: He et al. 2016, equation 1; the scale: Szegedy et al. 2017, section 3.3.
    """
    y = x + x.dtype.type(scale) * change
    return np.maximum(y, 0) if relu else y


# --- optimizer steps, in place -------------------------------------------------------------------------------------


@contract()
def sgd_step(p, gradient, v, rate, momentum, decay, nesterov):
    """Update p and the velocity v in place by a step of gradient descent with momentum.

    p, gradient, v: arrays of one shape; v is None without momentum. rate, momentum, decay: numbers. nesterov: bool.

    g = gradient + decay · p,   v = momentum · v + g,   p −= rate · v   or, nesterov,  p −= rate · (g + momentum · v)
    Source: Sutskever et al. 2013.
    """
    g = gradient + decay * p
    if v is None:
        p -= rate * g
        return
    v *= momentum
    v += g
    p -= rate * (g + momentum * v if nesterov else v)


@contract()
def adam_step(p, g, mean, square, rate, eps, beta1, beta2, low, high):
    """Update p, mean and square in place by a step of Adam, and clip p to [low, high].

    p, g (the gradient), mean, square: arrays of the same shape. The others are numbers.

    mean += (1 − beta1) (g − mean),   square += (1 − beta2) (g² − square),   p −= rate · mean / (√square + eps).
    rate and eps include Adam's bias corrections. Source: Kingma & Ba 2015, section 2.
    """
    mean += (1 - beta1) * (g - mean)
    square += (1 - beta2) * (g * g - square)
    p -= rate * mean / (np.sqrt(square) + eps)
    np.clip(p, low, high, out=p)
