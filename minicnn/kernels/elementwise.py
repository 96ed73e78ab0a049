"""What is computed number by number: ReLU, sums, and the steps of the optimizers."""

import numpy as np

from minicnn.kernels.contract import contract, form

# --- the rectifier. Source: Nair & Hinton 2010 ---------------------------------------------------------------------


@contract(lambda x: form(x))
def relu(x):
    """Return max(x, 0), and NaN where x is NaN."""
    return np.maximum(x, 0)


@contract(lambda dy, active: form(dy))
def relu_gradient(dy, active):
    """Return dy where active > 0, and 0 elsewhere. active: the ReLU's result, or what is positive where it is."""
    return np.where(active > 0, dy, dy.dtype.type(0))


@contract(lambda y: ((*y.shape[:-1], -(-y.shape[-1] // 8)), np.uint8))
def relu_marks(y):
    """Return where y > 0, one bit an element, eight channels a byte: uint8 (…, ⌈C / 8⌉)."""
    return np.packbits(y > 0, axis=-1, bitorder="little")


@contract(lambda dy, marks: form(dy))
def marked_gradient(dy, marks):
    """Return relu_gradient from the marks alone."""
    return relu_gradient(dy, np.unpackbits(marks, axis=-1, count=dy.shape[-1], bitorder="little"))


@contract(lambda x, slope: form(x))
def sloped(x, slope):
    """Return x where x > 0, slope · x elsewhere (He et al. 2015). slope: of a shape that broadcasts to that of x."""
    return np.where(x > 0, x, x * slope)


# --- sums ----------------------------------------------------------------------------------------------------------


@contract(lambda x, y, out: form(x))
def add(x, y, out):
    """Return x + y, of one shape and dtype: where a result is used twice, its cotangents meet.

    out: None, or the array to write to, which may be x or y.
    """
    return np.add(x, y, out=np.empty_like(x) if out is None else out)  # an array also of no dimensions


@contract(lambda x, change, scale, relu: form(x))
def residual(x, change, scale, relu):
    """Return x + scale · change, and with relu max(that, 0): the end of a residual block.

    The gradients need no kernel of their own: dy to x, scale · dy to change, after the rectifier's.
    Source: He et al. 2016, equation 1; the scale: Szegedy et al. 2017, section 3.3.
    """
    y = x + x.dtype.type(scale) * change
    return np.maximum(y, 0) if relu else y


# --- steps of optimizers, in place ---------------------------------------------------------------------------------


@contract()
def sgd_step(p, gradient, v, rate, momentum, decay, nesterov):
    """Move p by gradient descent with momentum. p, gradient, v: of one shape; the others are numbers.

    g = gradient + decay · p,   v = momentum · v + g,   p −= rate · v   or, nesterov,  p −= rate · (g + momentum · v)
    Source: Sutskever et al. 2013.
    """
    g = gradient + decay * p
    v *= momentum
    v += g
    p -= rate * (g + momentum * v if nesterov else v)


@contract()
def adam_step(p, g, mean, square, rate, eps, beta1, beta2, low, high):
    """Move p by Adam and clip it to [low, high]. p, g, mean, square: of one shape; the others are numbers.

    mean += (1 − beta1) (g − mean),   square += (1 − beta2) (g² − square),   p −= rate · mean / (√square + eps).
    rate and eps come with Adam's bias corrections in them. Source: Kingma & Ba 2015, section 2.
    """
    mean += (1 - beta1) * (g - mean)
    square += (1 - beta2) * (g * g - square)
    p -= rate * mean / (np.sqrt(square) + eps)
    np.clip(p, low, high, out=p)
