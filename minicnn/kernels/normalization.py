"""Batch normalization, optionally followed by ReLU, and local response normalization.

Batch normalization:
    x̂ = (x − mean) / √(variance + eps),  y = gamma · x̂ + beta,  with mean and variance per channel.
    In training, with the batch's own statistics:  dx = gamma / √(variance + eps) · (dy − mean(dy) − x̂ · mean(dy · x̂))
    Source: Ioffe & Szegedy 2015, section 3.
Shapes: x, y, dy, dx (P, C) with P positions; all others (C,). `scale` is gamma / √(variance + eps).
With `relu`, y is max(y, 0), and dy counts only where y > 0.

Local response normalization:
    y = x · s^−beta           s[p, c] = k + scale · Σ x[p, j]²  over the channels j from c − before to c + after
    dx = dy · s^−beta − 2 · beta · scale · x · t
                              t[p, c] = Σ (dy · x · s^(−beta − 1))[p, j]  over j from c − after to c + before
    Where y[j] depends on x[c], the gradient of x[c] depends on dy[j], so the window is mirrored. Channels beyond the
    first and the last count as zero. Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3.
Shapes: x, y, dy, dx (P, C). neighbours: (before, after).
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicnn.kernels.contract import contract, form


def _sums_of(x):
    return [form(x, x.shape[1:])] * 2


@contract(lambda x: _sums_of(x))
def batch_statistics(x):
    """Return (mean (C,), variance (C,)) over P; the variance is biased."""
    return x.mean(axis=0), x.var(axis=0)


@contract(lambda x, mean, scale, beta, relu: form(x))
def batch_normalize(x, mean, scale, beta, relu):
    """Return y (P, C) = (x − mean) · scale + beta."""
    y = (x - mean) * scale + beta
    return np.maximum(y, 0) if relu else y


@contract(lambda dy, x, mean, scale, beta, relu: _sums_of(x))
def batch_sums(dy, x, mean, scale, beta, relu):
    """Return (Σ dy, Σ dy · (x − mean)) over P, each (C,)."""
    dy = _passed(dy, x, mean, scale, beta, relu)
    return dy.sum(axis=0), np.sum(dy * (x - mean), axis=0)


@contract(lambda dy, x, mean, scale, beta, relu, mean_dy, slope: form(x))
def batch_gradient(dy, x, mean, scale, beta, relu, mean_dy, slope):
    """Return dx (P, C) = scale · (dy − mean_dy − (x − mean) · slope)."""
    dy = _passed(dy, x, mean, scale, beta, relu)
    return (dy - mean_dy - (x - mean) * slope) * scale


def _passed(dy, x, mean, scale, beta, relu):
    """Return dy (P, C), multiplied by zero where the ReLU was inactive."""
    return dy * (batch_normalize(x, mean, scale, beta, relu) > 0) if relu else dy


@contract(lambda x, neighbours, scale, beta, k: form(x))
def local_response_norm(x, neighbours, scale, beta, k):
    """Return y (P, C)."""
    return x * _strength(x, neighbours, scale, k) ** -beta


@contract(lambda dy, x, neighbours, scale, beta, k: form(x))
def local_response_norm_gradient(dy, x, neighbours, scale, beta, k):
    """Return dx (P, C)."""
    before, after = neighbours
    s = _strength(x, neighbours, scale, k)
    looking_back = _sum_of_neighbours(dy * x * s ** (-beta - 1), after, before)
    return dy * s**-beta - 2 * beta * scale * x * looking_back


def _strength(x, neighbours, scale, k):
    return k + scale * _sum_of_neighbours(x * x, *neighbours)


def _sum_of_neighbours(x, before, after):
    padded = np.pad(x, ((0, 0), (before, after)))
    return sliding_window_view(padded, before + 1 + after, axis=1).sum(axis=-1)
