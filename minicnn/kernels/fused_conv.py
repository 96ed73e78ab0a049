"""A convolution fused with bias, ReLU, and 2×2 average pooling.

The definitions call the backend's kernels in sequence. A backend may do the same in one pass, without intermediate
arrays.

Shapes as in conv.py, except that y and dy belong to the last step: with `mean` they are pooled, of half the size.
marks: where the ReLU was active, before pooling, one bit per element (relu_marks in elementwise.py); None without ReLU.
"""

import numpy as np

from minicnn.kernels.contract import contract, form
from minicnn.kernels.geometry import slide


def _form_and_marks(x, w, b, window, groups, relu, mean, marked):
    shape = len(x), *window.output, w.shape[-1]
    shown = (len(x), *halving(window).output, w.shape[-1]) if mean else shape
    return [form(x, shown), ((*shape[:-1], -(-shape[-1] // 8)), np.uint8) if relu and marked else None]


@contract(_form_and_marks, composed=True)
def fused_conv(kernels, x, w, b, window, groups, relu, mean, marked):
    """Return (y, marks): y (N, *output, C_out), pooled with `mean`. marked: if false, marks may be None."""
    y = kernels.conv(x, w, b, window, groups)
    y = kernels.relu(y) if relu else y
    marks = kernels.relu_marks(y) if relu and marked else None
    return kernels.avg_pool(y, halving(window), False) if mean else y, marks


@contract(
    lambda dy, marks, w, spatial, window, groups, mean: form(dy, (len(dy), *spatial, w.shape[-2] * groups)),
    composed=True,
)
def fused_conv_gradient_to_input(kernels, dy, marks, w, spatial, window, groups, mean):
    """Return dx (N, *spatial, C_in). dy: the cotangent of the last step."""
    dy = kernels.before_relu(dy, marks, window, mean)
    return kernels.conv_gradient_to_input(dy, w, spatial, window, groups)


@contract(
    lambda dy, x, window, groups: form(dy, (*window.size, x.shape[-1] // groups, dy.shape[-1])),
    composed=True,
)
def fused_conv_gradient_to_filters(kernels, dy, x, window, groups):
    """Return dw (*size, C_in / groups, C_out). dy (N, *output, C_out): the cotangent of the convolution alone."""
    return kernels.conv_gradient_to_filters(dy, x, window, groups)


@contract(
    lambda dy, marks, window, mean: form(dy, (len(dy), *window.output, dy.shape[-1])),
    composed=True,
)
def before_relu(kernels, dy, marks, window, mean):
    """Return the cotangent of the convolution alone (N, *output, C_out)."""
    if mean:
        dy = kernels.avg_pool_gradient(dy, window.output, halving(window), False)
    return dy if marks is None else kernels.marked_gradient(dy, marks)


def halving(window):
    """Return the Window of 2×2 pooling with stride 2, on the output of a convolution."""
    return slide("conv: pool", window.output, 2, stride=2)
