"""A convolution and what travels with it: bias, ReLU, and the mean of 2×2 outputs.

Fusion joins definitions and is never another one: these call the backend's kernels one after the other. A backend may
do the same in one pass, without an array between the steps.

Shapes as in conv.py, but y and dy are those of the last step: of the means, half as high and wide, where `mean` is
true. marks: where the ReLU was active, in the size before the means, one bit an element (elementwise.py); None without
a ReLU.
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
    """Return (y, marks). marked: whether marks are needed; if not, None may be returned for them."""
    y = kernels.conv(x, w, b, window, groups)
    y = kernels.relu(y) if relu else y
    marks = kernels.relu_marks(y) if relu and marked else None
    return kernels.avg_pool(y, halving(window), False) if mean else y, marks


@contract(
    lambda dy, marks, w, spatial, window, groups, mean: form(dy, (len(dy), *spatial, w.shape[-2] * groups)),
    composed=True,
)
def fused_conv_gradient_to_input(kernels, dy, marks, w, spatial, window, groups, mean):
    """Return dx."""
    dy = kernels.before_relu(dy, marks, window, mean)
    return kernels.conv_gradient_to_input(dy, w, spatial, window, groups)


@contract(
    lambda dy, x, window, groups: form(dy, (*window.size, x.shape[-1] // groups, dy.shape[-1])),
    composed=True,
)
def fused_conv_gradient_to_filters(kernels, dy, x, window, groups):
    """Return dw. dy: the cotangent of the convolution alone."""
    return kernels.conv_gradient_to_filters(dy, x, window, groups)


@contract(
    lambda dy, marks, window, mean: form(dy, (len(dy), *window.output, dy.shape[-1])),
    composed=True,
)
def before_relu(kernels, dy, marks, window, mean):
    """Return the cotangent of the convolution alone."""
    if mean:
        dy = kernels.avg_pool_gradient(dy, window.output, halving(window), False)
    return dy if marks is None else kernels.marked_gradient(dy, marks)


def halving(window):
    """Return the Window of the means: 2×2 outputs of the convolution, side by side."""
    return slide("conv: pool", window.output, 2, stride=2)
