"""Convolution (cross-correlation, as everywhere in deep learning): the contract of its implementations.

    y[n, o, j] = b[j] + Σ_k Σ_c  x[n, o·stride + k·dilation − before, c] · w[k, c, j]

o and k run over one, two or three dimensions (`window`, see kernels/geometry.py); x is zero outside. With groups,
the channels are cut into `groups` equal runs, and output channels of a run see the input channels of theirs.

Shapes: x (N, *spatial, C_in), w (*size, C_in / groups, C_out), b (C_out,) or None, y and dy (N, *output, C_out).
Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning".

Each implementation has three functions, with the arguments already checked:

    forward(x, w, b, window, groups, relu) -> y                  relu: clamp y at zero on the way out
    gradient_to_input(dy, w, spatial, window, groups) -> dx      Σ of dy[o] · w[k] over the (o, k) that touch a pixel
    gradient_to_filters(dy, x, window, groups) -> dw             Σ of x · dy over the pixels that a tap touches
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
