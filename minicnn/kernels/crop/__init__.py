"""Windows of one picture, all brought to one size: the contract of its implementations.

    y[n, i, j] = Σ_r Σ_c  R[i, r] · C[j, c] · x[r, c]

Row i of window n stands for the stretch of the picture that is its share of the window's height, or one pixel about its
middle where that is more; R[i, r] is the part of that stretch that lies in row r, and C does the same for columns. So
what shrinks is averaged over its area, and nothing aliases; what grows is interpolated between the middles of pixels.
x is zero outside.

Shapes: x (H, W, C); windows (N, 4) float64: left, top, right, bottom in pixels, of which the first reaches from 0 to 1;
y (N, height, width, C).

    forward(x, windows, height, width) -> y
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
