"""Convolution as kernels of numba.cuda, from the one that can be read to the one that is fast.

    naive_conv.py    a thread an output: each reads all that it needs from the GPU's memory
    conv.py          a block of threads a tile of outputs: what they share is read once, into shared memory

Every array is brought to three spatial dimensions, the missing ones of length one, so that one kernel serves all.
"""

from minicnn.fast.cuda import gpu


def volumes(array):
    """(N, *spatial, C) as (N, D, H, W, C), contiguous."""
    n, *spatial, channels = array.shape
    return gpu.contiguous(array).reshape(n, *in_3d(spatial, 1), channels)


def filters(w):
    """(*size, C, J) as (D, H, W, C, J), contiguous."""
    *size, channels, outputs = w.shape
    return gpu.contiguous(w).reshape(*in_3d(size, 1), channels, outputs)


def in_3d(lengths, value):
    """One number a dimension, for three of them: `value` for those in front that are missing."""
    return (value,) * (3 - len(lengths)) + tuple(lengths)


def steps(window):
    """stride, dilation and padding before, each for three dimensions: how an output and a tap find their pixel."""
    return in_3d(window.stride, 1), in_3d(window.dilation, 1), in_3d(window.before, 0)
