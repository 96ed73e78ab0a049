"""Convolution fused with ReLU on a GPU: ReLU is applied as the sums are stored."""

from minicnn.fast.cuda import conv, elementwise, pool
from minicnn.kernels.fused_conv import halving


def fused_conv(x, w, b, window, groups, relu, mean, marked):
    y = conv.conv(x, w, b, window, groups, relu)
    marks = elementwise.relu_marks(y) if relu and marked else None
    return pool.avg_pool(y, halving(window), False) if mean else y, marks
