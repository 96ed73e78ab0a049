"""Compiled programs. Each available thread joins in and takes pieces of the current step, then of the next.

A thread that waits for others spins: they finish within microseconds, and sleeping and waking takes longer than most
steps. No thread depends on others to join: a single thread can run the whole program, and those that come late find
nothing left to do.
"""

import platform
import time
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from minicnn.fast.cpu import program, threads
from minicnn.fast.cpu.micro_kernel import (
    FEW,
    REGISTER,
    ROWS,
    columns,
    gathered_largest,
    gathered_product,
    gathered_product_upon,
    line_transform,
)
from minicnn.fast.cpu.processor import cache_bytes
from minicnn.fast.cpu.winograd import A_T, B_T

MICRO_KERNEL = "cd2d28bb46fc"  # its digest, so that an edit of it changes this file, too
# Repeated here, because Numba's cache does not notice edits of other files.
CONVOLVE, LARGEST, MEAN, LENGTH, INTO_TILES, OUT_OF_TILES = 0, 1, 2, 3, 4, 5
assert (CONVOLVE, LARGEST, MEAN, LENGTH) == (program.CONVOLVE, program.LARGEST, program.MEAN, program.LENGTH)
assert (INTO_TILES, OUT_OF_TILES) == (program.INTO_TILES, program.OUT_OF_TILES)
PANEL = columns(1)  # bytes per row of a panel
TAKEN = REGISTER  # bytes per step of pooling
BLOCK = 16 * ROWS  # outputs per panel before the next one is fetched
AHEAD = cache_bytes(2) // 2  # prefetch distance in bytes
PATIENCE = 1 << 14  # polls before a waiting thread yields its core
STAY = 1 << 16  # polls before a helper leaves, after one to four milliseconds
X86 = platform.machine().lower() in ("x86_64", "amd64")

_multiply, _multiply_upon = gathered_product(ROWS), gathered_product_upon(ROWS)
_multiply_few, _multiply_few_upon = gathered_product(FEW), gathered_product_upon(FEW)
_into, _out = line_transform(B_T), line_transform(A_T)
_largest = gathered_largest()


class Places(NamedTuple):
    """The position in the arena for output (n, i, j): first + n · image + i · line + j · column."""

    first: int
    image: int
    line: int
    column: int


def width(dtype):
    return columns(np.dtype(dtype).itemsize)


def run(steps, numbers, arena, count=None):
    """Run the steps with `count` threads (default: all)."""
    count = count or threads.threads()
    begun, done = np.zeros(count * len(steps), np.int64), np.zeros(len(steps), np.int64)
    job = threads.constant(steps), threads.constant(numbers), arena, begun, done
    errors = _crew.post(job, count - 1)
    try:
        _join(0, *job, errors)
    finally:
        _crew.withdraw(errors)


def _join(number, steps, numbers, arena, begun, done, errors=()):
    """Run pieces until all are done. errors: a list, to which another thread appends what it raises."""
    at = 0
    while (at := _run_from(at, number, steps, numbers, arena, begun, done, _crew.bell)) <= len(steps):
        for error in errors:
            raise error
        time.sleep(1e-5)


def _atomic(operate):
    """Return a function that applies operate(builder, pointer) atomically to counters[i]."""

    @intrinsic
    def call(typing, counters, i):
        def emit(context, builder, signature, arguments):
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            return operate(builder, builder.gep(array.data, [arguments[1]]))

        return counters.dtype(counters, types.intp), emit

    return call


def _add_one(builder, pointer):
    return builder.atomic_rmw("add", pointer, ir.Constant(pointer.type.pointee, 1), "acq_rel")


def _load(builder, pointer):
    """Load a counter, with acquire semantics: writes before others' additions become visible."""
    if X86:  # leaves shared resources of the core to the other hardware thread
        pause = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
    return builder.load_atomic(pointer, "acquire", 8)


_take, _look = _atomic(_add_one), _atomic(_load)


@njit(nogil=True, cache=True)
def _spin(bell, before):
    """Spin until bell[0] is no longer `before`, or for a while. Return True if it rang."""
    polls = 0
    while polls < STAY and _look(bell, 0) == before:
        polls += 1
    return polls < STAY


_crew = threads.Crew(_join, _spin)


@njit(nogil=True, cache=True)
def _run_from(first, number, steps, numbers, arena, begun, done, bell):
    """Run pieces from step `first` on. Return the step that could not begin after some waiting.

    That is len(steps) while other threads are not done with the last ones, and one more at the end. Of each step a
    thread first takes the pieces of its own share, whose inputs it has written, and then the others.
    number: index of the thread; the first one rings the bell. begun: counts of pieces taken, per share and step.
    """
    if number == 0 and first == 0:
        _take(bell, 0)
    shares = begun.size // len(steps)
    ready = 0  # number of steps known to be done
    for k in range(first, len(steps) + 1):
        looks, awaited = 0, steps[k].after if k < len(steps) else k
        while ready < awaited:
            if _look(done, ready) == steps[ready].rows * steps[ready].parts:
                ready += 1
                continue
            looks += 1
            if looks == PATIENCE:
                return k
        if k == len(steps):
            break
        step = steps[k]
        pieces = step.rows * step.parts
        for turn in range(shares):
            share = (number + turn) % shares
            first_piece, stop, counter = (
                pieces * share // shares,
                pieces * (share + 1) // shares,
                share * len(steps) + k,
            )
            piece = first_piece + _take(begun, counter)
            while piece < stop:
                if step.kind == CONVOLVE:
                    _convolve(step, piece, numbers, arena)
                elif step.kind == INTO_TILES:
                    _into_tiles(step, piece, arena)
                elif step.kind == OUT_OF_TILES:
                    _out_of_tiles(step, piece, numbers, arena)
                else:
                    _pool(step, piece, arena)
                _take(done, k)
                piece = first_piece + _take(begun, counter)
    return len(steps) + 1


@njit(nogil=True, cache=True)
def _tabulate(step, first, count, last, places, table):
    """Set table[k] to the place of output first + k for k < count, and further entries to that of the last one."""
    image, line, column = places.image, places.line, places.column
    j, above = first % step.width, first // step.width
    i, n = above % step.height, above // step.height
    place = places.first + n * image + i * line + j * column
    for k in range(count):
        table[k] = place
        if first + k < last:
            j, place = j + 1, place + column
            if j == step.width:
                i, j, place = i + 1, 0, place + line - step.width * column
                if i == step.height:
                    i, place = 0, place + image - step.height * line


@njit(nogil=True, cache=True)
def _convolve(step, piece, numbers, arena):
    width = PANEL // arena.itemsize
    planes = step.images if step.plane > 0 else 1  # groups of outputs that share panels
    total, panels = step.images * step.height * step.width // planes, -(-step.outputs // width)
    # With few outputs, smaller products waste fewer rows.
    few = 20 * -(-total // FEW) * FEW < 19 * -(-total // ROWS) * ROWS
    high = FEW if few else ROWS
    tiles = -(-total // high)
    row, part = piece // step.parts, piece % step.parts
    begin, end = tiles * row // step.rows * high, tiles * (row + 1) // step.rows * high
    first_panel, last_panel = planes * panels * part // step.parts, planes * panels * (part + 1) // step.parts
    source = Places(step.source, step.source_image, step.source_line, step.source_column)
    target = Places(step.target, step.target_image, step.target_line, step.target_column)
    upon = Places(step.added, step.added_image, step.added_line, step.added_column)
    starts, targets, added = np.empty(BLOCK, np.intp), np.empty(BLOCK, np.intp), np.empty(BLOCK, np.intp)
    runs = _runs(step)
    tile, lines = np.empty(ROWS * width, arena.dtype), np.arange(ROWS) * width
    relu, depth, size = step.relu > 0, step.depth, runs.size * step.depth * width
    for first in range(begin, end, BLOCK):
        count = min(BLOCK, end - first)
        pace = -(-width * high // count)
        _tabulate(step, first, count, total - 1, source, starts)
        _tabulate(step, first, count, total - 1, target, targets)
        if step.added >= 0:
            _tabulate(step, first, count, total - 1, upon, added)
        for panel in range(first_panel, last_panel):
            plane, number = panel // panels, panel % panels
            here = number * width
            inside = min(width, step.outputs - here)
            # Panels are stored in the order of use: each product prefetches its share of a later one.
            later = AHEAD // arena.itemsize
            for i in range(0, count, high):
                at, b = (plane * source.image, i), (step.panels + plane * step.plane + number * size, later, pace)
                later += pace * runs.size * depth
                to, bias = (plane * target.image + here, i), step.bias + here
                # Written out, because a tuple of arrays counts references: half the time of a product of 32 channels.
                if inside == width:
                    if few and step.added < 0:
                        _multiply_few(
                            arena, at, starts, runs, depth, numbers, b, numbers, bias, arena, to, targets, relu
                        )
                    elif few:
                        _multiply_few_upon(
                            arena, at, starts, runs, depth, numbers, b, numbers, bias, arena, to, targets, relu, added
                        )
                    elif step.added < 0:
                        _multiply(arena, at, starts, runs, depth, numbers, b, numbers, bias, arena, to, targets, relu)
                    else:
                        _multiply_upon(
                            arena, at, starts, runs, depth, numbers, b, numbers, bias, arena, to, targets, relu, added
                        )
                    continue
                at_once = relu and step.added < 0
                if few:
                    _multiply_few(
                        arena, at, starts, runs, depth, numbers, b, numbers, bias, tile, (0, 0), lines, at_once
                    )
                else:
                    _multiply(arena, at, starts, runs, depth, numbers, b, numbers, bias, tile, (0, 0), lines, at_once)
                for r in range(min(high, total - first - i)):
                    y = tile[r * width : r * width + inside]
                    if step.added >= 0:
                        _add(arena[added[i + r] + here : added[i + r] + here + inside], y, relu)
                    # A slice that is assigned an array takes seconds to compile, for the message of unequal shapes.
                    for j in range(inside):
                        arena[targets[i + r] + to[0] + j] = y[j]


@njit(nogil=True, cache=True)
def _add(x, y, relu):
    """Add x to y, and clamp at zero if `relu`."""
    for j in range(y.size):
        y[j] += x[j]
    if relu:
        nothing = y.dtype.type(0)
        for j in range(y.size):
            y[j] = nothing if y[j] <= 0 else y[j]  # propagates NaN


@njit(nogil=True, cache=True)
def _runs(step):
    """Return the offset of each tap of a window from the first."""
    runs = np.empty(step.down * step.across, np.intp)
    for r in range(runs.size):
        runs[r] = r // step.across * step.down_step + r % step.across * step.across_step
    return runs


@njit(nogil=True, cache=True, error_model="numpy")
def _pool(step, piece, arena):
    total, runs, depth = step.images * step.height * step.width, _runs(step), step.depth
    sources = Places(step.source, step.source_image, step.source_line, step.source_column)
    targets = Places(step.target, step.target_image, step.target_line, step.target_column)
    place, share = np.empty(1, np.intp), arena.dtype.type(1) / arena.dtype.type(runs.size)
    lines = depth // (TAKEN // arena.itemsize) * (TAKEN // arena.itemsize)  # channels in whole registers
    for output in range(total * piece // step.rows, total * (piece + 1) // step.rows):
        _tabulate(step, output, 1, output, sources, place)
        source = place[0]
        _tabulate(step, output, 1, output, targets, place)
        to = place[0]
        target = arena[to : to + depth]
        if step.kind == LARGEST:
            _largest(arena, source, runs, arena, to, lines)
            for k in range(lines, depth):
                target[k] = arena[source + k]
                for run in runs:
                    x = arena[source + run + k]
                    target[k] = x if x > target[k] or x != x else target[k]  # propagates NaN
            continue
        for r in range(runs.size):
            seen = arena[source + runs[r] : source + runs[r] + depth]
            if step.kind == MEAN:
                for k in range(depth):
                    target[k] = (target[k] if r else 0) + share * seen[k]
            else:
                for k in range(depth):
                    target[k] = (target[k] if r else 0) + seen[k] * seen[k]
        if step.kind == LENGTH:
            for k in range(depth):
                target[k] = np.sqrt(target[k])


@njit(nogil=True, cache=True)
def _into_tiles(step, piece, arena):
    """Compute V of some tiles: Bᵀ along the columns of the 6×6 pixels, then along the rows."""
    total, depth, plane = step.images * step.height * step.width, step.depth, step.plane
    sources = Places(step.source, step.source_image, step.source_line, step.source_column)
    targets = Places(step.target, step.target_image, step.target_line, step.target_column)
    place, half = np.empty(1, np.intp), np.empty(36 * depth, arena.dtype)
    down, across, row = step.down_step, step.across_step, 6 * depth
    for tile in range(total * piece // step.rows, total * (piece + 1) // step.rows):
        _tabulate(step, tile, 1, tile, sources, place)
        at = place[0]
        _tabulate(step, tile, 1, tile, targets, place)
        to = place[0]
        for j in range(6 if across > depth else 1):  # adjacent pixels are one line
            a = at + j * across
            rows = (a, a + down, a + 2 * down, a + 3 * down, a + 4 * down, a + 5 * down)
            _into(arena, rows, half, j * depth, row, depth if across > depth else row)
        for k in range(6):
            a = k * row
            rows = (a, a + depth, a + 2 * depth, a + 3 * depth, a + 4 * depth, a + 5 * depth)
            _into(half, rows, arena, to + 6 * k * plane, plane, depth)


@njit(nogil=True, cache=True)
def _out_of_tiles(step, piece, numbers, arena):
    """Compute the outputs of some tiles: Aᵀ along columns and rows of the 6×6 products, then addition and ReLU."""
    total, depth, plane = step.images * step.height * step.width, step.depth, step.plane
    sources = Places(step.source, step.source_image, step.source_line, step.source_column)
    targets = Places(step.target, step.target_image, step.target_line, step.target_column)
    upon = Places(step.added, step.added_image, step.added_line, step.added_column)
    place, half, line = np.empty(1, np.intp), np.empty(24 * depth, arena.dtype), np.empty(4 * depth, arena.dtype)
    bias, relu, nothing = numbers[step.bias : step.bias + depth], step.relu > 0, arena.dtype.type(0)
    for tile in range(total * piece // step.rows, total * (piece + 1) // step.rows):
        _tabulate(step, tile, 1, tile, sources, place)
        at = place[0]
        _tabulate(step, tile, 1, tile, targets, place)
        to = place[0]
        _tabulate(step, tile, 1, tile, upon, place)
        past = place[0]
        j, i = tile % step.width, tile // step.width % step.height
        for k in range(6):
            a, row = at + k * plane, 6 * plane
            rows = (a, a + row, a + 2 * row, a + 3 * row, a + 4 * row, a + 5 * row)
            _out(arena, rows, half, k * depth, 6 * depth, depth)
        for p in range(min(4, step.down - 4 * i)):
            a = 6 * p * depth
            rows = (a, a + depth, a + 2 * depth, a + 3 * depth, a + 4 * depth, a + 5 * depth)
            _out(half, rows, line, 0, depth, depth)
            for q in range(min(4, step.across - 4 * j)):
                first = to + p * step.down_step + q * step.across_step
                pixel, y = arena[first : first + depth], line[q * depth : (q + 1) * depth]
                if step.added >= 0:  # a tile covers four lines and four columns
                    begin = past + p * upon.line // 4 + q * upon.column // 4
                    _add(arena[begin : begin + depth], y, False)
                for c in range(depth):
                    biased = y[c] + bias[c]
                    pixel[c] = nothing if relu and biased < 0 else biased  # propagates NaN
