"""Pooling: the contract of its implementations.

    max   y[n, o, c] = max_k x[n, o·stride + k − before, c]           the first of equal elements wins
    avg   y[n, o, c] = Σ_k x[…] / (taps inside x, or all taps when padding is counted)

o and k run over one, two or three dimensions (`window`, see kernels/geometry.py). Padding never wins a maximum.
Shapes: x (N, *spatial, C), y and dy (N, *output, C).

    max_forward(x, window) -> y, switches          switches: which tap won (Zeiler & Fergus 2014), smallest integer type
    max_gradient(dy, switches, spatial, window) -> dx
    avg_forward(x, window, count_padding) -> y
    avg_gradient(dy, spatial, window, count_padding) -> dx
"""

from types import ModuleType

import numpy as np

from minicnn import backend
from minicnn.kernels.geometry import Window


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)


def switch_dtype(window: Window) -> np.dtype:
    """The smallest integer type that can number the taps of a window."""
    return np.min_scalar_type(window.taps - 1)
