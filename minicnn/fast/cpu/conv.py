"""Compiled convolution: a matrix product that reads the windows in place, without im2col.

The im2col matrix repeats each pixel, 9 times for a 3×3 kernel. Writing it takes as long as the product, even in blocks
that stay in a cache. So it is never formed. The micro-kernel computes 12 outputs at a time with a panel of filters and
keeps every sum in a register. It reads each number of 12 windows once and multiplies it by a whole row of the panel.
The windows may be adjacent, two pixels apart or in different lines: a table holds their positions (places.py). Filters
are packed into panels first, in the order in which they are read.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from minicnn.fast.cpu import buffers, places, threads
from minicnn.fast.cpu.cache import keeps, remember
from minicnn.fast.cpu.micro_kernel import FEW, ROWS, columns, gathered_product, gathered_sum
from minicnn.fast.cpu.processor import cache_bytes

MICRO_KERNEL = "cd2d28bb46fc"  # its digest, so that an edit of it changes this file, too
TAPS = FEW  # taps per product in the gradient to the filters

BLOCK = 32 * ROWS  # outputs per panel before the next one is fetched,
BLOCK_BYTES = cache_bytes(2) // 2  # or fewer, so that their inputs and the panels fit into the L2 cache
WORK = 1 << 22  # minimum number of multiplications per thread: waking one takes about as long
LEAST = 4 * ROWS  # minimum number of outputs per piece of work
SUMMED = 256  # outputs whose cotangents are packed at a time, for the gradient to the filters

PANEL = columns(1)  # bytes per row of a panel

_multiply, _multiply_taps = gathered_product(ROWS), gathered_sum(TAPS)


# Arguments of the kernels. Python passes them as plain tuples, because Numba takes 0.5 µs longer to recognize a
# NamedTuple; inside the kernels the fields have names, at no cost.


class Windows(NamedTuple):
    """The input positions: run r of output i begins at picture[lines[i // W] + along[i % W] + runs[r]], W = len(along).

    picture: flat. depth: numbers per run. channels: input channels per group; group g reads at an offset of
    g · channels.
    """

    picture: np.ndarray
    lines: np.ndarray
    along: np.ndarray
    runs: np.ndarray
    depth: int
    channels: int


class Results(NamedTuple):
    """The output positions: the channels of output i begin at y[lines[i // W] + along[i % W]], W = len(along).

    y: flat. bias: (C_out,). relu: clamp y at zero.
    """

    y: np.ndarray
    lines: np.ndarray
    along: np.ndarray
    bias: np.ndarray
    relu: bool


class Filters(NamedTuple):
    """The source of the panels: `taps`, in this order, of numbers (all taps, C_in / groups, C_out).

    turned: True if the panels map outputs to inputs.
    """

    numbers: np.ndarray
    taps: np.ndarray
    turned: bool


def conv(x, w, b, window, groups, relu=False):
    y = buffers.empty((x.shape[0], *window.output, w.shape[-1]), x.dtype)
    bias = np.zeros(w.shape[-1], x.dtype) if b is None else b.astype(x.dtype, copy=False)
    reading = places.of_outputs(window, x.shape, y.shape, groups)
    _convolve(x, reading, w, False, bias, groups, relu, y)
    return y


def conv_gradient_to_input(dy, w, spatial, window, groups):
    """Return the gradient to the input: a convolution of dy with filters rotated by 180° and channels swapped.

    With a stride there is one such convolution, with some of the taps, per remainder of the pixel positions
    (places.py).
    """
    if w.shape[-2] <= columns(w.itemsize) // 2:
        return _spread(dy, w, spatial, window, groups)
    dx = buffers.empty((dy.shape[0], *spatial, groups * w.shape[-2]), dy.dtype)
    reading = places.of_inputs(window, dy.shape, dx.shape, groups)
    bias = np.zeros(dx.shape[-1], dy.dtype)
    _convolve(dy, reading, w, True, bias, groups, False, dx)
    return dx


def conv_gradient_to_filters(dy, x, window, groups):
    channels, outputs, width = x.shape[-1] // groups, dy.shape[-1] // groups, columns(dy.itemsize)
    reading = places.of_outputs(window, x.shape, dy.shape, groups, whole=True)
    (where,) = reading.parts
    picture = places.padded(x, reading, slack=where.depth % TAPS > 0)  # the last product of taps reads past the end
    rows = threads.constant(dy).reshape(-1, groups, outputs)
    # Each piece sums into its own slot, and slots are added in order, so the result is bit-identical for any threads.
    pieces = threads.split(len(rows), least=SUMMED, most=8)
    panels = _panels(outputs, width)
    share = panels if len(pieces) >= 4 else 1  # with few outputs, threads split the panels, too
    whole = -(-where.depth // TAPS) * TAPS
    slots = buffers.empty((len(pieces), groups, len(where.runs), whole, panels * width), dy.dtype)
    numbered = [
        (*piece, group, first, first + share, slots[slot, group])
        for slot, piece in enumerate(pieces)
        for group in range(groups)
        for first in range(0, panels, share)
    ]
    windows = picture.reshape(-1), *where.starts, where.runs, where.depth, channels
    threads.parallel(_filters_range, numbered, windows, rows)
    total = slots[0]
    if len(pieces) > 1:
        total = buffers.empty(slots.shape[1:], dy.dtype)
        bands = threads.split(total.size, least=1 << 15, most=64)
        threads.parallel(_add_slots, bands, slots.reshape(len(pieces), -1), total.reshape(-1))
    dw = np.moveaxis(total[:, :, : where.depth, :outputs], 0, 2)
    return dw.reshape(*window.size, channels, dy.shape[-1])


def _add_slots(start, stop, slots, total):
    """Add a range of all slots, short enough to stay in the cache."""
    total[start:stop] = slots[0, start:stop]
    for slot in slots[1:]:
        total[start:stop] += slot[start:stop]


def _spread(dy, w, spatial, window, groups):
    """Return the gradient to an input of few channels, which would leave panels of rotated filters half empty.

    The product of dy and the filters is each output's contribution to each pixel of its window; contributions are
    added where windows overlap.
    """
    channels, outputs, width = w.shape[-2], w.shape[-1], columns(dy.itemsize)
    reading = places.of_outputs(window, (len(dy), *spatial, groups * channels), dy.shape, groups, whole=True)
    (where,) = reading.parts
    around = map(sum, zip(reading.before, spatial, reading.after, strict=True))
    dx = np.zeros((len(dy), *around, groups * channels), dy.dtype)
    count = _panels(window.taps * channels, width)
    panels = buffers.empty((groups, count, outputs // groups, width), dy.dtype)
    filters = threads.constant(w).reshape(1, -1, outputs), threads.constant(np.zeros(1, np.intp)), True
    threads.parallel(_pack, _numbered(groups, count), panels, filters)
    # Overlapping windows add to the same pixels. So the outputs are split into bands along one axis, such that the
    # windows of every other band are disjoint: the even bands are added first, then the odd ones.
    axis = next((i for i, length in enumerate(window.output) if length > 1), 0)
    span = (window.size[axis] - 1) * window.dilation[axis] + 1
    bands = threads.split(window.output[axis], least=-(-span // window.stride[axis]), most=16 if len(dy) < 8 else 1)
    positions = math.prod(window.output)
    step = positions // window.output[axis]
    cotangents, panels = threads.constant(dy).reshape(-1), threads.constant(panels)
    windows = dx.reshape(-1), *where.starts, where.runs, where.depth, channels
    for every_other in (bands[::2], bands[1::2]):
        pieces = [(i * positions + a * step, i * positions + b * step) for i in range(len(dy)) for a, b in every_other]
        if pieces:
            threads.parallel(_spread_range, pieces, cotangents, panels, windows)
    inside = tuple(slice(b, b + length) for b, length in zip(reading.before, spatial, strict=True))
    return np.ascontiguousarray(dx[(slice(None), *inside)])


def _convolve(x, reading, w, turned, bias, groups, relu, y):
    """Write the convolution of x to y. turned: True if the filters map outputs to inputs."""
    numbers, flat, bias = threads.constant(w).reshape(-1, *w.shape[-2:]), y.reshape(-1), threads.constant(bias)
    channels, outputs, width = x.shape[-1] // groups, y.shape[-1] // groups, columns(y.itemsize)
    count = _panels(outputs, width)
    pictures = _pictures(x, reading)
    block = outputs_a_block(x.nbytes, sum(where.count for where in reading.parts))
    ranges, packing, shares = [], [], []
    packed: dict[bytes, np.ndarray] = {}  # by taps
    for where in sorted(reading.parts, key=lambda where: -where.count):
        depth, taps = len(where.runs) * where.depth, where.taps.tobytes()
        known = packed[taps] if taps in packed else _remembered(w, where, turned, groups)
        panels = buffers.empty((groups, count, depth, width), y.dtype) if known is None else known
        filters = numbers, where.taps, turned
        windows = pictures[where.inside], *where.starts, where.runs, where.depth, channels
        results = flat, *where.results, bias, relu
        worth = WORK // (max(depth, 1) * width)  # minimum number of outputs per piece and panel
        pieces = threads.split(where.count, least=max(LEAST, worth // (groups * count)), most=16)
        if len(pieces) >= 4 or taps in packed:
            ranges += [(*piece, 0, count, panels, windows, results) for piece in pieces]
            if known is None:
                packing += [(*number, panels, filters) for number in _numbered(groups, count)]
            packed[taps] = panels  # also used for the borders, whose windows have the same taps
            continue
        # With few outputs, threads split the filters, and each packs its own panels.
        parts = threads.split(count, least=worth // (groups * where.count) + 1, most=16)
        if known is None:
            shares += [(*part, filters, panels, windows, results) for part in parts]
        else:
            ranges += [(0, where.count, *part, panels, windows, results) for part in parts]
    if shares:
        threads.parallel(_panels_range, shares, block)
    if packing:
        threads.parallel(_pack, packing)
    if ranges:
        threads.parallel(_forward_range, ranges, block)


def outputs_a_block(nbytes, outputs):
    """Return the number of outputs per panel before the next one is fetched. nbytes: size of the input."""
    return max(4 * ROWS, min(BLOCK, BLOCK_BYTES * outputs // (nbytes * ROWS) * ROWS))


def _pictures(x, reading):
    """Return {inside: picture}: x itself for windows inside the picture, a zero-padded copy for the others."""
    needed = {where.inside for where in reading.parts}
    return {inside: (threads.constant(x) if inside else places.padded(x, reading)).reshape(-1) for inside in needed}


def _remembered(w, where, turned, groups):
    """Return the cached panels of frozen filters; None for writeable filters, or if the cache is full."""
    inputs, outputs = w.shape[-2:][::-1] if turned else w.shape[-2:]
    # Only with all taps and one group do the panels depend on the filters alone.
    if w.flags.writeable or groups > 1 or len(where.taps) * inputs * outputs != w.size:
        return None
    width = columns(w.itemsize)
    count = _panels(outputs, width)
    shape = groups, count, len(where.taps) * inputs, width

    def pack(filters):
        panels = buffers.aligned(shape, w.dtype)  # long-lived, so outside the pool
        rows = threads.constant(filters).reshape(-1, *w.shape[-2:])
        threads.parallel(_pack, _numbered(groups, count), panels, (rows, where.taps, turned))
        return panels

    kind = "turned panels" if turned else "panels"
    return remember(w, pack, kind) if keeps(w, math.prod(shape) * w.itemsize, kind) else None


def _numbered(groups, count):
    """Return (group, number) of every panel."""
    return [(group, number) for group in range(groups) for number in range(count)]


def _panels(outputs, width):
    """Return the number of panels for `outputs` filters; the last one may be partly empty."""
    return -(-outputs // width)


@njit(nogil=True, cache=True)
def _scratch(count, like):
    """Return `count` uninitialized numbers, aligned to a cache line: a store across two lines takes twice as long."""
    line = 64 // like.itemsize
    room = np.empty(count + line, like.dtype)
    first = -room.ctypes.data % 64 // like.itemsize
    return room[first : first + count]


@njit(nogil=True, cache=True)
def _pack(group, number, panels, filters):
    """Pack one panel, and fill it up with zeros."""
    filters = Filters(*filters)
    groups, _, depth, width = panels.shape
    panel = panels[group, number]
    _, inputs, outputs = filters.numbers.shape
    outputs //= groups
    first, own = number * width, group * outputs
    inside = min(width, (inputs if filters.turned else outputs) - first)
    if inside < width:
        for k in range(depth):
            for j in range(inside, width):
                panel[k, j] = 0
    k = 0
    for tap in filters.taps:
        if filters.turned:
            for j in range(inside):
                source = filters.numbers[tap, first + j, own : own + outputs]
                for o in range(outputs):
                    panel[k + o, j] = source[o]
            k += outputs
        else:
            for c in range(inputs):
                row, source = panel[k], filters.numbers[tap, c, own + first : own + first + inside]
                for j in range(inside):
                    row[j] = source[j]
                k += 1


@njit(nogil=True, cache=True)
def _tabulate(first, count, lines, along, table):
    """Set table[i] to the place of output first + i for i < count, and further entries to that of the last one."""
    line, column = first // along.size, first % along.size
    for i in range(count):
        table[i] = lines[line] + along[column]
        column += 1
        if column == along.size and line < lines.size - 1:
            line, column = line + 1, 0
        column = min(column, along.size - 1)


@njit(nogil=True, cache=True)
def _forward_range(start, stop, first_panel, last_panel, panels, windows, results, block):
    """Compute outputs start … stop for some panels of filters, `block` outputs at a time."""
    windows, results = Windows(*windows), Results(*results)
    groups, count, taps, width = panels.shape
    flat, outputs = panels.reshape(-1), results.bias.size // groups
    picture, runs, depth = windows.picture, windows.runs, windows.depth
    y, bias, relu = results.y, results.bias, results.relu
    starts, targets = np.empty(block, np.intp), np.empty(block, np.intp)
    tile, rows, hanging = _scratch(ROWS * width, y), np.arange(ROWS) * width, _scratch(width, y)
    for first in range(start, stop, block):
        last = min(first + block, stop)
        first = min(first, max(last - ROWS, 0))  # the micro-kernel takes ROWS outputs; some are computed twice
        many = max(last - first, ROWS)
        _tabulate(first, many, windows.lines, windows.along, starts)
        _tabulate(first, many, results.lines, results.along, targets)
        for group in range(groups):
            for number in range(first_panel, last_panel):
                here = group * outputs + number * width
                inside = min(width, outputs - number * width)
                panel = (group * count + number) * taps * width
                if inside < width:
                    for j in range(width):
                        hanging[j] = bias[here + j] if j < inside else 0
                for i in range(0, many, ROWS):
                    at = min(i, many - ROWS)
                    a = group * windows.channels, at
                    if inside == width:
                        to = here, at
                        _multiply(
                            picture, a, starts, runs, depth, flat, (panel, 0, 0), bias, here, y, to, targets, relu
                        )
                        continue
                    _multiply(
                        picture, a, starts, runs, depth, flat, (panel, 0, 0), hanging, 0, tile, (0, 0), rows, relu
                    )
                    for row in range(ROWS):
                        to = targets[at + row] + here
                        for j in range(inside):
                            y[to + j] = tile[row * width + j]


@njit(nogil=True, cache=True)
def _panels_range(first_panel, last_panel, filters, panels, windows, results, block):
    """Compute all outputs for some panels of filters, which are packed on the fly, so that w is read only once."""
    lines, along = Windows(*windows).lines, Windows(*windows).along
    for number in range(first_panel, last_panel):
        for group in range(panels.shape[0]):
            _pack(group, number, panels, filters)
        _forward_range(0, lines.size * along.size, number, number + 1, panels, windows, results, block)


@njit(nogil=True, cache=True)
def _filters_range(start, stop, group, first_panel, last_panel, sums, windows, dy):
    """Compute Σ windowsᵀ dy over outputs start … stop for some panels of a group, a few taps of a panel at a time.

    sums: (runs, taps per run, columns of all panels), written to. dy: (outputs, groups, C_out / groups).
    """
    windows = Windows(*windows)
    width = PANEL // dy.itemsize
    _, whole, wide = sums.shape
    outputs, flat, runs = dy.shape[2], sums.reshape(-1), windows.runs
    cotangents = _scratch((last_panel - first_panel) * SUMMED * width, dy)
    starts = np.empty(SUMMED, np.intp)
    for first in range(start, stop, SUMMED):
        count = min(SUMMED, stop - first)
        _tabulate(first, count, windows.lines, windows.along, starts)
        for number in range(first_panel, last_panel):
            here = number * width
            inside = min(width, outputs - here)
            for i in range(count):
                at = ((number - first_panel) * SUMMED + i) * width
                row, source = cotangents[at : at + width], dy[first + i, group, here : here + inside]
                for j in range(inside):
                    row[j] = source[j]
                for j in range(inside, width):
                    row[j] = 0
        for r in range(runs.size):
            for tap in range(0, whole, TAPS):
                a = runs[r] + group * windows.channels + tap, 0
                for number in range(first_panel, last_panel):
                    b = (number - first_panel) * SUMMED * width, width
                    to = (r * whole + tap) * wide + number * width, wide
                    _multiply_taps(windows.picture, a, starts, cotangents, b, flat, to, count, first > start)


@njit(nogil=True, cache=True)
def _spread_range(start, stop, dy, panels, windows):
    """Add the gradients of outputs start … stop to the pixels of their windows."""
    windows = Windows(*windows)
    dx, runs, depth = windows.picture, windows.runs, windows.depth
    groups, count, outputs, width = panels.shape
    wide, flat, once, total = count * width, panels.reshape(-1), np.zeros(1, np.intp), dy.size // (groups * outputs)
    tile, rows, nothing = _scratch(ROWS * wide, dx), np.arange(ROWS) * wide, np.zeros(width, dx.dtype)
    starts, sources = np.empty(ROWS, np.intp), np.empty(ROWS, np.intp)
    for first in range(start, stop, ROWS):
        _tabulate(first, starts.size, windows.lines, windows.along, starts)
        for row in range(ROWS):
            sources[row] = min(first + row, total - 1) * groups * outputs
        for group in range(groups):
            for number in range(count):
                a, to = (group * outputs, 0), (number * width, 0)
                panel = (group * count + number) * outputs * width, 0, 0
                _multiply(dy, a, sources, once, outputs, flat, panel, nothing, 0, tile, to, rows, False)
            for row in range(min(ROWS, stop - first)):
                for r in range(runs.size):
                    to = starts[row] + runs[r] + group * windows.channels
                    target, source = dx[to : to + depth], tile[row * wide + r * depth : row * wide + (r + 1) * depth]
                    for k in range(depth):
                        target[k] += source[k]
