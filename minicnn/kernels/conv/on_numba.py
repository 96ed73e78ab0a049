"""Convolution by blocked im2col, compiled.

The whole im2col matrix is 9 times the input for a 3×3 kernel and would travel through main memory. So only a block
of its rows exists at a time, small enough to stay in the L2 cache, and is multiplied at once by panels of the filters,
as wide as the micro-kernel takes them. One set of kernels serves one, two and three dimensions: signals and images are
volumes with leading dimensions of length one.
"""

import numpy as np
from numba import njit

from minicnn import backend, buffers
from minicnn.kernels.geometry import Window
from minicnn.kernels.micro_kernel import ROWS, columns, line_transform, row_product

MICRO_KERNEL = "a40af09c1917"  # its digest: an edit there has to show in the files that compile it into theirs
TAPS = 8  # taps of the filters whose gradient is formed at a time

CHUNK = 1024  # taps of the gradient to the input that are formed before they are added up
BLOCK_BYTES = 1 << 19  # of the im2col matrix; the rest of a common L2 cache is for filters and results
LEAST_ROWS = 4 * ROWS  # of a block, for which a panel of the filters is fetched
FEW = 20 * ROWS  # pixels, below which threads share the filters and not the pixels

_multiply, _multiply_taps, _copy = row_product(ROWS), row_product(TAPS), line_transform([[1]])


def forward(x, w, b, window, groups=1, relu=False):
    y = buffers.empty((x.shape[0], *window.output, w.shape[-1]), x.dtype)
    _run_forward(x, w, b, window, groups, relu, y)
    return y


def gradient_to_input(dy, w, spatial, window, groups=1):
    """With stride 1 it is itself a convolution, of the cotangent with the filters turned by 180° and their channels
    swapped. With a larger one, or with few channels, which would leave the micro-kernel half empty, dy times the
    filters says what each output owes to each pixel that it saw, and that is added up where windows overlap.
    """
    if set(window.stride) == {1} and w.shape[-2] > columns(w.itemsize) // 2:
        spans = [(k - 1) * d for k, d in zip(window.size, window.dilation, strict=True)]
        before = tuple(span - first for span, first in zip(spans, window.before, strict=True))
        turned = Window(window.size, window.stride, window.dilation, before, before, tuple(spatial))
        return forward(dy, _turned(w, groups), None, turned, groups)
    channels, outputs = w.shape[-2], w.shape[-1] // groups
    n, width = len(dy), columns(dy.itemsize)
    output, size, *geometry = _as_3d(window)
    lengths = (1,) * (3 - len(spatial)) + tuple(spatial)
    # Whole rows of the kernel go together, about as many taps as a panel's rows may take in the cache.
    run, rows_of_kernel = size[2] * channels, size[0] * size[1]
    together = min(rows_of_kernel, max(1, CHUNK // run))
    shape = groups, -(-rows_of_kernel // together), _panels(together * run, dy.itemsize), outputs, width
    packed = buffers.empty(shape, dy.dtype)
    filters = backend.constant(w).reshape(-1, groups * outputs)
    numbers = [(g, chunk, number) for g in range(groups) for chunk in range(shape[1]) for number in range(shape[2])]
    backend.parallel(_pack_turned, numbers, filters, together * run, packed)
    dx = buffers.empty((n, *spatial, groups * channels), dy.dtype)
    volumes = dx.reshape(n, *lengths, groups * channels)
    axis = next((i for i in range(3) if output[i] > 1), 2)  # outputs of a range along it lie side by side
    if n >= 8:
        pieces = [(*images_of_it, 0, lengths[axis]) for images_of_it in backend.split(n, most=16)]
    else:
        bands = backend.split(lengths[axis], least=4 * size[axis], most=16)
        pieces = [(i, i + 1, *band) for i in range(n) for band in bands]
    cotangent = backend.constant(dy).reshape(-1, groups * outputs)
    if len(cotangent) < ROWS:
        cotangent = backend.constant(np.pad(cotangent, ((0, ROWS - len(cotangent)), (0, 0))))
    block = max(LEAST_ROWS, BLOCK_BYTES // (shape[2] * width * dy.itemsize) // ROWS * ROWS)
    packed = backend.constant(packed)
    backend.parallel(_input_range, pieces, axis, cotangent, packed, volumes, block, together, output, size, *geometry)
    return dx


def _turned(w, groups):
    """(*size, C_in / groups, C_out) as (*size, C_out / groups, C_in), group by group, the last tap first."""
    channels_in, channels_out = w.shape[-2:]
    taps = w[(slice(None, None, -1),) * (w.ndim - 2)]
    parts = taps.reshape(*w.shape[:-1], groups, channels_out // groups)
    parts = np.moveaxis(parts, -1, -3)  # (*size, C_out / groups, C_in / groups, groups)
    return np.swapaxes(parts, -1, -2).reshape(*w.shape[:-2], channels_out // groups, groups * channels_in)


def gradient_to_filters(dy, x, window, groups=1):
    images = _as_volumes(x)
    cotangent = backend.constant(dy).reshape(-1, dy.shape[-1])
    taps, outputs = window.taps * (x.shape[-1] // groups), dy.shape[-1] // groups
    pitch = _pitch(x, window, groups)
    block = _rows_of_a_block(pitch, x.itemsize)
    pieces = backend.split(len(cotangent), least=block, most=8)
    # Each piece sums into its own slot, and the slots are added in order: the same bits for any number of threads.
    padded, wide = -(-taps // TAPS) * TAPS, _panels(outputs, x.itemsize) * columns(x.itemsize)
    slots = buffers.empty((len(pieces), groups, padded, wide), dy.dtype)
    numbered = [(i, *piece) for i, piece in enumerate(pieces)]
    backend.parallel(
        _filters_range, numbered, images, cotangent, slots, taps, pitch, columns(x.itemsize), block, *_as_3d(window)
    )
    dw = (slots.sum(axis=0) if len(pieces) > 1 else slots[0])[:, :taps, :outputs]
    return np.moveaxis(dw, 0, 1).reshape(*window.size, x.shape[-1] // groups, dy.shape[-1])


def _run_forward(x, w, b, window, groups, relu, y):
    images = _as_volumes(x)
    rows = y.reshape(-1, y.shape[-1])
    taps = window.taps * w.shape[-2]
    filters = backend.constant(w).reshape(taps, -1)
    bias = np.zeros(w.shape[-1], x.dtype) if b is None else b.astype(x.dtype, copy=False)
    bias = backend.constant(bias)
    width = columns(x.itemsize)
    panels = [(g, number) for g in range(groups) for number in range(_panels(w.shape[-1] // groups, x.itemsize))]
    pitch = _pitch(x, window, groups)
    if len(rows) <= FEW:
        matrix = buffers.empty((groups, max(len(rows), ROWS), pitch), x.dtype)
        matrix[:, len(rows) :] = 0  # whatever lies there may be slow: denormal numbers
        pieces = backend.split(len(rows), least=ROWS, most=4)
        backend.parallel(_matrix_range, pieces, images, matrix, w.shape[-2], *_as_3d(window))
        backend.parallel(_panel, panels, backend.constant(matrix), filters, bias, rows, width, relu)
        return
    packed = buffers.empty((groups, len(panels) // groups, taps, width), x.dtype)
    backend.parallel(_pack, panels, filters, packed)
    block = _rows_of_a_block(pitch, x.itemsize)
    pieces = backend.split(len(rows), least=LEAST_ROWS, most=16)
    pointwise = groups == 1 and _is_pointwise(x, window)
    packed = backend.constant(packed)
    backend.parallel(_forward_range, pieces, images, packed, bias, rows, pitch, block, relu, pointwise, *_as_3d(window))


def _pitch(x, window, groups):
    """The length of a row of the im2col matrix: its taps, and what the last run may be copied too long."""
    channels, line = x.shape[-1] // groups, 64 // x.itemsize
    run = channels * (window.size[-1] if groups == 1 and window.dilation[-1] == 1 else 1)
    return -(-(window.taps * channels + -run % line) // line) * line


def _panels(outputs, itemsize):
    """How many panels hold so many filters; the last may hang over."""
    return -(-outputs // columns(itemsize))


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


def _rows_of_a_block(pitch, itemsize):
    return max(LEAST_ROWS, BLOCK_BYTES // (pitch * itemsize) // ROWS * ROWS)


@njit(nogil=True, cache=True)
def _fill_columns(
    matrix, pitch, images, first, count, channels, channel, wanted, output, size, stride, dilation, before
):
    """Rows first … first + count of the im2col matrix, for the channels from `channel` on, `wanted` of them. matrix is
    flat, its rows `pitch` apart.

    A run of taps that lie side by side is copied by whole lines: what is too much is overwritten by the next run of its
    row, or lies behind the last one (see _pitch).
    """
    _, depth, height, width_channels = images.shape
    width, pixels, line = width_channels // channels, images.reshape(-1), 64 // images.itemsize
    parts = 1 if wanted == channels and dilation[2] == 1 else size[2]
    run = size[2] * wanted // parts
    whole = (run + line - 1) // line * line
    # The outputs of a row whose windows lie inside the picture.
    low = (before[2] + stride[2] - 1) // stride[2]
    high = (width + before[2] - (size[2] - 1) * dilation[2] - 1) // stride[2] + 1
    step = stride[2] * channels
    i = 0
    while i < count:
        n, od, oh, ow = _place(first + i, output)
        segment = min(output[2] - ow, count - i)
        begin = min(max(low - ow, 0), segment)
        for r in range(size[0] * size[1]):
            d = od * stride[0] + r // size[1] * dilation[0] - before[0]
            h = oh * stride[1] + r % size[1] * dilation[1] - before[1]
            at = i * pitch + r * size[2] * wanted
            if d < 0 or d >= depth or h < 0 or h >= height:
                for j in range(segment):
                    matrix[at + j * pitch : at + j * pitch + size[2] * wanted] = 0
                continue
            above = ((n * depth + d) * height + h) * width_channels
            left = ow * stride[2] - before[2]
            end = max(min(high - ow, segment), begin)
            reach = above + (left + (parts - 1) * dilation[2]) * channels + channel + whole
            while end > begin and reach + (end - 1) * step > pixels.size:
                end -= 1
            for part in range(parts):
                source = above + (left + part * dilation[2]) * channels + channel
                for j in range(begin, end):
                    _copy(pixels, (source + j * step,), matrix, at + part * run + j * pitch, 0, whole)
            for j in range(segment - (end - begin)):
                j += end - begin if j >= begin else 0
                for kw in range(size[2]):
                    w, to = left + j * stride[2] + kw * dilation[2], at + j * pitch + kw * wanted
                    if w < 0 or w >= width:
                        matrix[to : to + wanted] = 0
                    else:
                        source = above + w * channels + channel
                        for c in range(wanted):
                            matrix[to + c] = pixels[source + c]
        i += segment


@njit(nogil=True, cache=True)
def _place(pixel, output):
    """(n, depth, height, width) of an output pixel by its number."""
    rest, ow = pixel // output[2], pixel % output[2]
    rest, oh = rest // output[1], rest % output[1]
    return rest // output[0], rest % output[0], oh, ow


@njit(nogil=True, cache=True)
def _scratch(count, like):
    """So many numbers, undefined, that begin at a cache line: to store across two lines takes twice as long."""
    line = 64 // like.itemsize
    room = np.empty(count + line, like.dtype)
    first = -room.ctypes.data % 64 // like.itemsize
    return room[first : first + count]


@njit(nogil=True, cache=True)
def _pack(group, number, filters, packed):
    """One panel of the filters (taps, C_out), its rows side by side; what hangs over is zero."""
    _pack_into(filters, group * (filters.shape[1] // packed.shape[0]), number, packed.shape[0], packed[group, number])


@njit(nogil=True, cache=True)
def _pack_into(filters, first, number, groups, panel):
    taps, width = panel.shape
    first += number * width
    inside = min(width, filters.shape[1] // groups - number * width)
    for k in range(taps):
        row, source = panel[k], filters[k, first : first + inside]
        for j in range(inside):
            row[j] = source[j]
        for j in range(inside, width):
            row[j] = 0


@njit(nogil=True, cache=True)
def _pass_rows(source, first, pitch, panel, width, product, at, wide, count):
    """product[i, columns of the panel] = source[i] · panel for so many rows, of which the last may be formed twice."""
    for i in range(0, count, ROWS):
        row = min(i, max(count - ROWS, 0))
        here, to = (first + row * pitch, pitch, 1), (row * wide + at, wide)
        _multiply(source, here, panel, (0, width), product, to, panel.size // width, False)


@njit(nogil=True, cache=True)
def _finish(product, at, wide, count, width, bias, y, first, channel, relu):
    """Columns of the product with bias and ReLU, into the channels of y from `channel` on."""
    for i in range(count):
        row, source = y[first + i, channel : channel + width], product[i * wide + at : i * wide + at + width]
        biases = bias[channel : channel + width]
        for j in range(width):
            row[j] = source[j] + biases[j]
        if relu:
            for j in range(width):
                row[j] = max(row[j], 0)


@njit(nogil=True, cache=True)
def _forward_range(
    start, stop, images, packed, bias, y, pitch, block, relu, pointwise, output, size, stride, dilation, before
):
    groups, count_of_panels, taps, width = packed.shape
    wanted = taps // (size[0] * size[1] * size[2])
    channels, outputs = wanted * groups, y.shape[1] // groups
    wide = count_of_panels * width
    pixels = images.reshape(-1)
    matrix = _scratch(0 if pointwise else block * pitch, bias)
    product = _scratch(block * wide, bias)
    for first in range(start, stop, block):
        count = min(block, stop - first)
        for g in range(groups):
            if pointwise and count < ROWS:
                first, count = stop - ROWS, ROWS  # the rows before are formed twice
            if not pointwise:
                _fill_columns(
                    matrix,
                    pitch,
                    images,
                    first,
                    count,
                    channels,
                    g * wanted,
                    wanted,
                    output,
                    size,
                    stride,
                    dilation,
                    before,
                )
            for number in range(count_of_panels):
                panel = packed[g, number].reshape(-1)
                if pointwise:
                    _pass_rows(pixels, first * taps, taps, panel, width, product, number * width, wide, count)
                else:
                    _pass_rows(matrix, 0, pitch, panel, width, product, number * width, wide, count)
            _finish(product, 0, wide, count, outputs, bias, y, first, g * outputs, relu)


@njit(nogil=True, cache=True)
def _matrix_range(start, stop, images, matrix, wanted, output, size, stride, dilation, before):
    """Rows of the whole im2col matrix, group by group."""
    groups, _, pitch = matrix.shape
    for g in range(groups):
        _fill_columns(
            matrix[g, start:stop].reshape(-1),
            pitch,
            images,
            start,
            stop - start,
            wanted * groups,
            g * wanted,
            wanted,
            output,
            size,
            stride,
            dilation,
            before,
        )


@njit(nogil=True, cache=True)
def _panel(group, number, matrix, filters, bias, y, width, relu):
    """The outputs of one panel of the filters, which is put together here because it is needed only once."""
    groups, rows, pitch = matrix.shape
    taps, outputs, count = filters.shape[0], y.shape[1] // groups, y.shape[0]
    panel, product = _scratch(taps * width, bias), _scratch(rows * width, bias)
    _pack_into(filters, group * outputs, number, groups, panel.reshape(taps, width))
    _pass_rows(matrix[group].reshape(-1), 0, pitch, panel, width, product, 0, width, rows)
    inside = min(width, outputs - number * width)
    _finish(product, 0, width, count, inside, bias, y, 0, group * outputs + number * width, relu)


@njit(nogil=True, cache=True)
def _filters_range(
    slot, start, stop, images, dy, slots, taps, pitch, width, block, output, size, stride, dilation, before
):
    """Σ columnsᵀ dy over the rows start … stop, a few taps by a panel of outputs at a time."""
    _, groups, padded, wide = slots.shape
    wanted = taps // (size[0] * size[1] * size[2])
    outputs = dy.shape[1] // groups
    matrix = _scratch(block * pitch, dy)
    matrix[:] = 0
    cotangent = _scratch(block * wide, dy)
    cotangent[:] = 0
    for first in range(start, stop, block):
        count = min(block, stop - first)
        for g in range(groups):
            _fill_columns(
                matrix,
                pitch,
                images,
                first,
                count,
                wanted * groups,
                g * wanted,
                wanted,
                output,
                size,
                stride,
                dilation,
                before,
            )
            for i in range(count):
                row, source = cotangent[i * wide : i * wide + outputs], dy[first + i, g * outputs : (g + 1) * outputs]
                for j in range(outputs):
                    row[j] = source[j]
            total = slots[slot, g].reshape(-1)
            for panel in range(0, wide, width):
                for tap in range(0, padded, TAPS):
                    here, there, to = (tap, 1, pitch), (panel, wide), (tap * wide + panel, wide)
                    _multiply_taps(matrix, here, cotangent, there, total, to, count, first > start)


@njit(nogil=True, cache=True)
def _pack_turned(group, chunk, number, filters, taps, packed):
    """Taps of the filters as columns: one panel of a chunk of so many taps; what hangs over is zero."""
    panel = packed[group, chunk, number]
    outputs, width = panel.shape
    first = chunk * taps + number * width
    inside = min(width, (chunk + 1) * taps - first, filters.shape[0] - first)
    if inside < width:
        panel[:] = 0
    for j in range(inside):
        source = filters[first + j, group * outputs : (group + 1) * outputs]
        for o in range(outputs):
            panel[o, j] = source[o]


@njit(nogil=True, cache=True)
def _input_range(n, stop, low, high, axis, dy, packed, dx, block, together, output, size, stride, dilation, before):
    """dx of the images n … stop, of one of them for the part low … high of an axis."""
    groups, chunks, panels, outputs, width = packed.shape
    wide = panels * width
    positions = output[0] * output[1] * output[2]
    step = 1  # output pixels between neighbours along the axis
    for i in range(axis + 1, 3):
        step *= output[i]
    # The outputs whose windows reach into the part.
    reach = (size[axis] - 1) * dilation[axis]
    first = max(0, -((reach - low - before[axis]) // stride[axis]))
    last = min(output[axis], (high - 1 + before[axis]) // stride[axis] + 1)
    start, end = n * positions + first * step, (stop - 1) * positions + last * step
    lows, highs = (0, 0, 0), (dx.shape[1], dx.shape[2], dx.shape[3])
    if axis == 0:
        lows, highs = (low, 0, 0), (high, dx.shape[2], dx.shape[3])
        dx[n:stop, low:high] = 0
    elif axis == 1:
        lows, highs = (0, low, 0), (dx.shape[1], high, dx.shape[3])
        dx[n:stop, :, low:high] = 0
    else:
        lows, highs = (0, 0, low), (dx.shape[1], dx.shape[2], high)
        dx[n:stop, :, :, low:high] = 0
    channels, rows_of_kernel = dx.shape[4] // groups, size[0] * size[1]
    run, whole = size[2] * channels, groups == 1 and dilation[2] == 1
    product = _scratch((block + ROWS) * wide, dx)
    cotangent, target, row = dy.reshape(-1), dx.reshape(-1), dy.shape[1]
    for g in range(groups):
        for chunk in range(chunks):
            first_row, last_row = chunk * together, min((chunk + 1) * together, rows_of_kernel)
            for pixel in range(start, end, block):
                count = min(block, end - pixel)
                base = min(pixel, dy.shape[0] - ROWS)  # so that there are rows enough behind it
                extra = pixel - base
                for number in range(panels):
                    panel, to = packed[g, chunk, number].reshape(-1), number * width
                    for i in range(0, extra + count, ROWS):
                        at = min(i, max(extra + count - ROWS, 0))  # the last rows may be formed twice
                        here = ((base + at) * row + g * outputs, row, 1)
                        _multiply(cotangent, here, panel, (0, width), product, (at * wide + to, wide), outputs, False)
                i = 0
                while i < count:
                    image, od, oh, ow = _place(pixel + i, output)
                    segment = min(output[2] - ow, count - i)
                    for r in range(first_row, last_row):
                        d = od * stride[0] + r // size[1] * dilation[0] - before[0]
                        h = oh * stride[1] + r % size[1] * dilation[1] - before[1]
                        if d < lows[0] or d >= highs[0] or h < lows[1] or h >= highs[1]:
                            continue
                        line = ((image * dx.shape[1] + d) * dx.shape[2] + h) * dx.shape[3]
                        for j in range(segment):
                            at = (extra + i + j) * wide + (r - first_row) * run
                            left = (ow + j) * stride[2] - before[2]
                            if whole and left >= lows[2] and left + size[2] <= highs[2]:
                                _add_run(product, at, target, (line + left) * channels, run)
                                continue
                            for kw in range(size[2]):
                                w = left + kw * dilation[2]
                                if w >= lows[2] and w < highs[2]:
                                    to = (line + w) * dx.shape[4] + g * channels
                                    _add_run(product, at + kw * channels, target, to, channels)
                    i += segment


@njit(nogil=True, cache=True)
def _add_run(source, first, target, to, count):
    for c in range(count):
        target[to + c] += source[first + c]
