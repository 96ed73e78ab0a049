"""Compiled pooling.

The forward pass loops over outputs. If windows overlap, gradients loop over inputs and gather from the windows that
cover each pixel; if not, each window writes its own pixels. Either way every element is written by one thread.
"""

from numba import njit

from minicnn.fast.cpu import buffers, threads
from minicnn.kernels.pool import switch_dtype

LEAST_ROWS = 256  # minimum number of pixels per thread; below this, scheduling takes longer than the work


def max_pool(x, window):
    y = buffers.empty((x.shape[0], *window.output, x.shape[-1]), x.dtype)
    switches = buffers.empty(y.shape, switch_dtype(window))
    rows, marks = _rows(y), _rows(switches)
    threads.parallel(_max_range, _pieces(rows), _volumes(threads.constant(x)), rows, marks, _as_3d(window))
    return y, switches


def max_pool_gradient(dy, switches, spatial, window):
    dx = buffers.empty((dy.shape[0], *spatial, dy.shape[-1]), dy.dtype)
    rows, cotangents, winners = _rows(dx), _rows(threads.constant(dy)), _rows(switches)
    if _side_by_side(window, spatial):
        volumes = _own_pixels(dx, window)
        threads.parallel(_max_scatter_range, _pieces(cotangents), volumes, cotangents, winners, _as_3d(window))
    else:
        arrays = rows, _lengths_as_3d(spatial), cotangents, winners
        threads.parallel(_max_gradient_range, _pieces(rows), *arrays, _as_3d(window))
    return dx


def avg_pool(x, window, count_padding):
    y = buffers.empty((x.shape[0], *window.output, x.shape[-1]), x.dtype)
    rows = _rows(y)
    threads.parallel(_avg_range, _pieces(rows), _volumes(threads.constant(x)), rows, count_padding, _as_3d(window))
    return y


def avg_pool_gradient(dy, spatial, window, count_padding):
    dx = buffers.empty((dy.shape[0], *spatial, dy.shape[-1]), dy.dtype)
    rows, cotangents = _rows(dx), _rows(threads.constant(dy))
    if _side_by_side(window, spatial):
        volumes = _own_pixels(dx, window)
        threads.parallel(_avg_scatter_range, _pieces(cotangents), volumes, cotangents, _as_3d(window))
    else:
        arrays = rows, _lengths_as_3d(spatial), cotangents, count_padding
        threads.parallel(_avg_gradient_range, _pieces(rows), *arrays, _as_3d(window))
    return dx


def _side_by_side(window, spatial):
    """Return True if windows neither overlap nor cross an edge, so that each pixel is in at most one window."""
    axes = zip(window.size, window.stride, window.before, window.output, spatial, strict=True)
    return all(k <= step and before == 0 and (o - 1) * step + k <= n for k, step, before, o, n in axes)


def _own_pixels(dx, window):
    """Return dx as volumes, to be written window by window, with zeros outside all windows."""
    if dx.shape[1:-1] != tuple(o * k for o, k in zip(window.output, window.size, strict=True)):
        dx.fill(0)
    return _volumes(dx)


def _pieces(rows):
    return threads.split(len(rows), least=LEAST_ROWS)


def _rows(array):
    return array.reshape(-1, array.shape[-1])


def _volumes(x):
    n, *spatial, channels = x.shape
    return x.reshape(n, *_lengths_as_3d(tuple(spatial)), channels)


def _lengths_as_3d(lengths):
    return (1,) * (3 - len(lengths)) + tuple(lengths)


def _as_3d(window):
    """Return (output, size, stride, before) with three entries each: the `window` of the kernels."""
    zeros = (0,) * (3 - len(window.size))
    return (*(_lengths_as_3d(v) for v in (window.output, window.size, window.stride)), zeros + window.before)


@njit(nogil=True, cache=True)
def _place(row, lengths):
    """Return the (n, d, h, w) of a row of a flattened array."""
    w = row % lengths[2]
    row //= lengths[2]
    h = row % lengths[1]
    row //= lengths[1]
    return row // lengths[0], row % lengths[0], h, w


@njit(nogil=True, cache=True)
def _next(place, lengths):
    """Return the place of the next row, without divisions, which take as long as a row of few channels."""
    n, d, h, w = place
    if w + 1 < lengths[2]:
        return n, d, h, w + 1
    if h + 1 < lengths[1]:
        return n, d, h + 1, 0
    if d + 1 < lengths[0]:
        return n, d + 1, 0, 0
    return n + 1, 0, 0, 0


@njit(nogil=True, cache=True)
def _inside(first, size, length):
    """Return the range (start, stop) of taps k in range(size) with first + k in range(length)."""
    return max(0, -first), min(size, length - first)


@njit(nogil=True, cache=True)
def _max_range(start, stop, x, y, switches, window):
    """Compute the maximum of each window and its index within the window: the switch."""
    output, size, stride, before = window
    _, depth, height, width, channels = x.shape
    place = _place(start, output)
    for i in range(start, stop):
        n, od, oh, ow = place
        d, h, w = od * stride[0] - before[0], oh * stride[1] - before[1], ow * stride[2] - before[2]
        first_d, stop_d = _inside(d, size[0], depth)
        first_h, stop_h = _inside(h, size[1], height)
        first_w, stop_w = _inside(w, size[2], width)
        best, winner = y[i], switches[i]
        # Start with the first pixel, even if it is −∞, so that the switch never points to padding.
        pixel = x[n, d + first_d, h + first_h, w + first_w]
        mark = winner.dtype.type((first_d * size[1] + first_h) * size[2] + first_w)
        for c in range(channels):
            best[c] = pixel[c]
            winner[c] = mark
        for kd in range(first_d, stop_d):
            for kh in range(first_h, stop_h):
                for kw in range(first_w, stop_w):
                    pixel = x[n, d + kd, h + kh, w + kw]
                    mark = winner.dtype.type((kd * size[1] + kh) * size[2] + kw)
                    for c in range(channels):  # without branches, to vectorize
                        # not (<=) means > or NaN, so NaN propagates.
                        better = (best[c] == best[c]) & (not (pixel[c] <= best[c]))
                        best[c] = pixel[c] if better else best[c]
                        winner[c] = mark if better else winner[c]
        place = _next(place, output)


@njit(nogil=True, cache=True)
def _covering(at, size, stride, outputs):
    """Return the range (first, stop) of outputs whose windows cover a pixel. at: its position in the padded input."""
    return max(0, (at - size) // stride + 1), min(outputs, at // stride + 1)


@njit(nogil=True, cache=True)
def _max_gradient_range(start, stop, dx, lengths, dy, switches, window):
    """Gather for each pixel the cotangents of the windows whose switches point to it."""
    output, size, stride, before = window
    nothing = dx.dtype.type(0)
    place = _place(start, lengths)
    for i in range(start, stop):
        n, d, h, w = place
        d, h, w = d + before[0], h + before[1], w + before[2]
        first_d, stop_d = _covering(d, size[0], stride[0], output[0])
        first_h, stop_h = _covering(h, size[1], stride[1], output[1])
        first_w, stop_w = _covering(w, size[2], stride[2], output[2])
        row = dx[i]
        for c in range(row.size):
            row[c] = nothing
        for od in range(first_d, stop_d):
            for oh in range(first_h, stop_h):
                for ow in range(first_w, stop_w):
                    at = ((n * output[0] + od) * output[1] + oh) * output[2] + ow
                    cotangent, winner = dy[at], switches[at]
                    tap = ((d - od * stride[0]) * size[1] + h - oh * stride[1]) * size[2] + w - ow * stride[2]
                    mark = winner.dtype.type(tap)
                    for c in range(row.size):  # without branches, to vectorize
                        row[c] += cotangent[c] if winner[c] == mark else nothing
        place = _next(place, lengths)


@njit(nogil=True, cache=True)
def _max_scatter_range(start, stop, dx, dy, switches, window):
    """Write each window's cotangent to the pixel of its switch, and zero to its other pixels."""
    output, size, stride, _ = window
    nothing = dx.dtype.type(0)
    place = _place(start, output)
    for i in range(start, stop):
        n, od, oh, ow = place
        cotangent, winner = dy[i], switches[i]
        number = 0
        for kd in range(size[0]):
            for kh in range(size[1]):
                for kw in range(size[2]):
                    row = dx[n, od * stride[0] + kd, oh * stride[1] + kh, ow * stride[2] + kw]
                    mark = winner.dtype.type(number)
                    for c in range(row.size):
                        row[c] = cotangent[c] if winner[c] == mark else nothing
                    number += 1
        place = _next(place, output)


@njit(nogil=True, cache=True)
def _share(od, oh, ow, lengths, count_padding, window):
    """Return the reciprocal of the number of elements that an output averages."""
    _, size, stride, before = window
    if count_padding:
        return 1.0 / (size[0] * size[1] * size[2])
    first_d, stop_d = _inside(od * stride[0] - before[0], size[0], lengths[0])
    first_h, stop_h = _inside(oh * stride[1] - before[1], size[1], lengths[1])
    first_w, stop_w = _inside(ow * stride[2] - before[2], size[2], lengths[2])
    return 1.0 / ((stop_d - first_d) * (stop_h - first_h) * (stop_w - first_w))


@njit(nogil=True, cache=True)
def _avg_range(start, stop, x, y, count_padding, window):
    """Compute the mean of each window."""
    output, size, stride, before = window
    _, depth, height, width, channels = x.shape
    quartet, quarter = size == (1, 2, 2), y.dtype.type(0.25)
    place = _place(start, output)
    for i in range(start, stop):
        n, od, oh, ow = place
        d, h, w = od * stride[0] - before[0], oh * stride[1] - before[1], ow * stride[2] - before[2]
        first_d, stop_d = _inside(d, size[0], depth)
        first_h, stop_h = _inside(h, size[1], height)
        first_w, stop_w = _inside(w, size[2], width)
        total = y[i]
        if quartet and stop_h - first_h == 2 and stop_w - first_w == 2:  # the most common window, in one pass
            p, q, r, s = x[n, d, h, w], x[n, d, h, w + 1], x[n, d, h + 1, w], x[n, d, h + 1, w + 1]
            for c in range(channels):
                total[c] = (p[c] + q[c] + r[c] + s[c]) * quarter
            place = _next(place, output)
            continue
        for c in range(channels):
            total[c] = 0
        for kd in range(first_d, stop_d):
            for kh in range(first_h, stop_h):
                for kw in range(first_w, stop_w):
                    pixel = x[n, d + kd, h + kh, w + kw]
                    for c in range(channels):
                        total[c] += pixel[c]
        taps = (stop_d - first_d) * (stop_h - first_h) * (stop_w - first_w)
        share = total.dtype.type(1.0 / (size[0] * size[1] * size[2] if count_padding else taps))
        for c in range(channels):
            total[c] *= share
        place = _next(place, output)


@njit(nogil=True, cache=True)
def _avg_gradient_range(start, stop, dx, lengths, dy, count_padding, window):
    """Gather for each pixel its share of the cotangents of all windows that cover it."""
    output, size, stride, before = window
    place = _place(start, lengths)
    for i in range(start, stop):
        n, d, h, w = place
        first_d, stop_d = _covering(d + before[0], size[0], stride[0], output[0])
        first_h, stop_h = _covering(h + before[1], size[1], stride[1], output[1])
        first_w, stop_w = _covering(w + before[2], size[2], stride[2], output[2])
        row = dx[i]
        for c in range(row.size):
            row[c] = 0
        for od in range(first_d, stop_d):
            for oh in range(first_h, stop_h):
                for ow in range(first_w, stop_w):
                    cotangent = dy[((n * output[0] + od) * output[1] + oh) * output[2] + ow]
                    share = row.dtype.type(_share(od, oh, ow, lengths, count_padding, window))
                    for c in range(row.size):
                        row[c] += cotangent[c] * share
        place = _next(place, lengths)


@njit(nogil=True, cache=True)
def _avg_scatter_range(start, stop, dx, dy, window):
    """Write each window's cotangent, divided by its size, to all its pixels."""
    output, size, stride, _ = window
    share = dx.dtype.type(1.0 / (size[0] * size[1] * size[2]))
    place = _place(start, output)
    for i in range(start, stop):
        n, od, oh, ow = place
        cotangent = dy[i]
        for kd in range(size[0]):
            for kh in range(size[1]):
                for kw in range(size[2]):
                    row = dx[n, od * stride[0] + kd, oh * stride[1] + kh, ow * stride[2] + kw]
                    for c in range(row.size):
                        row[c] = cotangent[c] * share
        place = _next(place, output)
