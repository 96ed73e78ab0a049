"""Convolution fused with ReLU and pooling: by Winograd's algorithm in one pass over the tiles, or with ReLU applied as
the sums are stored.
"""

from minicnn.fast.cpu import conv, elementwise, pool, winograd
from minicnn.fast.cpu.winograd import compiled
from minicnn.kernels.fused_conv import halving


def fused_conv(x, w, b, window, groups, relu, mean, marked):
    if winograd.suits(x.shape, w.shape, window, groups):
        return compiled.fused_forward(x, w, b, window.before, window.output, relu, mean)
    y = conv.conv(x, w, b, window, groups, relu)
    marks = elementwise.relu_marks(y) if relu and marked else None
    return pool.avg_pool(y, halving(window), False) if mean else y, marks


def fused_conv_gradient_to_input(dy, marks, w, spatial, window, groups, mean):
    shape = len(dy), *spatial, groups * w.shape[-2]
    if winograd.suits(shape, w.shape, window, groups):
        return compiled.fused_gradient_to_input(dy, w, window.before, spatial, window.output, marks, mean)
    return conv.conv_gradient_to_input(before_relu(dy, marks, window, mean), w, spatial, window, groups)


def fused_conv_gradient_to_filters(dy, x, window, groups):
    shape = *window.size, x.shape[-1] // groups, dy.shape[-1]
    if winograd.suits(x.shape, shape, window, groups):
        return compiled.gradient_to_filters(dy, x, window.before)
    return conv.conv_gradient_to_filters(dy, x, window, groups)


def before_relu(dy, marks, window, mean):
    if mean:
        dy = pool.avg_pool_gradient(dy, window.output, halving(window), False)
    return dy if marks is None else elementwise.marked_gradient(dy, marks)
