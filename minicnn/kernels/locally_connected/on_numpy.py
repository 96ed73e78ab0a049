"""Locally connected layers as one matrix product a position: the definition.

Lay what N pictures have under a window out as N rows of K = taps · C_in numbers. The filters of that position are a
(K, C_out) matrix, and NumPy multiplies all positions' matrices in one call.
"""

import math

import numpy as np

from minicnn.kernels.conv.on_numpy import col2im, im2col


def forward(x, w, window):
    return pictures_first(columns(x, window) @ matrices(w), window)


def gradient_to_input(dy, w, spatial, window):
    patches = positions_first(dy, window) @ np.swapaxes(matrices(w), -1, -2)
    patches = pictures_first(patches, window).reshape(len(dy), *window.output, *window.size, w.shape[-2])
    return col2im(patches, spatial, window)


def gradient_to_filters(dy, x, window):
    dw = np.swapaxes(columns(x, window), -1, -2) @ positions_first(dy, window)
    return dw.reshape(*window.output, *window.size, x.shape[-1], dy.shape[-1])


def columns(x, window):
    """What lies under each window: (*output, N, K)."""
    patches = positions_first(im2col(x, window), window)
    return patches.reshape(*window.output, len(x), window.taps * x.shape[-1])


def matrices(w):
    """The filters of each position: (*output, K, C_out)."""
    rank = w.ndim // 2 - 1
    return w.reshape(*w.shape[:rank], math.prod(w.shape[rank:-1]), w.shape[-1])


def positions_first(array, window):
    """(N, *output, …) as (*output, N, …)."""
    return np.moveaxis(array, 0, len(window.output))


def pictures_first(array, window):
    """(*output, N, …) as (N, *output, …)."""
    return np.moveaxis(array, len(window.output), 0)
