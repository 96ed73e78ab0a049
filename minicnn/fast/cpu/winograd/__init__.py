"""Winograd's minimal filtering F(4×4, 3×3): the convolution of kernels/conv for 3×3 filters with stride and dilation 1,
with 36 multiplications for every 4×4 of outputs where the sum of products takes 144.

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A      d: 6×6 pixels   g: 3×3 taps   Y: 4×4 outputs   ⊙: element by element

The rows of Bᵀ, G and Aᵀ evaluate polynomials at 0, ±1, ±2 and ∞ and put them together again: a convolution is a product
of polynomials. Over channels ⊙ becomes a matrix product, one for each of the 36 elements: M[ξ] = V[ξ] U[ξ].
Source: Lavin & Gray 2015, "Fast algorithms for convolutional neural networks"; Winograd 1980.

Shapes as in kernels/conv, two spatial dimensions. before: the padding above and to the left; output: (height, width).

    forward(x, w, b, before, output) -> y
    gradient_to_input(dy, w, before, spatial) -> dx
    gradient_to_filters(dy, x, before) -> dw

The compiled implementation also has the fused convolution (kernels/fused_conv.py), in one pass over the tiles. There
`output` is the size before pooling, and marks are where the ReLU was active, one bit per element, or None without it:

    fused_forward(x, w, b, before, output, relu, pool) -> y, marks
    fused_gradient_to_input(dy, w, before, spatial, output, active, pool) -> dx       active: those marks
"""

import math
from collections.abc import Sequence

import numpy as np

from minicnn.kernels.geometry import Window

OUTPUT = 4  # outputs a side of a tile
INPUT = 6  # inputs a side that they see

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
    """Count the tiles that cover so many outputs; the last may hang over."""
    return -(-length // OUTPUT)


# What a tile costs besides its products, in multiplications a channel: the transforms move memory and multiply little.
TRANSFORM = 1000
# Transformed filters are four times the filters: so many tiles must share the work of fetching them.
FETCH = 16


def suits(x_shape: Sequence[int], w_shape: Sequence[int], window: Window, groups: int) -> bool:
    """Tell whether F(4×4, 3×3) can form this convolution, and faster than im2col: the one rule, from counted work.

    Both sides count multiplications. Tiles that hang over a small picture, few channels beside the transforms, and
    few tiles beside the filters speak for im2col.
    """
    channels, outputs = w_shape[-2:]
    ones = (1, 1)
    if window.size != (3, 3) or window.stride != ones or window.dilation != ones or groups != 1:
        return False
    if channels % 16 or outputs % 16:  # the kernels take channels a cache line at a time
        return False
    tiles = x_shape[0] * math.prod(tiles_along(length) for length in window.output)
    products = INPUT * INPUT * channels * outputs
    winograd = tiles * (products + TRANSFORM * (channels + outputs)) + FETCH * products
    return winograd < x_shape[0] * math.prod(window.output) * 9 * channels * outputs
