"""Winograd's minimal filtering F(4×4, 3×3): convolution with 3×3 filters, stride 1 and dilation 1, with 36
multiplications per 4×4 outputs instead of 144.

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A      d: 6×6 pixels   g: 3×3 taps   Y: 4×4 outputs   ⊙: element by element

The rows of Bᵀ, G and Aᵀ evaluate and interpolate polynomials at 0, ±1, ±2 and ∞: a convolution is a product of
polynomials. Over channels, ⊙ becomes 36 matrix products, one per element: M[ξ] = V[ξ] U[ξ].
Source: Lavin & Gray 2015, "Fast algorithms for convolutional neural networks"; Winograd 1980.

Shapes are as in kernels/conv, in two dimensions. before: padding above and to the left. output: (height, width).

    forward(x, w, b, before, output) -> y
    gradient_to_input(dy, w, before, spatial) -> dx
    gradient_to_filters(dy, x, before) -> dw

The compiled implementation also has the fused convolution (kernels/fused_conv.py), in one pass over the tiles. Its
`output` is the size before pooling, and marks record where ReLU was active, one bit per element, or None without ReLU:

    fused_forward(x, w, b, before, output, relu, pool) -> y, marks
    fused_gradient_to_input(dy, w, before, spatial, output, active, pool) -> dx       active: those marks
"""

import math
from collections.abc import Sequence

import numpy as np

from minicnn.kernels.geometry import Window

OUTPUT = 4  # outputs per side of a tile
INPUT = 6  # inputs per side of a tile

B_T = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float64,
)
A_T = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ],
    np.float64,
)


def tiles_along(length: int) -> int:
    """Return the number of tiles that cover `length` outputs; the last one may extend past them."""
    return -(-length // OUTPUT)


# The cost of the transforms per tile and channel, in multiplications; most of it is memory traffic.
TRANSFORM = 1000
# Transformed filters are four times as large, so several tiles must share the cost of loading them.
FETCH = 16


def suits(x_shape: Sequence[int], w_shape: Sequence[int], window: Window, groups: int) -> bool:
    """Return True if F(4×4, 3×3) applies to this convolution and is faster than im2col, by an estimate of the work.

    Both estimates are in multiplications. Tiles that extend past a small picture, few channels per transform, and few
    tiles per filter favour im2col.
    """
    channels, outputs = w_shape[-2:]
    ones = (1, 1)
    if window.size != (3, 3) or window.stride != ones or window.dilation != ones or groups != 1:
        return False
    if channels % 16 or outputs % 16:  # the kernels process channels in cache lines
        return False
    tiles = x_shape[0] * math.prod(tiles_along(length) for length in window.output)
    products = INPUT * INPUT * channels * outputs
    winograd = tiles * (products + TRANSFORM * (channels + outputs)) + FETCH * products
    return winograd < x_shape[0] * math.prod(window.output) * 9 * channels * outputs
