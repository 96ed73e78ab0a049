"""Batch normalization over rows, with or without a ReLU behind it: the contract of its implementations.

    x̂ = (x − mean) / √(variance + eps),  y = gamma · x̂ + beta,  a mean and a variance a channel.
    Through the statistics of the batch:  dx = gamma / √(variance + eps) · (dy − mean(dy) − x̂ · mean(dy · x̂))
    Source: Ioffe & Szegedy 2015, section 3.

Shapes: x, y, dy (P, C) with P positions; all others (C,). `scale` is gamma / √(variance + eps).
With `relu`, y is clamped at zero, and dy counts only where y > 0: both on the way, not in passes of their own.

    statistics(x) -> mean, variance                               biased, over P
    normalize(x, mean, scale, beta, relu) -> y                    (x − mean) · scale + beta
    sums(dy, x, mean, scale, beta, relu) -> Σ dy, Σ dy · (x − mean)
    gradient(dy, x, mean, scale, beta, relu, mean_dy, slope) -> dx      scale · (dy − mean_dy − (x − mean) · slope)
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
