"""Convolution (cross-correlation, as everywhere in deep learning).

    y[n, o, j] = b[j] + Σ_k Σ_c  x[n, o·stride + k·dilation − before, c] · w[k, c, j]

o and k run over one, two or three dimensions (`window`, see geometry.py); x is zero outside its bounds. With groups,
the input and output channels are split into `groups` equal groups. Each output group depends only on its input group.

Shapes: x (N, *spatial, C_in), w (*size, C_in / groups, C_out), b (C_out,) or None, y and dy (N, *output, C_out).
Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning".

The definition is one matrix product (im2col). The patch at each window position becomes a row: P = N · (output
positions) rows of K = taps · C_in numbers. The filters are a (K, C_out) matrix, so the convolution is columns @
filters, and its gradients are those of a matrix product. Source: Chellapilla, Puri & Simard 2006.
naive_conv.py computes the same by loops.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicnn.kernels.contract import contract, form


@contract(lambda x, w, b, window, groups: form(x, (len(x), *window.output, w.shape[-1])))
def conv(x, w, b, window, groups):
    """Return y (N, *output, C_out)."""
    y = np.concatenate(
        [
            _columns(part, window) @ filters.reshape(-1, filters.shape[-1])
            for part, filters in zip(by_group(x, groups), by_group(w, groups), strict=True)
        ],
        axis=-1,
    ).reshape(x.shape[0], *window.output, w.shape[-1])
    if b is not None:
        y += b
    return y


@contract(lambda dy, w, spatial, window, groups: form(dy, (len(dy), *spatial, w.shape[-2] * groups)))
def conv_gradient_to_input(dy, w, spatial, window, groups):
    """Return dx (N, *spatial, C_in): for each pixel, the sum of dy[o] · w[k] over all (o, k) that read it."""
    parts = []
    for cotangent, filters in zip(by_group(dy, groups), by_group(w, groups), strict=True):
        columns = _rows(cotangent) @ filters.reshape(-1, filters.shape[-1]).T
        patches = columns.reshape(dy.shape[0], *window.output, *window.size, w.shape[-2])
        parts.append(col2im(patches, spatial, window))
    return np.concatenate(parts, axis=-1)


@contract(lambda dy, x, window, groups: form(dy, (*window.size, x.shape[-1] // groups, dy.shape[-1])))
def conv_gradient_to_filters(dy, x, window, groups):
    """Return dw (*size, C_in / groups, C_out): for each tap, the sum of x · dy over the pixels that it reads."""
    parts = [
        _columns(part, window).T @ _rows(cotangent)
        for part, cotangent in zip(by_group(x, groups), by_group(dy, groups), strict=True)
    ]
    return np.concatenate(parts, axis=-1).reshape(*window.size, x.shape[-1] // groups, dy.shape[-1])


def im2col(x, window):
    """Return the patches under the window (N, *output, *size, C)."""
    rank = len(window.size)
    axes = tuple(range(1, rank + 1))
    pads = [(0, 0), *zip(window.before, window.after, strict=True), (0, 0)]
    spans = tuple((k - 1) * d + 1 for k, d in zip(window.size, window.dilation, strict=True))
    views = sliding_window_view(np.pad(x, pads), spans, axis=axes)  # (N, *positions, C, *spans): no copy
    steps = tuple(slice(None, None, s) for s in window.stride)
    holes = tuple(slice(None, None, d) for d in window.dilation)
    patches = views[(slice(None), *steps, slice(None), *holes)]
    return np.moveaxis(patches, rank + 1, -1)


def col2im(patches, spatial, window):
    """Return x (N, *spatial, C), the sum of all patches at their positions: the transpose of im2col."""
    padded = [b + n + a for b, n, a in zip(window.before, spatial, window.after, strict=True)]
    x = np.zeros_like(patches, shape=(patches.shape[0], *padded, patches.shape[-1]))
    everywhere = (slice(None),) * (1 + len(spatial))
    for tap in np.ndindex(*window.size):
        starts = [k * d for k, d in zip(tap, window.dilation, strict=True)]
        touched = tuple(
            slice(start, start + (n - 1) * step + 1, step)
            for start, n, step in zip(starts, window.output, window.stride, strict=True)
        )
        x[(slice(None), *touched)] += patches[(*everywhere, *tap)]
    inside = tuple(slice(b, b + n) for b, n in zip(window.before, spatial, strict=True))
    return x[(slice(None), *inside)]


def by_group(array, groups):
    """Return the array split into `groups` equal parts along the last axis."""
    return np.split(array, groups, axis=-1)


def _rows(array):
    """Return an array (N, *spatial, C) as a matrix (P, C)."""
    return array.reshape(-1, array.shape[-1])


def _columns(x, window):
    """Return the patches as a matrix (P, K)."""
    return im2col(x, window).reshape(-1, window.taps * x.shape[-1])
