"""Compiled minimal filtering by Winograd: plain, and fused with ReLU and average pooling of 2×2 outputs. Inner loops
run over channels, which are contiguous.

Tiles are numbered in row-major order. A block of them passes through all stages before the next one:

    rows of x -> window --Bᵀ down--> half --Bᵀ across--> V --U--> M --Aᵀ across--> half --Aᵀ down--> rows of y

Transforms read and write whole rows of six or four arrays, so that they vectorize.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from minicnn.fast.cpu import blas, buffers, threads
from minicnn.fast.cpu.micro_kernel import ROWS, columns, line_transform, row_product, square_transposition, weighted_sum
from minicnn.fast.cpu.processor import cache_bytes
from minicnn.fast.cpu.winograd import A_T, B_T, G, tiles_along
from minicnn.fast.cpu.winograd.filters import keeps_transform, transform_back, transformed

MICRO_KERNEL = "cd2d28bb46fc"  # its digest, so that an edit of it changes this file, too
_input_transform, _output_transform, _cotangent_transform = (line_transform(m) for m in (B_T, A_T, A_T.T))
REST = ROWS // 3  # rows per product if fewer than ROWS are left
_multiply, _multiply_rest, _weigh = row_product(ROWS), row_product(REST), weighted_sum(3)
_transpose = square_transposition()
_copy, _quarter = line_transform([[1]]), line_transform([[0.25]])

CACHE = cache_bytes(2)  # for V and M of a thread's own block, and a quarter of U
SHARED = min(cache_bytes(3), 64 << 20)  # for V and M of a block that all threads share
STRIP = 1 << 13  # bytes per row of a strip of tiles, which reads six rows
FEW = 256  # tiles below which transforming a large U takes noticeable time
TOGETHER = 4  # panels of U per rows of V, which stay in the cache
DEEP = 256  # products per partial sum, which reduces the rounding error
LINE = 16  # floats per cache line; row padding of V, so that its 36 rows do not map to the same cache set
# Eight bytes of 0 or 1 per byte of ReLU's bits.
_SPREAD = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").reshape(-1).view(np.uint64)
_NO_MARKS = np.zeros((0, 0, 0, 0), np.uint8)
_ALL_ACTIVE = threads.constant(_NO_MARKS)


# Arguments of the kernels. Python passes them as plain tuples, because Numba takes 0.5 µs longer to recognize a
# NamedTuple; inside the kernels the fields have names, at no cost.


class Source(NamedTuple):
    """The source of V: a picture x (N, H, W, C) with `before` zeros above and to the left, in tiles.

    spatial: the picture's (height, width). pooled: x is the cotangent of its 2×2 means, half as high and wide.
    active: ReLU's bits (N, *spatial, C / 8); an inactive element is read as zero. Empty without ReLU.
    mirrored: True if tiles are rotated by 180°.
    """

    x: np.ndarray
    before: tuple[int, int]
    spatial: tuple[int, int]
    pooled: bool
    active: np.ndarray
    mirrored: bool


class Target(NamedTuple):
    """The target of M: a picture y (N, H, W, C_out), whose (height, width) before pooling is `output`.

    bias: (C_out,). relu: True to clamp at zero, and record positive elements in the bits of marks (N, *output,
    C_out / 8). pool: True if y holds H × W means of 2×2 outputs. mirrored: True if tiles are rotated by 180°.
    """

    y: np.ndarray
    output: tuple[int, int]
    bias: np.ndarray
    relu: bool
    marks: np.ndarray
    pool: bool
    mirrored: bool


class Products(NamedTuple):
    """The products M[ξ] = V[ξ] U[ξ]. V[ξ] (tiles, depth) and M[ξ] (tiles, wide) are flat.

    U[ξ] is in panels of `width` columns. wide: number of columns of all panels.
    """

    V: np.ndarray
    M: np.ndarray
    tiles: int
    depth: int
    wide: int
    width: int


# --- the plain convolution: its definition's signatures and results --------------------------------------------


def forward(x, w, b, before, output):
    y, _ = fused_forward(x, w, b, before, output, False, False)
    return y


def gradient_to_input(dy, w, before, spatial):
    return fused_gradient_to_input(dy, w, before, spatial, dy.shape[1:3], None, False)


def gradient_to_filters(dy, x, before):
    """Return the gradient to the filters: dM = A dY Aᵀ, dU = Vᵀ dM, dg = Gᵀ dU G."""
    x, dy = threads.constant(x), threads.constant(dy)
    (n, *output, outputs), channels = dy.shape, x.shape[-1]
    grid = tuple(tiles_along(length) for length in output)
    count = n * grid[0] * grid[1]
    block = _even(count, 2 * SHARED // (36 * x.itemsize * (channels + outputs)))
    V, dM = (buffers.empty((36, block * c + LINE), x.dtype) for c in (channels, outputs))
    dU = buffers.empty((36, channels, outputs), x.dtype)
    source = x, before, x.shape[1:3], False, _ALL_ACTIVE, False
    for first in range(0, count, block):
        stop = min(first + block, count)
        pieces = _pieces(first, stop, 4)
        threads.parallel(_input_range, pieces, first, source, V, grid)
        threads.parallel(_cotangent_range, pieces, first, dy, dM, grid)
        blas.parallel_with_blas(_filters_range, _pieces(0, 36, 1, most=36), V, dM, dU, stop - first, first > 0)
    return transform_back(dU)


# --- the fused convolution: with ReLU, and with the mean of 2×2 outputs ----------------------------------------


def fused_forward(x, w, b, before, output, relu, pool):
    """Return y and ReLU's marks.

    output: (height, width) before pooling. pool: y holds the means of 2×2 outputs.
    marks: the positive outputs, as bits (N, *output, C_out / 8); None without relu.
    """
    n, channels = len(x), w.shape[-1]
    shown = tuple(length // 2 for length in output) if pool else output
    y = buffers.empty((n, *shown, channels), x.dtype)
    marks = buffers.empty((n, *output, -(-channels // 8)), np.uint8) if relu else _NO_MARKS
    bias = np.zeros(channels, x.dtype) if b is None else b.astype(x.dtype, copy=False)
    source = Source(threads.constant(x), before, x.shape[1:3], False, _ALL_ACTIVE, False)
    _convolve(source, w, Target(y, output, threads.constant(bias), relu, marks, pool, False))
    return y, marks if relu else None


def fused_gradient_to_input(dy, w, before, spatial, output, active, pool):
    """Return dx, the convolution of dy with filters rotated by 180° and channels swapped.

    Tiles are mirrored as they are read and written, and U is transposed.

    output: (height, width) before pooling. active: ReLU's marks, or None. pool: dy is the cotangent of the means.
    """
    dx = buffers.empty((len(dy), *spatial, w.shape[-2]), dy.dtype)
    bias = np.zeros(w.shape[-2], dy.dtype)
    padding = tuple(2 - first for first in before)
    active = _ALL_ACTIVE if active is None else threads.constant(active)
    source = Source(threads.constant(dy), padding, output, pool, active, True)
    _convolve(source, w, Target(dx, spatial, threads.constant(bias), False, _NO_MARKS, False, True))
    return dx


def _convolve(source, w, target):
    """Process blocks of tiles from source to target.

    If all of U fits into the cache next to a block, each block is processed by one thread. Otherwise all threads share
    a block, in three steps. U is then computed on the fly, a few panels at a time. If the filters are frozen and
    tiles are few, it comes from the cache of results.
    """
    x, turned = source.x, source.mirrored
    channels, outputs, width = x.shape[-1], target.y.shape[-1], columns(x.itemsize)
    wide = -(-outputs // width) * width  # the last panel of U, and so of M, may be partly empty
    grid = tuple(tiles_along(length) for length in target.output)
    count = len(x) * grid[0] * grid[1]
    bytes_of_tile = 36 * x.itemsize * (channels + wide)
    source, target = tuple(source), tuple(target)
    if 36 * channels * wide * x.itemsize <= 4 * CACHE:
        U = threads.constant(transformed(w))
        if turned:
            U = _turn(U, channels, wide)
        block = _even(count, min(CACHE // bytes_of_tile, -(-count // 8)))
        threads.parallel(_whole_range, _pieces(0, count, block), block, source, U, target, grid)
        return
    block = _even(count, SHARED // bytes_of_tile)
    V, M = (buffers.empty((36, block * c + LINE), x.dtype) for c in (channels, wide))
    if known := count <= FEW and keeps_transform(w):
        pieces_of_U = _pieces(0, 36, 1, most=36)
        factors = threads.constant(transformed(w)), turned
    else:
        pieces_of_U = [(i, number) for i in range(6) for number in range(0, wide // width, TOGETHER)]
        filters = threads.constant(w).reshape(9, *w.shape[2:])
        factors = _swap(filters) if turned else filters, G.astype(x.dtype)
    for first in range(0, count, block):
        stop = min(first + block, count)
        pieces = _pieces(first, stop, 4)
        threads.parallel(_input_range, pieces, first, source, V, grid)
        V[:, (stop - first) * channels :] = 0  # uninitialized denormal numbers would be slow
        products = V, M, stop - first, channels, wide, width
        threads.parallel(_known_range if known else _panels_range, pieces_of_U, *factors, products)
        threads.parallel(_output_range, pieces, first, M, wide, target, grid)


def _even(count, most):
    """Return the size of equal blocks of at most about `most` tiles, a multiple of the micro-kernel's rows."""
    blocks = -(-count // max(most, 2 * ROWS))
    return _rows(-(-count // blocks))


def _rows(count):
    """Round a count of tiles up to a multiple of ROWS."""
    return -(-count // ROWS) * ROWS


def _swap(filters):
    """Return filters (9, C_in, C_out) with their channels swapped."""
    taps, channels, outputs = filters.shape
    swapped = buffers.empty((taps, outputs, channels), filters.dtype)
    threads.parallel(_swap_range, [(i, i + 1) for i in range(taps)], filters, swapped)
    return threads.constant(swapped)


def _turn(U, channels, wide):
    """Return U[ξ]ᵀ in panels."""
    panel = U.shape[-1]
    turned = buffers.empty((36, wide // panel, channels, panel), U.dtype)
    threads.parallel(_turn_range, _pieces(0, 36, 4), U, turned)
    return threads.constant(turned)


def _pieces(first, stop, unit, most=16):
    """Split range(first, stop) into pieces of whole units."""
    units = -(-(stop - first) // unit)
    return [(first + a * unit, min(first + b * unit, stop)) for a, b in threads.split(units, most=most)]


@njit(nogil=True, cache=True)
def _scratch(count, like):
    """Return `count` uninitialized numbers, aligned to a cache line: a store across two lines takes twice as long."""
    line = 64 // like.itemsize
    room = np.empty(count + line, like.dtype)
    first = -room.ctypes.data % 64 // like.itemsize
    return room[first : first + count]


@njit(nogil=True, cache=True)
def _whole_range(start, stop, block, source, U, target, grid):
    """Process tiles start … stop through all stages, `block` at a time."""
    x = Source(*source).x
    _, panels, channels, width = U.shape
    wide = panels * width
    V = _scratch(36 * (block * channels + LINE), x).reshape(36, -1)
    M = _scratch(36 * (block * wide + LINE), x).reshape(36, -1)
    for first in range(start, stop, block):
        last = min(first + block, stop)
        _input_range(first, last, first, source, V, grid)
        _multiply_all(U, (V, M, last - first, channels, wide, width))
        _output_range(first, last, first, M, wide, target, grid)


@njit(nogil=True, cache=True)
def _multiply_all(U, products):
    """Compute M, one panel of U at a time, which stays in the L1 cache for all rows of V."""
    p = Products(*products)
    for element in range(36):
        p.V[element, p.tiles * p.depth :] = 0  # uninitialized denormal numbers would be slow
        for number in range(p.wide // p.width):
            _multiply_panel(element, number, U[element, number].reshape(-1), products)


@njit(nogil=True, cache=True)
def _multiply_panel(element, number, panel, products):
    """Compute the columns of M[ξ] for one panel of U[ξ]."""
    p = Products(*products)
    V, M, count, depth, width, wide = p.V[element], p.M[element], p.tiles, p.depth, p.width, p.wide
    at = number * width
    full = count // ROWS * ROWS
    for near in range(0, depth, DEEP):
        deep = min(DEEP, depth - near)
        there, add = (near * width, width), near > 0
        for first in range(0, full, ROWS):
            _multiply(V, (first * depth + near, depth, 1), panel, there, M, (first * wide + at, wide), deep, add)
        for first in range(full, count, REST):
            _multiply_rest(V, (first * depth + near, depth, 1), panel, there, M, (first * wide + at, wide), deep, add)


@njit(nogil=True, cache=True)
def _known_range(start, stop, U, turned, products):
    """Compute M[ξ] for ξ from start to stop, with U[ξ] or its transpose."""
    p = Products(*products)
    panel = _scratch(p.depth * p.width, p.V)
    for element in range(start, stop):
        for number in range(p.wide // p.width):
            if turned:
                _turn_panel(U[element], number, panel, p.depth)
                _multiply_panel(element, number, panel, products)
            else:
                _multiply_panel(element, number, U[element, number].reshape(-1), products)


@njit(nogil=True, cache=True)
def _panels_range(i, number, filters, weights, products):
    """Compute M[ξ] for the six ξ of row i and a few panels from `number` on. weights: G.

    Their U = G g Gᵀ is temporary. First the three taps of G g for row i, then their product with Gᵀ, one ξ at a time.
    """
    p = Products(*products)
    depth, width = p.depth, p.width
    outputs = filters.shape[2]
    last = min(number + TOGETHER, p.wide // width)
    size = depth * width
    half, panel = _scratch((last - number) * 3 * size, p.V), _scratch(size, p.V)
    half[:] = 0
    taps = filters.reshape(-1)
    row_of_taps = 3 * depth * outputs
    factors = weights[i, 0], weights[i, 1], weights[i, 2]
    for k in range(number, last):
        inside = min(width, outputs - k * width)
        for tap in range(3):
            for c in range(depth):
                a = (tap * depth + c) * outputs + k * width
                to = ((k - number) * 3 + tap) * size + c * width
                _weigh(taps, (a, a + row_of_taps, a + 2 * row_of_taps), factors, half, to, inside)
    for j in range(6):
        factors = weights[j, 0], weights[j, 1], weights[j, 2]
        for k in range(number, last):
            a = (k - number) * 3 * size
            _weigh(half, (a, a + size, a + 2 * size), factors, panel, 0, size)
            _multiply_panel(6 * i + j, k, panel, products)


@njit(nogil=True, cache=True)
def _swap_range(start, stop, filters, swapped):
    """Swap the channels in square blocks, so that reads and writes stay in the cache."""
    side = 32
    for tap in range(start, stop):
        a, b = filters[tap], swapped[tap]
        for top in range(0, a.shape[0], side):
            for left in range(0, a.shape[1], side):
                for j in range(left, min(left + side, a.shape[1])):
                    row = b[j]
                    for i in range(top, min(top + side, a.shape[0])):
                        row[i] = a[i, j]


@njit(nogil=True, cache=True)
def _turn_range(start, stop, U, turned):
    """Transpose the panels of U[ξ] for ξ from start to stop."""
    depth = turned.shape[2]
    for element in range(start, stop):
        for number in range(turned.shape[1]):
            _turn_panel(U[element], number, turned[element, number].reshape(-1), depth)


@njit(nogil=True, cache=True)
def _turn_panel(U, number, panel, depth):
    """Set panel[k, j] to U[j of this panel, k] for k in range(depth). U is in panels: (panels, C_in, width).

    Channels are multiples of a line, so squares of a line's width cover both dimensions.
    """
    _, channels, width = U.shape
    source, side = U.reshape(-1), 64 // U.itemsize
    first = number * width
    if first + width > channels:  # the last panel is partly empty
        panel[:] = 0
    for k in range(0, depth, side):
        square = (k // width * channels + first) * width + k % width
        for j in range(0, min(width, channels - first), side):
            _transpose(source, square + j * width, width, panel, k * width + j, width)


@njit(nogil=True, cache=True)
def _filters_range(start, stop, V, dM, dU, count, add):
    """Compute dU[ξ] = V[ξ]ᵀ dM[ξ], and add it to the sum of earlier blocks, if any."""
    channels, outputs = dU.shape[1:]
    product = np.empty((channels, outputs), dU.dtype)
    for element in range(start, stop):
        rows = V[element, : count * channels].reshape(count, channels)
        cotangent = dM[element, : count * outputs].reshape(count, outputs)
        if add:
            np.dot(rows.T, cotangent, product)
            for c in range(channels):  # += of a slice takes seconds to compile
                for o in range(outputs):
                    dU[element, c, o] += product[c, o]
        else:
            np.dot(rows.T, cotangent, dU[element])


# --- from pixels to V ------------------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def _strip(channels, itemsize):
    """Return the number of adjacent tiles that are transformed together."""
    return max(2, STRIP // (4 * channels * itemsize))


@njit(nogil=True, cache=True)
def _input_range(start, stop, base, source, V, grid):
    """Compute V of tiles start … stop. base: tile of the first column of V."""
    picture = Source(*source)
    x, before, mirrored = picture.x, picture.before, picture.mirrored
    channels = x.shape[3]
    widest = min(_strip(channels, x.itemsize), grid[1])
    length = 4 * (widest + 1) * channels
    window, half = _scratch(6 * length, x), _scratch(6 * length, x)
    window[:] = 0
    flags = np.zeros(length if picture.active.size else 0, np.uint8)
    pixels, target, step = x.reshape(-1), V.reshape(-1), V.shape[1]
    rows = _from(0, length, mirrored)
    tile = start
    while tile < stop:
        row, column = tile // grid[1], tile % grid[1]
        across = min(widest, grid[1] - column, stop - tile)
        top, left = 4 * (row % grid[0]) - before[0], 4 * column - before[1]
        for i in range(6):
            line = window[i * length : (i + 1) * length]
            _read_row(line, flags, source, pixels, row // grid[0], top + i, left, across)
        phase = (across + 1) * channels
        _input_transform(window, rows, half, 0, length, 4 * phase)
        for k in range(6):
            # Columns 0 … 3 of all tiles are stored in sequence; 4 and 5 are 0 and 1 of the next tile.
            first, next_tile = k * length, k * length + channels
            places = (first, first + phase, first + 2 * phase, first + 3 * phase, next_tile, next_tile + phase)
            if mirrored:
                places = places[::-1]
            to = 6 * k * step + (tile - base) * channels
            _input_transform(half, places, target, to, step, across * channels)
        tile += across


@njit(nogil=True, cache=True)
def _from(first, step, backwards):
    """Return six positions, `step` apart."""
    if backwards:
        first, step = first + 5 * step, -step
    return (first, first + step, first + 2 * step, first + 3 * step, first + 4 * step, first + 5 * step)


@njit(nogil=True, cache=True)
def _read_row(target, flags, source, pixels, n, h, left, across):
    """Read one row of pixels for a strip of tiles: the first column of every tile, then the second, to the fourth.

    Pixels outside are zero, a pooled cotangent is spread over its windows, and inactive elements are zero. pixels: the
    x of the source, flat.
    """
    source = Source(*source)
    spatial, pooled, active = source.spatial, source.pooled, source.active
    _, height, width, channels = source.x.shape
    nothing = target.dtype.type(0)
    # The pixels in pooling windows, which exclude the last of an odd number of rows or columns.
    rows, limit = (min(2 * height, spatial[0]), min(2 * width, spatial[1])) if pooled else (height, width)
    first, last = max(left, 0), min(left + 4 * across + 2, limit)
    if h < 0 or h >= rows or first >= last:
        target[: 4 * (across + 1) * channels] = 0
        return
    for column in range(4 * across + 2):
        at = ((column % 4) * (across + 1) + column // 4) * channels
        w = left + column
        if w < first or w >= last:
            target[at : at + channels] = 0
        elif pooled:
            _quarter(pixels, (((n * height + h // 2) * width + w // 2) * channels,), target, at, 0, channels)
        else:
            _copy(pixels, (((n * height + h) * width + w) * channels,), target, at, 0, channels)
    if active.size:
        words = flags.view(np.uint64)
        for column in range(first - left, last - left):
            at = ((column % 4) * (across + 1) + column // 4) * (channels // 8)
            bits, eights = active[n, h, left + column], words[at : at + channels // 8]
            for g in range(eights.size):
                eights[g] = _SPREAD[bits[g]]
        for c in range(4 * (across + 1) * channels):
            target[c] = target[c] if flags[c] else nothing  # not a product, which would propagate NaN


# --- from M to pixels ------------------------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def _output_range(start, stop, base, M, wide, target, grid):
    """Compute the outputs of tiles start … stop: Aᵀ M A, bias, ReLU with its bits, and 2×2 means."""
    target = Target(*target)
    y, output, bias, relu = target.y, target.output, target.bias, target.relu
    widest = min(_strip(wide, M.itemsize), grid[1])
    length = widest * wide
    half, whole = _scratch(24 * length, M), _scratch(16 * length, M)
    products, row_of_products = M.reshape(-1), M.shape[1]
    flags = np.empty(widest * wide if relu else 0, np.uint8)
    biases = _scratch(widest * wide, M)
    biases[:] = 0
    for t in range(widest):
        for c in range(bias.size):  # a loop, because an array assignment takes Numba four seconds to compile
            biases[t * wide + c] = bias[c]
    tile = start
    while tile < stop:
        row, column = tile // grid[1], tile % grid[1]
        across = min(widest, grid[1] - column, stop - tile)
        run = across * wide
        for k in range(6):
            places = _from(6 * k * row_of_products + (tile - base) * wide, row_of_products, False)
            _down_or_up(products, places, half, k * length, 6 * length, run, target.mirrored)
        for q in range(4):
            places = _from(6 * q * length, length, False)
            _down_or_up(half, places, whole, q * length, 4 * length, run, target.mirrored)
        n, top, left = row // grid[0], 4 * (row % grid[0]), 4 * column
        for p in range(min(4, output[0] - top)):
            for q in range(4):
                at = (4 * p + q) * length
                pixels = whole[at : at + run]
                _finish(pixels, biases, relu, flags)
                if relu:
                    _pack(flags[:run], target.marks[n, top + p], left + q, wide)
                if not target.pool:
                    _scatter(pixels, y, n, top + p, left + q, wide)
        if target.pool:
            _write_means(whole.reshape(16, length), y, n, top // 2, left // 2, across, wide)
        tile += across


@njit(nogil=True, cache=True)
def _down_or_up(m, places, y, first, step, run, mirrored):
    """Write the four lines of Aᵀ m, top down or mirrored."""
    if mirrored:
        first, step = first + 3 * step, -step
    _output_transform(m, places, y, first, step, run)


@njit(nogil=True, cache=True)
def _finish(pixels, biases, relu, flags):
    """Add the bias. With relu, flag positive elements and clamp the others at zero."""
    zero = pixels.dtype.type(0)
    for c in range(pixels.size):
        pixels[c] += biases[c]
    if relu:
        for c in range(pixels.size):
            flags[c] = pixels[c] > zero
            pixels[c] = zero if pixels[c] < zero else pixels[c]  # propagates NaN


@njit(nogil=True, cache=True)
def _pack(flags, bits, left, wide):
    """Write one bit per byte of 0 or 1, at every fourth pixel of a row from `left` on.

    The product moves byte k of eight to bit k of the highest byte.
    """
    eights = flags.view(np.uint64)
    for w in range(left, bits.shape[0], 4):
        first = (w - left) // 4 * (wide // 8)
        if first >= eights.size:
            break
        pixel, eight = bits[w], eights[first : first + bits.shape[1]]
        for g in range(eight.size):
            pixel[g] = (eight[g] * np.uint64(0x0102040810204080)) >> np.uint64(56)


@njit(nogil=True, cache=True)
def _scatter(pixels, y, n, h, left, wide):
    """Write one pixel per tile to every fourth pixel of a row from `left` on."""
    _, height, width, channels = y.shape
    target = y.reshape(-1)
    for i in range(min(pixels.size // wide, (width - left + 3) // 4)):
        to = ((n * height + h) * width + left + 4 * i) * channels
        if channels == wide:
            _copy(pixels, (i * wide,), target, to, 0, channels)
        else:
            for c in range(channels):
                target[to + c] = pixels[i * wide + c]


@njit(nogil=True, cache=True)
def _write_means(whole, y, n, top, left, across, wide):
    """Write the means of the 2×2 windows of each tile."""
    _, height, width, channels = y.shape
    quarter = y.dtype.type(0.25)
    for p in range(min(2, height - top)):
        for w in range(left, min(left + 2 * across, width)):
            first, at = 8 * p + 2 * ((w - left) % 2), (w - left) // 2 * wide
            end = at + channels
            a, b = whole[first][at:end], whole[first + 1][at:end]
            c, d = whole[first + 4][at:end], whole[first + 5][at:end]
            target = y[n, top + p, w]
            for i in range(target.size):
                target[i] = (a[i] + b[i] + c[i] + d[i]) * quarter


# --- from the cotangent's pixels to dM -------------------------------------------------------------------------


@njit(nogil=True, cache=True)
def _cotangent_range(start, stop, base, dy, dM, grid):
    """Compute dM = A dY Aᵀ of tiles start … stop."""
    _, height, width, channels = dy.shape
    widest = min(_strip(channels, dy.itemsize), grid[1])
    length = widest * channels
    window, half = _scratch(16 * length, dy).reshape(16, length), _scratch(24 * length, dy)
    pixels, target, step = window.reshape(-1), dM.reshape(-1), dM.shape[1]
    tile = start
    while tile < stop:
        row, column = tile // grid[1], tile % grid[1]
        across = min(widest, grid[1] - column, stop - tile)
        run = across * channels
        n, top = row // grid[0], 4 * (row % grid[0])
        for i in range(16):
            h = top + i // 4
            for t in range(across):
                w = 4 * (column + t) + i % 4
                pixel = window[i, t * channels : (t + 1) * channels]
                if h < height and w < width:
                    source = dy[n, h, w]
                    for c in range(pixel.size):
                        pixel[c] = source[c]
                else:
                    pixel[:] = 0
        for i in range(4):
            a = 4 * i * length
            places = (a, a + length, a + 2 * length, a + 3 * length)
            _cotangent_transform(pixels, places, half, i * length, 4 * length, run)
        for k in range(6):
            a = 4 * k * length
            places = (a, a + length, a + 2 * length, a + 3 * length)
            to = k * step + (tile - base) * channels
            _cotangent_transform(half, places, target, to, 6 * step, run)
        tile += across
