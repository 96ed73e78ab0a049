"""Locally connected layers, a convolution whose filters are not shared: the contract of its implementations.

    y[n, o] = Σ_k x[n, o · stride + k] w[o, k]                    each position o has filters of its own
    dx[n, i] = Σ dy[n, o] w[o, k]ᵀ over all o · stride + k = i
    dw[o, k] = Σ_n x[n, o · stride + k]ᵀ dy[n, o]

o and k run over one, two or three dimensions (`window`, without padding, see kernels/geometry.py).
Shapes: x (N, *spatial, C_in), w (*output, *kernel, C_in, C_out), y and dy (N, *output, C_out).
Every weight is used once a picture, so reading them is the work: with few pictures these are as fast as the memory.
Source: Taigman, Yang, Ranzato & Wolf 2014, "DeepFace", section 3.

    forward(x, w, window) -> y
    gradient_to_input(dy, w, spatial, window) -> dx
    gradient_to_filters(dy, x, window) -> dw
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
