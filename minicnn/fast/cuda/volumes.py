"""Shapes of the convolution kernels in numba.cuda, of which there is a readable and a fast set.

    naive_conv.py    one thread per output, which reads everything from global memory
    conv.py          one block of threads per tile of outputs, which reads shared data once, into shared memory

Every array is reshaped to three spatial dimensions, padded with ones, so that a single kernel serves all.
"""

from minicnn.fast.cuda import gpu


def volumes(array):
    """Return (N, *spatial, C) as (N, D, H, W, C), contiguous."""
    n, *spatial, channels = array.shape
    return gpu.contiguous(array).reshape(n, *in_3d(spatial, 1), channels)


def filters(w):
    """Return (*size, C, J) as (D, H, W, C, J), contiguous."""
    *size, channels, outputs = w.shape
    return gpu.contiguous(w).reshape(*in_3d(size, 1), channels, outputs)


def in_3d(lengths, value):
    """Return one number for each of three dimensions, with `value` for missing leading ones."""
    return (value,) * (3 - len(lengths)) + tuple(lengths)


def steps(window):
    """Return stride, dilation and leading padding for three dimensions."""
    return in_3d(window.stride, 1), in_3d(window.dilation, 1), in_3d(window.before, 0)
