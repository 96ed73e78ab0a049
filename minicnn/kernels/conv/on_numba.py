"""Convolution by blocked im2col and BLAS, compiled.

The whole im2col matrix is 9 times the input for a 3×3 kernel and would travel through main memory. So only a block
of its rows exists at a time, small enough to stay in the L2 cache, and is multiplied at once. One set of kernels
serves one, two and three dimensions: signals and images are volumes with leading dimensions of length one.
"""

import itertools
import math

import numpy as np
from numba import njit

from minicnn import backend, buffers
from minicnn.kernels.geometry import Window

BLOCK_BYTES = 1 << 20  # half of a common L2 cache; the other half is for the filters that stream past
LEAST_ROWS = 64  # fewer rows than this leave a BLAS micro-kernel half empty


def forward(x, w, b, window, groups=1, relu=False):
    y = buffers.empty((x.shape[0], *window.output, w.shape[-1]), x.dtype)
    _run_forward(x, w, b, window, groups, relu, y)
    return y


def gradient_to_input(dy, w, spatial, window, groups=1):
    """The gradient to the input is itself a convolution, of the cotangent with the filters turned by 180° and their
    channels swapped. With a stride, pixels fall into phases by which taps of the filter ever touch them, and each
    phase is one such convolution with those taps alone: nothing is multiplied by inserted zeros.
    """
    turned = _swap_channels(w, groups)
    phases = list(itertools.product(*(range(s) for s in window.stride)))
    if len(phases) == 1:
        dx = buffers.empty((dy.shape[0], *spatial, turned.shape[-1]), dy.dtype)
    else:
        dx = np.zeros((dy.shape[0], *spatial, turned.shape[-1]), dy.dtype)
    for phase in phases:
        axes = [_phase_of_axis(window, axis, r, n) for axis, (r, n) in enumerate(zip(phase, spatial, strict=True))]
        if any(len(taps) == 0 or count == 0 for _, taps, _, count, _ in axes):
            continue  # no tap of the filter ever touches these pixels
        starts, taps, befores, counts, holes = zip(*axes, strict=True)
        filters = turned[np.ix_(*taps)]
        sizes = tuple(len(t) for t in taps)
        ones = (1,) * len(sizes)
        part = Window(sizes, ones, holes, befores, (0,) * len(sizes), counts)
        if len(phases) == 1:
            _run_forward(dy, filters, None, part, groups, False, dx)
        else:
            steps = tuple(slice(i, None, s) for i, s in zip(starts, window.stride, strict=True))
            dx[(slice(None), *steps)] = forward(dy, filters, None, part, groups)
    return dx


def _phase_of_axis(window, axis, residue, length):
    """Along one axis: the first pixel i with (i + before) % stride == residue, the taps k that touch such pixels, last
    one first, and the padding, length and dilation of the convolution over the cotangent that collects them.

    Pixel i meets tap k at output o when o·stride + k·dilation = i + before.
    """
    size, stride = window.size[axis], window.stride[axis]
    dilation, before = window.dilation[axis], window.before[axis]
    start = (residue - before) % stride
    count = max(0, -(-(length - start) // stride))
    taps = [k for k in range(size) if (k * dilation) % stride == residue]
    if not taps:
        return start, taps, 0, count, 1
    hole = dilation // math.gcd(dilation, stride)  # one of these taps further is so many outputs earlier
    first_output = (start + before - taps[-1] * dilation) // stride
    return start, taps[::-1], -first_output, count, hole


def _swap_channels(w, groups):
    """(*size, C_in / groups, C_out) as (*size, C_out / groups, C_in), group by group."""
    channels_in, channels_out = w.shape[-2:]
    parts = w.reshape(*w.shape[:-1], groups, channels_out // groups)
    parts = np.moveaxis(parts, -1, -3)  # (*size, C_out / groups, C_in / groups, groups)
    return np.swapaxes(parts, -1, -2).reshape(*w.shape[:-2], channels_out // groups, groups * channels_in)


def gradient_to_filters(dy, x, window, groups=1):
    images = _as_volumes(x)
    cotangent = backend.constant(dy).reshape(-1, dy.shape[-1])
    taps = window.taps * (x.shape[-1] // groups)
    block = _rows_of_a_block(taps, x.itemsize)
    pieces = backend.split(len(cotangent), least=block, most=8)
    # Each piece sums into its own slot, and the slots are added in order: the same bits for any number of threads.
    slots = np.zeros((len(pieces), groups, taps, dy.shape[-1] // groups), dy.dtype)
    numbered = [(i, *piece) for i, piece in enumerate(pieces)]
    pointwise = _is_pointwise(x, window)
    backend.parallel(_filters_range, numbered, images, cotangent, slots, block, pointwise, *_as_3d(window))
    dw = slots.sum(axis=0) if len(pieces) > 1 else slots[0]
    return np.moveaxis(dw, 0, 1).reshape(*window.size, x.shape[-1] // groups, dy.shape[-1])


def _run_forward(x, w, b, window, groups, relu, y):
    images = _as_volumes(x)
    rows = y.reshape(-1, y.shape[-1])
    taps = window.taps * w.shape[-2]
    filters = backend.constant(np.moveaxis(w.reshape(taps, groups, -1), 1, 0))
    bias = backend.constant(np.zeros(0, x.dtype) if b is None else b.astype(x.dtype, copy=False))
    block = _rows_of_a_block(taps, x.itemsize)
    pieces = backend.split(len(rows), least=LEAST_ROWS, most=16)
    pointwise = _is_pointwise(x, window)
    backend.parallel(_forward_range, pieces, images, filters, bias, rows, block, relu, pointwise, *_as_3d(window))


def _as_volumes(x):
    """(N, *spatial, C) as contiguous (N, D, H, W · C): a run of taps along W is then one run of memory."""
    *lead, last, channels = x.shape
    n, spatial = lead[0], lead[1:]
    return backend.constant(x).reshape(n, *(1,) * (2 - len(spatial)), *spatial, last * channels)


def _as_3d(window):
    """output, size, stride, dilation and before, each with three entries."""
    fill = (1,) * (3 - len(window.size))
    zeros = (0,) * len(fill)
    return (
        fill + window.output,
        fill + window.size,
        fill + window.stride,
        fill + window.dilation,
        zeros + window.before,
    )


def _is_pointwise(x, window):
    """A 1×1 kernel that visits every pixel: its im2col matrix is the input itself, and nothing is copied."""
    return window.taps == 1 and set(window.stride) == {1} and not any(window.before) and window.output == x.shape[1:-1]


def _rows_of_a_block(taps, itemsize):
    return max(LEAST_ROWS, BLOCK_BYTES // (taps * itemsize) // 8 * 8)


@njit(nogil=True, cache=True)
def _fill_columns(columns, images, first, count, channels, channel, wanted, output, size, stride, dilation, before):
    """Rows first … first + count of the im2col matrix, for the channels from `channel` on, `wanted` of them."""
    _, depth, height, width_channels = images.shape
    width = width_channels // channels
    run = size[2] * channels
    whole_rows = wanted == channels and dilation[2] == 1
    for i in range(count):
        rest = first + i
        ow = rest % output[2]
        rest //= output[2]
        oh = rest % output[1]
        rest //= output[1]
        od = rest % output[0]
        n = rest // output[0]
        left = ow * stride[2] - before[2]
        inside = whole_rows and left >= 0 and left + size[2] <= width
        column = columns[i]
        at = 0
        for kd in range(size[0]):
            d = od * stride[0] + kd * dilation[0] - before[0]
            for kh in range(size[1]):
                h = oh * stride[1] + kh * dilation[1] - before[1]
                # Loops run over slices: an index that starts at zero cannot be negative, and so vectorizes.
                if d < 0 or d >= depth or h < 0 or h >= height:
                    target = column[at : at + size[2] * wanted]
                    for c in range(target.size):
                        target[c] = 0
                    at += target.size
                elif inside:
                    target = column[at : at + run]
                    source = images[n, d, h, left * channels : left * channels + run]
                    for c in range(run):
                        target[c] = source[c]
                    at += run
                else:
                    for kw in range(size[2]):
                        w = left + kw * dilation[2]
                        target = column[at : at + wanted]
                        if w < 0 or w >= width:
                            for c in range(wanted):
                                target[c] = 0
                        else:
                            source = images[n, d, h, w * channels + channel : w * channels + channel + wanted]
                            for c in range(wanted):
                                target[c] = source[c]
                        at += wanted


@njit(nogil=True, cache=True)
def _forward_range(
    start, stop, images, filters, bias, y, block, relu, pointwise, output, size, stride, dilation, before
):
    groups, taps, outputs = filters.shape
    wanted = taps // (size[0] * size[1] * size[2])
    channels = wanted * groups
    pixels = images.reshape(-1, channels)
    columns = np.empty((1 if pointwise and groups == 1 else block, taps), images.dtype)
    product = np.empty((1 if groups == 1 else block, outputs), images.dtype)
    for first in range(start, stop, block):
        count = min(block, stop - first)
        rows = y[first : first + count]
        if groups == 1:
            if pointwise:
                np.dot(pixels[first : first + count], filters[0], rows)
            else:
                _fill_columns(
                    columns, images, first, count, channels, 0, wanted, output, size, stride, dilation, before
                )
                np.dot(columns[:count], filters[0], rows)
        else:
            for g in range(groups):
                _fill_columns(
                    columns, images, first, count, channels, g * wanted, wanted, output, size, stride, dilation, before
                )
                np.dot(columns[:count], filters[g], product[:count])
                for i in range(count):
                    for j in range(outputs):
                        rows[i, g * outputs + j] = product[i, j]
        for i in range(count):
            row = rows[i]
            if bias.size:
                for j in range(row.size):
                    row[j] += bias[j]
            if relu:
                for j in range(row.size):
                    row[j] = max(row[j], 0)


@njit(nogil=True, cache=True)
def _filters_range(slot, start, stop, images, dy, slots, block, pointwise, output, size, stride, dilation, before):
    _, groups, taps, outputs = slots.shape
    wanted = taps // (size[0] * size[1] * size[2])
    channels = wanted * groups
    pixels = images.reshape(-1, channels)
    columns = np.empty((1 if pointwise and groups == 1 else block, taps), images.dtype)
    part = np.empty((1 if groups == 1 else block, outputs), images.dtype)
    product = np.empty((taps, outputs), images.dtype)
    for first in range(start, stop, block):
        count = min(block, stop - first)
        for g in range(groups):
            if groups == 1 and pointwise:
                np.dot(pixels[first : first + count].T, dy[first : first + count], product)
            else:
                _fill_columns(
                    columns, images, first, count, channels, g * wanted, wanted, output, size, stride, dilation, before
                )
                if groups == 1:
                    np.dot(columns[:count].T, dy[first : first + count], product)
                else:
                    for i in range(count):
                        for j in range(outputs):
                            part[i, j] = dy[first + i, g * outputs + j]
                    np.dot(columns[:count].T, part[:count], product)
            total = slots[slot, g]
            for i in range(taps):
                for j in range(outputs):
                    total[i, j] += product[i, j]
