"""Convolution by a matrix product whose rows are read where they lie, compiled.

The im2col matrix repeats what is in the picture, 9 times for a 3×3 kernel. To write it costs as much as to multiply
it, even by blocks that stay in a cache. So it is never made. The micro-kernel forms 12 outputs at a time by a panel of
filters and keeps every sum in a register; it reads each number of 12 windows once and multiplies it at once by a whole
row of the panel. Whether those windows lie side by side, two pixels apart or in different lines is all the same to it:
a table says where they begin (places.py). Before it, filters are put into panels, in the order in which they are read.
"""

import math

import numpy as np
from numba import njit

from minicnn.fast.cpu import buffers, places, threads
from minicnn.fast.cpu.cache import keeps, remember
from minicnn.fast.cpu.micro_kernel import ROWS, columns, gathered_product, gathered_sum

MICRO_KERNEL = "a17fc3203444"  # its digest: an edit there has to show in the files that compile it into theirs
TAPS = 8  # taps of the filters whose gradient is formed at a time

BLOCK = 32 * ROWS  # outputs that go through a panel before the next is fetched,
BLOCK_BYTES = 1 << 19  # or fewer, so that what they read stays in the L2 cache, beside the panels
WORK = 1 << 22  # multiplications that are worth a thread's attention: about what it takes to wake one
LEAST = 4 * ROWS  # of a piece of work
SUMMED = 256  # outputs whose cotangents stand in panels at a time, for the gradient to the filters

_multiply, _multiply_taps = gathered_product(ROWS), gathered_sum(TAPS)


def conv(x, w, b, window, groups, relu=False):
    y = buffers.empty((x.shape[0], *window.output, w.shape[-1]), x.dtype)
    bias = np.zeros(w.shape[-1], x.dtype) if b is None else b.astype(x.dtype, copy=False)
    reading = places.of_outputs(window, x.shape, y.shape, groups)
    _convolve(x, reading, w, False, bias, groups, relu, y)
    return y


def conv_gradient_to_input(dy, w, spatial, window, groups):
    """It is itself a convolution, of the cotangent with the filters turned by 180° and their channels swapped; with
    a stride, one with a part of the taps for every remainder of the pixels' positions (places.py).
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
    picture = places.padded(x, reading, slack=where.depth % TAPS > 0)  # the last taps are formed with what lies behind
    rows = threads.constant(dy).reshape(-1, dy.shape[-1])
    # Each piece sums into its own slot, and the slots are added in order: the same bits for any number of threads.
    pieces = threads.split(len(rows), least=SUMMED, most=8)
    panels = _panels(outputs, width)
    share = panels if len(pieces) >= 4 else 1  # where outputs are few, threads share the panels, too
    numbered = [
        (slot, *piece, group, first, min(first + share, panels))
        for slot, piece in enumerate(pieces)
        for group in range(groups)
        for first in range(0, panels, share)
    ]
    whole = -(-where.depth // TAPS) * TAPS
    slots = buffers.empty((len(pieces), groups, len(where.runs), whole, panels * width), dy.dtype)
    common = picture.reshape(-1), *where.starts, where.runs, channels, rows, width, slots
    threads.parallel(_filters_range, numbered, *common)
    total = slots[0]
    if len(pieces) > 1:
        total = buffers.empty(slots.shape[1:], dy.dtype)
        bands = threads.split(total.size, least=1 << 15, most=64)
        threads.parallel(_add_slots, bands, slots.reshape(len(pieces), -1), total.reshape(-1))
    dw = np.moveaxis(total[:, :, : where.depth, :outputs], 0, 2)
    return dw.reshape(*window.size, channels, dy.shape[-1])


def _add_slots(start, stop, slots, total):
    """The sum of a part of every slot: so few numbers that they stay in the cache meanwhile."""
    total[start:stop] = slots[0, start:stop]
    for slot in slots[1:]:
        total[start:stop] += slot[start:stop]


def _spread(dy, w, spatial, window, groups):
    """The gradient to an input of few channels, which would leave the panels of the turned filters half empty: dy times
    the filters says what each output owes to each pixel that it saw, and that is added up where windows overlap.
    """
    channels, outputs, width = w.shape[-2], w.shape[-1], columns(dy.itemsize)
    reading = places.of_outputs(window, (len(dy), *spatial, groups * channels), dy.shape, groups, whole=True)
    (where,) = reading.parts
    around = map(sum, zip(reading.before, spatial, reading.after, strict=True))
    dx = np.zeros((len(dy), *around, groups * channels), dy.dtype)
    count = _panels(window.taps * channels, width)
    panels = buffers.empty((groups, count, outputs // groups, width), dy.dtype)
    numbers = _numbered(groups, count, threads.constant(np.zeros(1, np.intp)), panels)
    threads.parallel(_pack, numbers, threads.constant(w).reshape(1, -1, outputs), True)
    # Outputs whose windows overlap add to the same pixels. So they are cut into bands along one axis, in which the
    # windows of every other band lie apart: first the even bands are added, then the odd ones.
    axis = next((i for i, length in enumerate(window.output) if length > 1), 0)
    span = (window.size[axis] - 1) * window.dilation[axis] + 1
    bands = threads.split(window.output[axis], least=-(-span // window.stride[axis]), most=16 if len(dy) < 8 else 1)
    positions = math.prod(window.output)
    step = positions // window.output[axis]
    common = threads.constant(panels), *where.starts, where.runs, where.depth, channels, dx.reshape(-1)
    for every_other in (bands[::2], bands[1::2]):
        pieces = [(i * positions + a * step, i * positions + b * step) for i in range(len(dy)) for a, b in every_other]
        if pieces:
            threads.parallel(_spread_range, pieces, threads.constant(dy).reshape(-1), *common)
    inside = tuple(slice(b, b + length) for b, length in zip(reading.before, spatial, strict=True))
    return np.ascontiguousarray(dx[(slice(None), *inside)])


def _convolve(x, reading, w, turned, bias, groups, relu, y):
    """y from x. turned: the filters map outputs to inputs."""
    filters = threads.constant(w).reshape(-1, *w.shape[-2:])
    outputs, width = y.shape[-1] // groups, columns(y.itemsize)
    count = _panels(outputs, width)
    pictures = _pictures(x, reading)
    block = outputs_a_block(x.nbytes, sum(where.count for where in reading.parts))
    ranges, packing, shares = [], [], []
    packed: dict[bytes, np.ndarray] = {}  # by the taps
    for where in sorted(reading.parts, key=lambda where: -where.count):
        depth, taps = len(where.runs) * where.depth, where.taps.tobytes()
        known = packed[taps] if taps in packed else _remembered(w, where, turned, groups)
        panels = buffers.empty((groups, count, depth, width), y.dtype) if known is None else known
        tables = pictures[where.inside], *where.starts, *where.results, where.runs, panels
        worth = WORK // (max(depth, 1) * width)  # outputs of a panel that are worth a piece
        pieces = threads.split(where.count, least=max(LEAST, worth // (groups * count)), most=16)
        if len(pieces) >= 4 or taps in packed:
            ranges += [(*piece, 0, count, *tables) for piece in pieces]
            if known is None:
                packing += _numbered(groups, count, where.taps, panels)
            packed[taps] = panels  # for the borders, too, whose windows have the same taps
            continue
        # Few outputs: threads share the filters, and each packs its own.
        parts = threads.split(count, least=worth // (groups * where.count) + 1, most=16)
        if known is None:
            shares += [(*part, where.taps, *tables) for part in parts]
        else:
            ranges += [(0, where.count, *part, *tables) for part in parts]
    common = x.shape[-1] // groups, threads.constant(bias), outputs, block, relu, y.reshape(-1)
    if shares:
        threads.parallel(_panels_range, shares, filters, turned, *common)
    if packing:
        threads.parallel(_pack, packing, filters, turned)
    if ranges:
        threads.parallel(_forward_range, ranges, *common)


def outputs_a_block(nbytes, outputs):
    """How many go through a panel before the next is fetched, of an input of so many bytes."""
    return max(4 * ROWS, min(BLOCK, BLOCK_BYTES * outputs // (nbytes * ROWS) * ROWS))


def _pictures(x, reading):
    """What windows read: {True: x itself, by those inside; False: its copy with zeros around it, by the others}."""
    needed = {where.inside for where in reading.parts}
    return {inside: (threads.constant(x) if inside else places.padded(x, reading)).reshape(-1) for inside in needed}


def _remembered(w, where, turned, groups):
    """The panels of frozen filters; None for those that may change, and where the budget has no room for more."""
    inputs, outputs = w.shape[-2:][::-1] if turned else w.shape[-2:]
    # All taps, of one group: then nothing but the filters themselves decides what stands in the panels.
    if w.flags.writeable or groups > 1 or len(where.taps) * inputs * outputs != w.size:
        return None
    width = columns(w.itemsize)
    count = _panels(outputs, width)
    shape = groups, count, len(where.taps) * inputs, width

    def pack(filters):
        panels = buffers.aligned(shape, w.dtype)  # they stay long: not in the midst of what comes and goes
        rows = threads.constant(filters).reshape(-1, *w.shape[-2:])
        threads.parallel(_pack, _numbered(groups, count, where.taps, panels), rows, turned)
        return panels

    kind = "turned panels" if turned else "panels"
    return remember(w, pack, kind) if keeps(w, math.prod(shape) * w.itemsize, kind) else None


def _numbered(groups, count, taps, panels):
    """A piece of work for every panel."""
    return [(group, number, taps, panels) for group in range(groups) for number in range(count)]


def _panels(outputs, width):
    """How many panels hold so many filters; the last may hang over."""
    return -(-outputs // width)


@njit(nogil=True, cache=True)
def _scratch(count, like):
    """So many numbers, undefined, that begin at a cache line: to store across two lines takes twice as long."""
    line = 64 // like.itemsize
    room = np.empty(count + line, like.dtype)
    first = -room.ctypes.data % 64 // like.itemsize
    return room[first : first + count]


@njit(nogil=True, cache=True)
def _pack(group, number, taps, panels, filters, turned):
    """One panel of the filters (taps, C_in / groups, C_out): those taps, in that order; what hangs over is zero."""
    groups, _, depth, width = panels.shape
    panel = panels[group, number]
    _, inputs, outputs = filters.shape
    outputs //= groups
    first, own = number * width, group * outputs
    inside = min(width, (inputs if turned else outputs) - first)
    if inside < width:
        for k in range(depth):
            for j in range(inside, width):
                panel[k, j] = 0
    k = 0
    for tap in taps:
        if turned:
            for j in range(inside):
                source = filters[tap, first + j, own : own + outputs]
                for o in range(outputs):
                    panel[k + o, j] = source[o]
            k += outputs
        else:
            for c in range(inputs):
                row, source = panel[k], filters[tap, c, own + first : own + first + inside]
                for j in range(inside):
                    row[j] = source[j]
                k += 1


@njit(nogil=True, cache=True)
def _tabulate(first, count, lines, along, table):
    """table[i] = the place of output first + i, for so many; the last one again where there are no more."""
    line, column = first // along.size, first % along.size
    for i in range(count):
        table[i] = lines[line] + along[column]
        column += 1
        if column == along.size and line < lines.size - 1:
            line, column = line + 1, 0
        column = min(column, along.size - 1)


@njit(nogil=True, cache=True)
def _forward_range(
    start,
    stop,
    first_panel,
    last_panel,
    picture,
    lines,
    along,
    result_lines,
    result_along,
    runs,
    panels,
    channels,
    bias,
    outputs,
    block,
    relu,
    y,
):
    """The outputs start … stop of some panels of filters."""
    groups, count, taps, width = panels.shape
    flat, depth = panels.reshape(-1), taps // max(runs.size, 1)
    starts, results = np.empty(block, np.intp), np.empty(block, np.intp)
    tile, rows, hanging = _scratch(ROWS * width, y), np.arange(ROWS) * width, _scratch(width, y)
    for first in range(start, stop, block):
        last = min(first + block, stop)
        first = min(first, max(last - ROWS, 0))  # the micro-kernel takes so many; some outputs are formed twice
        many = max(last - first, ROWS)
        _tabulate(first, many, lines, along, starts)
        _tabulate(first, many, result_lines, result_along, results)
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
                    a = group * channels, at
                    if inside == width:
                        to = here, at
                        _multiply(picture, a, starts, runs, depth, flat, panel, bias, here, y, to, results, relu)
                        continue
                    _multiply(picture, a, starts, runs, depth, flat, panel, hanging, 0, tile, (0, 0), rows, relu)
                    for row in range(ROWS):
                        to = results[at + row] + here
                        for j in range(inside):
                            y[to + j] = tile[row * width + j]


@njit(nogil=True, cache=True)
def _panels_range(
    first_panel,
    last_panel,
    taps,
    picture,
    lines,
    along,
    result_lines,
    result_along,
    runs,
    panels,
    filters,
    turned,
    channels,
    bias,
    outputs,
    block,
    relu,
    y,
):
    """All outputs of some panels of filters, which are packed where they are needed: each is read once from memory."""
    for number in range(first_panel, last_panel):
        for group in range(panels.shape[0]):
            _pack(group, number, taps, panels, filters, turned)
        where = lines, along, result_lines, result_along, runs
        _forward_range(
            0,
            lines.size * along.size,
            number,
            number + 1,
            picture,
            *where,
            panels,
            channels,
            bias,
            outputs,
            block,
            relu,
            y,
        )


@njit(nogil=True, cache=True)
def _filters_range(
    slot, start, stop, group, first_panel, last_panel, picture, lines, along, runs, channels, dy, width, slots
):
    """Σ windowsᵀ dy over the outputs start … stop, a few taps by a panel of filters at a time."""
    _, groups, _, whole, wide = slots.shape
    outputs, sums = dy.shape[1] // groups, slots.reshape(-1)
    cotangents = _scratch((last_panel - first_panel) * SUMMED * width, dy)
    starts = np.empty(SUMMED, np.intp)
    base = (slot * groups + group) * runs.size * whole * wide
    for first in range(start, stop, SUMMED):
        count = min(SUMMED, stop - first)
        _tabulate(first, count, lines, along, starts)
        for number in range(first_panel, last_panel):
            inside = min(width, outputs - number * width)
            here = group * outputs + number * width
            for i in range(count):
                at = ((number - first_panel) * SUMMED + i) * width
                row, source = cotangents[at : at + width], dy[first + i, here : here + inside]
                for j in range(inside):
                    row[j] = source[j]
                for j in range(inside, width):
                    row[j] = 0
        for r in range(runs.size):
            for tap in range(0, whole, TAPS):
                a = runs[r] + group * channels + tap, 0
                for number in range(first_panel, last_panel):
                    b = (number - first_panel) * SUMMED * width, width
                    to = base + (r * whole + tap) * wide + number * width, wide
                    _multiply_taps(picture, a, starts, cotangents, b, sums, to, count, first > start)


@njit(nogil=True, cache=True)
def _spread_range(start, stop, dy, panels, lines, along, runs, depth, channels, dx):
    """What the outputs start … stop owe to the pixels that they saw, added to dx."""
    groups, count, outputs, width = panels.shape
    wide, flat, once, total = count * width, panels.reshape(-1), np.zeros(1, np.intp), dy.size // (groups * outputs)
    tile, rows, nothing = _scratch(ROWS * wide, dx), np.arange(ROWS) * wide, np.zeros(width, dx.dtype)
    starts, sources = np.empty(ROWS, np.intp), np.empty(ROWS, np.intp)
    for first in range(start, stop, ROWS):
        _tabulate(first, starts.size, lines, along, starts)
        for row in range(ROWS):
            sources[row] = min(first + row, total - 1) * groups * outputs
        for group in range(groups):
            for number in range(count):
                a, panel, to = (group * outputs, 0), (group * count + number) * outputs * width, (number * width, 0)
                _multiply(dy, a, sources, once, outputs, flat, panel, nothing, 0, tile, to, rows, False)
            for row in range(min(ROWS, stop - first)):
                for r in range(runs.size):
                    to = starts[row] + runs[r] + group * channels
                    target, source = dx[to : to + depth], tile[row * wide + r * depth : row * wide + (r + 1) * depth]
                    for k in range(depth):
                        target[k] += source[k]
