"""Batch normalization over rows: the contract of its implementations.

    x̂ = (x − mean) / √(variance + eps),  y = gamma · x̂ + beta,  a mean and a variance a channel.
    Through the statistics of the batch:  dx = gamma / √(variance + eps) · (dy − mean(dy) − x̂ · mean(dy · x̂))
    Source: Ioffe & Szegedy 2015, section 3.

Shapes: x, y, dy (P, C) with P positions; all others (C,). `scale` is gamma / √(variance + eps).

    statistics(x) -> mean, variance                               biased, over P
    normalize(x, mean, scale, beta) -> y                          (x − mean) · scale + beta
    sums(dy, x, mean, inverse_deviation) -> Σ dy, Σ dy · x̂        the gradients of beta and gamma
    gradient(dy, x, mean, inverse_deviation, scale, mean_dy, mean_dy_xhat) -> dx
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
