"""Convolution on a GPU: the tiled kernels. cuda/naive.py computes the same in the way that is read first."""

from minicnn.kernels.conv.cuda.tiled import forward, gradient_to_filters, gradient_to_input

__all__ = ["forward", "gradient_to_filters", "gradient_to_input"]
