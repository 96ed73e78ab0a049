"""Locally connected layers: a convolution whose filters are not shared.

    y[n, o] = Σ_k x[n, o · stride + k] w[o, k]                    each position o has filters of its own
    dx[n, i] = Σ dy[n, o] w[o, k]ᵀ over all o · stride + k = i
    dw[o, k] = Σ_n x[n, o · stride + k]ᵀ dy[n, o]

o and k run over one, two or three dimensions (`window`, without padding, see geometry.py).
Shapes: x (N, *spatial, C_in), w (*output, *kernel, C_in, C_out), y and dy (N, *output, C_out).
Every weight is used once a picture, so reading them is the work.
Source: Taigman, Yang, Ranzato & Wolf 2014, "DeepFace", section 3.

The definition: lay what N pictures have under a window out as N rows of K = taps · C_in numbers. The filters of that
position are a (K, C_out) matrix, and NumPy multiplies all positions' matrices in one call.
"""

import math

import numpy as np

from minicnn.kernels.contract import contract, form
from minicnn.kernels.conv import col2im, im2col


@contract(lambda x, w, window: form(x, (len(x), *window.output, w.shape[-1])))
def locally_connected(x, w, window):
    """Return y."""
    return pictures_first(columns(x, window) @ matrices(w), window)


@contract(lambda dy, w, spatial, window: form(dy, (len(dy), *spatial, w.shape[-2])))
def locally_connected_gradient_to_input(dy, w, spatial, window):
    """Return dx."""
    patches = positions_first(dy, window) @ np.swapaxes(matrices(w), -1, -2)
    patches = pictures_first(patches, window).reshape(len(dy), *window.output, *window.size, w.shape[-2])
    return col2im(patches, spatial, window)


@contract(lambda dy, x, window: form(dy, (*window.output, *window.size, x.shape[-1], dy.shape[-1])))
def locally_connected_gradient_to_filters(dy, x, window):
    """Return dw."""
    dw = np.swapaxes(columns(x, window), -1, -2) @ positions_first(dy, window)
    return dw.reshape(*window.output, *window.size, x.shape[-1], dy.shape[-1])


def columns(x, window):
    """Return what lies under each window: (*output, N, K)."""
    patches = positions_first(im2col(x, window), window)
    return patches.reshape(*window.output, len(x), window.taps * x.shape[-1])


def matrices(w):
    """Return the filters of each position: (*output, K, C_out)."""
    rank = w.ndim // 2 - 1
    return w.reshape(*w.shape[:rank], math.prod(w.shape[rank:-1]), w.shape[-1])


def positions_first(array, window):
    """Return (N, *output, …) as (*output, N, …)."""
    return np.moveaxis(array, 0, len(window.output))


def pictures_first(array, window):
    """Return (*output, N, …) as (N, *output, …)."""
    return np.moveaxis(array, len(window.output), 0)
