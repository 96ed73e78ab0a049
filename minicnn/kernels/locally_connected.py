"""Locally connected layers: convolution with unshared filters.

    y[n, o] = Σ_k x[n, o · stride + k] w[o, k]                    with separate filters for each position o
    dx[n, i] = Σ dy[n, o] w[o, k]ᵀ over all o · stride + k = i
    dw[o, k] = Σ_n x[n, o · stride + k]ᵀ dy[n, o]

o and k run over one, two or three dimensions (`window`, without padding, see geometry.py).
Shapes: x (N, *spatial, C_in), w (*output, *kernel, C_in, C_out), y and dy (N, *output, C_out).
Every weight is used once per picture, so reading the weights dominates the time.
Source: Taigman, Yang, Ranzato & Wolf 2014, "DeepFace", section 3.

The definition: at each position, the patches of N pictures form a matrix (N, K), where K = taps · C_in. The filters of
that position are a matrix (K, C_out), and NumPy multiplies the matrices of all positions in one call.
"""

import math

import numpy as np

from minicnn.kernels.contract import contract, form
from minicnn.kernels.conv import col2im, im2col


@contract(lambda x, w, window: form(x, (len(x), *window.output, w.shape[-1])))
def locally_connected(x, w, window):
    """Return y (N, *output, C_out)."""
    return pictures_first(columns(x, window) @ matrices(w), window)


@contract(lambda dy, w, spatial, window: form(dy, (len(dy), *spatial, w.shape[-2])))
def locally_connected_gradient_to_input(dy, w, spatial, window):
    """Return dx (N, *spatial, C_in)."""
    patches = positions_first(dy, window) @ np.swapaxes(matrices(w), -1, -2)
    patches = pictures_first(patches, window).reshape(len(dy), *window.output, *window.size, w.shape[-2])
    return col2im(patches, spatial, window)


@contract(lambda dy, x, window: form(dy, (*window.output, *window.size, x.shape[-1], dy.shape[-1])))
def locally_connected_gradient_to_filters(dy, x, window):
    """Return dw (*output, *kernel, C_in, C_out)."""
    dw = np.swapaxes(columns(x, window), -1, -2) @ positions_first(dy, window)
    return dw.reshape(*window.output, *window.size, x.shape[-1], dy.shape[-1])


def columns(x, window):
    """Return the patches under each window (*output, N, K)."""
    patches = positions_first(im2col(x, window), window)
    return patches.reshape(*window.output, len(x), window.taps * x.shape[-1])


def matrices(w):
    """Return the filters of each position as matrices (*output, K, C_out)."""
    rank = w.ndim // 2 - 1
    return w.reshape(*w.shape[:rank], math.prod(w.shape[rank:-1]), w.shape[-1])


def positions_first(array, window):
    """Return an array (N, *output, …) as (*output, N, …)."""
    return np.moveaxis(array, 0, len(window.output))


def pictures_first(array, window):
    """Return an array (*output, N, …) as (N, *output, …)."""
    return np.moveaxis(array, len(window.output), 0)
