"""A program, compiled: whoever has a thread to spare joins in, takes a piece of the step at hand, and the next.

A thread that waits for the others spins: they are done within microseconds, and to sleep and be woken takes longer than
most steps. Nobody counts on the others to come. One thread alone takes piece after piece and is through, too.
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
from minicnn.fast.cpu.micro_kernel import ROWS, columns, gathered_product, gathered_product_upon

MICRO_KERNEL = "1f09c93c54f5"  # its digest: an edit there has to show in the files that compile it into theirs
CONVOLVE, LARGEST, MEAN, LENGTH = 0, 1, 2, 3  # written here, too: Numba's cache notices no edit of another file
assert (CONVOLVE, LARGEST, MEAN, LENGTH) == (program.CONVOLVE, program.LARGEST, program.MEAN, program.LENGTH)
PANEL = columns(1)  # bytes of a panel's row
BLOCK = 16 * ROWS  # outputs that pass a panel before the next is fetched
PATIENCE = 1 << 14  # looks before a thread that waits leaves its core to another
X86 = platform.machine().lower() in ("x86_64", "amd64")

_multiply, _multiply_upon = gathered_product(ROWS), gathered_product_upon(ROWS)


class Places(NamedTuple):
    """Locate in the arena what output (n, i, j) reads or writes: first + n · image + i · line + j · column."""

    first: int
    image: int
    line: int
    column: int


def width(dtype):
    return columns(np.dtype(dtype).itemsize)


def run(steps, numbers, arena):
    begun, done = np.zeros((2, len(steps)), np.int64)
    common = threads.constant(steps), threads.constant(numbers), arena, begun, done
    threads.parallel(_join, [()] * threads.threads(), *common)


def _join(steps, numbers, arena, begun, done):
    at = 0
    while True:
        at = _run_from(at, steps, numbers, arena, begun, done)
        if at == len(steps):
            return
        time.sleep(1e-5)


def _atomic(operate):
    """Apply operate(builder, pointer) to counters[i] atomically, whatever other threads do."""

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
    """Its value, and with it all that was written before others added to it."""
    if X86:  # so that a core that waits leaves more of what it shares to the one that works
        pause = ir.FunctionType(ir.VoidType(), [])
        builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
    return builder.load_atomic(pointer, "acquire", 8)


_take, _look = _atomic(_add_one), _atomic(_load)


@njit(nogil=True, cache=True)
def _run_from(first, steps, numbers, arena, begun, done):
    """Take part from step `first` on; the step that others have not ended yet, or their number."""
    for k in range(first, len(steps)):
        step = steps[k]
        pieces = step.rows * step.parts
        piece = _take(begun, k)
        while piece < pieces:
            if step.kind == CONVOLVE:
                _convolve(step, piece, numbers, arena)
            else:
                _pool(step, piece, arena)
            _take(done, k)
            piece = _take(begun, k)
        looks = 0
        while _look(done, k) < pieces:
            looks += 1
            if looks == PATIENCE:
                return k
    return len(steps)


@njit(nogil=True, cache=True)
def _tabulate(step, first, count, last, places, table):
    """Set table[k] to the place of output first + k, k < count; to that of the last output where there are no more."""
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
    total, panels = step.images * step.height * step.width, -(-step.outputs // width)
    tiles = -(-total // ROWS)
    row, part = piece // step.parts, piece % step.parts
    begin, end = tiles * row // step.rows * ROWS, tiles * (row + 1) // step.rows * ROWS
    first_panel, last_panel = panels * part // step.parts, panels * (part + 1) // step.parts
    source = Places(step.source, step.source_image, step.source_line, step.source_column)
    target = Places(step.target, step.target_image, step.target_line, step.target_column)
    upon = Places(step.added, step.added_image, step.added_line, step.added_column)
    starts, targets, added = np.empty(BLOCK, np.intp), np.empty(BLOCK, np.intp), np.empty(BLOCK, np.intp)
    runs = np.empty(step.down * step.across, np.intp)
    for r in range(runs.size):
        runs[r] = r // step.across * step.down_step + r % step.across * step.across_step
    tile, lines = np.empty(ROWS * width, arena.dtype), np.arange(ROWS) * width
    rectified, size = step.relu > 0, runs.size * step.depth * width
    for first in range(begin, end, BLOCK):
        count = min(BLOCK, end - first)
        _tabulate(step, first, count, total - 1, source, starts)
        _tabulate(step, first, count, total - 1, target, targets)
        if step.added >= 0:
            _tabulate(step, first, count, total - 1, upon, added)
        for number in range(first_panel, last_panel):
            here = number * width
            inside = min(width, step.outputs - here)
            factors = numbers, step.panels + number * size, numbers, step.bias + here
            for i in range(0, count, ROWS):
                a, at = (0, i), (here, i)
                given = arena, a, starts, runs, step.depth, *factors
                if inside == width and step.added < 0:
                    _multiply(*given, arena, at, targets, rectified)
                    continue
                if inside == width:
                    _multiply_upon(*given, arena, at, targets, rectified, arena, at, added)
                    continue
                at_once = rectified and step.added < 0
                _multiply(*given, tile, (0, 0), lines, at_once)
                for r in range(min(ROWS, total - first - i)):
                    y = tile[r * width : r * width + inside]
                    if step.added >= 0:
                        _add(arena[added[i + r] + here : added[i + r] + here + inside], y, rectified)
                    arena[targets[i + r] + here : targets[i + r] + here + inside] = y


@njit(nogil=True, cache=True)
def _add(x, y, relu):
    """y += x, at least zero if `relu`."""
    for j in range(y.size):
        y[j] += x[j]
    if relu:
        nothing = y.dtype.type(0)
        for j in range(y.size):
            y[j] = nothing if y[j] <= 0 else y[j]  # a NaN is shown, not hidden


@njit(nogil=True, cache=True, error_model="numpy")
def _pool(step, piece, arena):
    total, size = step.images * step.height * step.width, step.down * step.across
    sources = Places(step.source, step.source_image, step.source_line, step.source_column)
    targets = Places(step.target, step.target_image, step.target_line, step.target_column)
    place, share = np.empty(1, np.intp), arena.dtype.type(1) / arena.dtype.type(size)
    for output in range(total * piece // step.rows, total * (piece + 1) // step.rows):
        _tabulate(step, output, 1, output, sources, place)
        source = place[0]
        _tabulate(step, output, 1, output, targets, place)
        target = arena[place[0] : place[0] + step.depth]
        for r in range(size):
            begin = source + r // step.across * step.down_step + r % step.across * step.across_step
            seen = arena[begin : begin + step.depth]
            if step.kind == LARGEST:
                for k in range(step.depth):
                    better = r == 0 or seen[k] > target[k] or seen[k] != seen[k]  # a NaN is shown, not hidden
                    target[k] = seen[k] if better else target[k]
            elif step.kind == MEAN:
                for k in range(step.depth):
                    target[k] = (target[k] if r else 0) + share * seen[k]
            else:
                for k in range(step.depth):
                    target[k] = (target[k] if r else 0) + seen[k] * seen[k]
        if step.kind == LENGTH:
            for k in range(step.depth):
                target[k] = np.sqrt(target[k])
