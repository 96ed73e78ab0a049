"""Local response normalization as formulas: the definition."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def forward(x, neighbours, scale, beta, k):
    return x * _strength(x, neighbours, scale, k) ** -beta


def gradient(dy, x, neighbours, scale, beta, k):
    before, after = neighbours
    s = _strength(x, neighbours, scale, k)
    looking_back = _sum_of_neighbours(dy * x * s ** (-beta - 1), after, before)
    return dy * s**-beta - 2 * beta * scale * x * looking_back


def _strength(x, neighbours, scale, k):
    return k + scale * _sum_of_neighbours(x * x, *neighbours)


def _sum_of_neighbours(x, before, after):
    padded = np.pad(x, ((0, 0), (before, after)))
    return sliding_window_view(padded, before + 1 + after, axis=1).sum(axis=-1)
