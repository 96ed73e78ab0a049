"""Convolution on a GPU with one thread per output. Read this first, then conv.py.

A kernel is the program of one thread. Thousands of threads run it at once, and each gets its number from cuda.grid(1),
and so its element of the result. No element is written by two threads, so no thread has to wait.

It is correct, but slow: neighbouring threads read nearly the same pixels, each from global memory. Every multiplication
needs two numbers from there, and the multipliers wait.
"""

import numpy as np
from numba import cuda

from minicnn.fast.cuda import gpu
from minicnn.fast.cuda.volumes import filters, steps, volumes

THREADS = 16 if gpu.simulated() else 128  # threads per block; the simulator runs them in sequence


def naive_conv(x, w, b, window, groups, relu=False):
    y = np.empty_like(x, shape=(len(x), *window.output, w.shape[-1]), order="C")
    bias = np.zeros_like(y, shape=w.shape[-1]) if b is None else gpu.contiguous(b.astype(y.dtype, copy=False))
    blocks = gpu.blocks_for(y.size, THREADS)
    gpu.launch(_forward, blocks, THREADS, volumes(x), filters(w), bias, *steps(window), groups, relu, volumes(y))
    return y


def naive_conv_gradient_to_input(dy, w, spatial, window, groups):
    dx = np.empty_like(dy, shape=(len(dy), *spatial, w.shape[-2] * groups), order="C")
    blocks = gpu.blocks_for(dx.size, THREADS)
    gpu.launch(_gradient_to_input, blocks, THREADS, volumes(dy), filters(w), *steps(window), groups, volumes(dx))
    return dx


def naive_conv_gradient_to_filters(dy, x, window, groups):
    dw = np.empty_like(dy, shape=(*window.size, x.shape[-1] // groups, dy.shape[-1]), order="C")
    blocks = gpu.blocks_for(dw.size, THREADS)
    gpu.launch(_gradient_to_filters, blocks, THREADS, volumes(dy), volumes(x), *steps(window), groups, filters(dw))
    return dw


@cuda.jit
def _forward(x, w, b, stride, dilation, before, groups, relu, y):
    """Compute one y[n, o, j]: the sum over taps and channels, as in the contract."""
    number = cuda.grid(1)
    if number >= y.size:  # the last block may have spare threads
        return
    # Unravel the number, the last dimension first. Neighbouring threads have neighbouring output channels j: they read
    # the same pixels of x and adjacent numbers of w, so that accesses are coalesced.
    outputs = y.shape[4]
    j, rest = number % outputs, number // outputs
    o2, rest = rest % y.shape[3], rest // y.shape[3]
    o1, rest = rest % y.shape[2], rest // y.shape[2]
    o0, n = rest % y.shape[1], rest // y.shape[1]
    channels = w.shape[3]
    first = j // (outputs // groups) * channels  # first input channel of this output's group
    total = b[j]
    for k0 in range(w.shape[0]):
        p0 = o0 * stride[0] + k0 * dilation[0] - before[0]
        if p0 < 0 or p0 >= x.shape[1]:
            continue  # padding contributes zero
        for k1 in range(w.shape[1]):
            p1 = o1 * stride[1] + k1 * dilation[1] - before[1]
            if p1 < 0 or p1 >= x.shape[2]:
                continue
            for k2 in range(w.shape[2]):
                p2 = o2 * stride[2] + k2 * dilation[2] - before[2]
                if p2 < 0 or p2 >= x.shape[3]:
                    continue
                for c in range(channels):
                    total += x[n, p0, p1, p2, first + c] * w[k0, k1, k2, c, j]
    if relu and total < 0:  # propagates NaN
        total = b.dtype.type(0)
    y[n, o0, o1, o2, j] = total


@cuda.jit
def _gradient_to_input(dy, w, stride, dilation, before, groups, dx):
    """Compute one dx[n, p, c]. A thread gathers from all outputs whose windows contain its pixel.

    Scattering, with one thread per output, would let many threads add to the same number at once. That is a race, or
    needs atomic additions, whose order and so whose rounding differ from run to run.
    """
    number = cuda.grid(1)
    if number >= dx.size:
        return
    all_channels = dx.shape[4]
    c, rest = number % all_channels, number // all_channels
    p2, rest = rest % dx.shape[3], rest // dx.shape[3]
    p1, rest = rest % dx.shape[2], rest // dx.shape[2]
    p0, n = rest % dx.shape[1], rest // dx.shape[1]
    channels, outputs = w.shape[3], w.shape[4] // groups
    first = c // channels * outputs  # first output channel of this input channel's group
    total = dx.dtype.type(0)
    for k0 in range(w.shape[0]):
        o0 = p0 + before[0] - k0 * dilation[0]  # o · stride, if the tap covers this pixel
        if o0 < 0 or o0 % stride[0] or o0 // stride[0] >= dy.shape[1]:
            continue
        for k1 in range(w.shape[1]):
            o1 = p1 + before[1] - k1 * dilation[1]
            if o1 < 0 or o1 % stride[1] or o1 // stride[1] >= dy.shape[2]:
                continue
            for k2 in range(w.shape[2]):
                o2 = p2 + before[2] - k2 * dilation[2]
                if o2 < 0 or o2 % stride[2] or o2 // stride[2] >= dy.shape[3]:
                    continue
                for j in range(first, first + outputs):
                    dyj = dy[n, o0 // stride[0], o1 // stride[1], o2 // stride[2], j]
                    total += dyj * w[k0, k1, k2, c % channels, j]
    dx[n, p0, p1, p2, c] = total


@cuda.jit
def _gradient_to_filters(dy, x, stride, dilation, before, groups, dw):
    """Compute one dw[k, c, j]: the sum over all positions of all pictures, a long loop in few threads."""
    number = cuda.grid(1)
    if number >= dw.size:
        return
    outputs, channels = dw.shape[4], dw.shape[3]
    j, rest = number % outputs, number // outputs
    c, rest = rest % channels, rest // channels
    k2, rest = rest % dw.shape[2], rest // dw.shape[2]
    k1, k0 = rest % dw.shape[1], rest // dw.shape[1]
    at = j // (outputs // groups) * channels + c
    total = dw.dtype.type(0)
    for n in range(dy.shape[0]):
        for o0 in range(dy.shape[1]):
            p0 = o0 * stride[0] + k0 * dilation[0] - before[0]
            if p0 < 0 or p0 >= x.shape[1]:
                continue
            for o1 in range(dy.shape[2]):
                p1 = o1 * stride[1] + k1 * dilation[1] - before[1]
                if p1 < 0 or p1 >= x.shape[2]:
                    continue
                for o2 in range(dy.shape[3]):
                    p2 = o2 * stride[2] + k2 * dilation[2] - before[2]
                    if 0 <= p2 < x.shape[3]:
                        total += x[n, p0, p1, p2, at] * dy[n, o0, o1, o2, j]
    dw[k0, k1, k2, c, j] = total
