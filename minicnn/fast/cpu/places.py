"""Tables of the positions in flat arrays that a convolution reads and writes.

The window of output i begins at starts[i], and a run of adjacent taps begins runs[r] further on:

    y[results[i]] = Σ_r Σ_k  picture[starts[i] + runs[r] + k] · w[r · depth + k]

Stride, dilation, padding, groups and the number of dimensions affect only these tables; the kernels know no geometry.
This requires a zero-padded picture, in which all windows are the same. Copying it is cheap compared with the products,
and of a large picture only the border is copied: windows inside read the picture itself.
Source: Dukhan 2019, "The indirect convolution algorithm", where the table has an entry for every tap of every output.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from minicnn.fast.cpu import buffers, threads

LEAST = 1 << 17  # minimum count of numbers copied per thread
LARGE = 1 << 20  # minimum size, in numbers, of a picture of which only the border is copied
SLACK = 16  # numbers allocated after a copy, because vectors may read past its end


@dataclass(frozen=True)
class Places:
    """Outputs whose windows have the same taps. starts and results are split into two parts, for the line of an output
    and its position there: starts[i] = lines[i // W] + columns[i % W].

    taps: indices of the taps in the filters, in the order of the runs. depth: numbers per run, channels included.
    inside: True if the windows lie in the picture, and so read it instead of its copy.
    """

    starts: tuple[np.ndarray, np.ndarray]
    results: tuple[np.ndarray, np.ndarray]
    runs: np.ndarray
    depth: int
    taps: np.ndarray
    inside: bool

    @functools.cached_property
    def count(self):
        """The number of outputs."""
        lines, columns = self.starts
        return len(lines) * len(columns)


@dataclass(frozen=True)
class Reading:
    """The positions that are read from a picture with `before` and `after` zeros around it, along each dimension.

    reach: distance from either end within which the copy is read; None for all of it.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    parts: tuple[Places, ...]
    reach: tuple[tuple[int, int], ...] | None = None


@functools.lru_cache(maxsize=256)
def of_outputs(window, shape, result, groups, whole=False):
    """Return the Reading for the outputs of a convolution. shape, result: (N, *spatial, C) of input and result.

    whole: True to read all of a padded copy, even of a large picture.
    """
    axes = []
    for k, s, d, b, o in zip(window.size, window.stride, window.dilation, window.before, window.output, strict=True):
        axes.append([_Axis(np.arange(o) * s - b, np.arange(k) * d, np.arange(k), np.arange(o))])
    return _reading(window, shape, result, groups, axes, whole)


@functools.lru_cache(maxsize=256)
def of_inputs(window, shape, result, groups):
    """Return the Reading for the gradient to the input, a convolution of the cotangent.

    Pixel x is in the window of output o, under tap k, if o · stride + k · dilation − before = x. Pixels with the same
    remainder modulo the stride have the same taps, so there is one part per remainder. The last tap comes first.
    """
    axes = []
    spatial = result[1:-1]
    for length, k, s, d, b in zip(spatial, window.size, window.stride, window.dilation, window.before, strict=True):
        parts = []
        for remainder in range(s):
            pixels = np.arange((remainder - b) % s, length, s)
            taps = np.array([tap for tap in reversed(range(k)) if tap * d % s == remainder], np.intp)
            if len(pixels):
                parts.append(_Axis((pixels + b - remainder) // s, (remainder - taps * d) // s, taps, pixels))
        axes.append(parts)
    return _reading(window, shape, result, groups, axes, False)


def padded(x, reading, slack=False):
    """Return x (N, *spatial, C) with zero padding, or x itself if no padding is read.

    slack: True to allocate numbers after the end.
    """
    before, after = reading.before, reading.after
    if not (any(before) or any(after) or slack):
        return threads.constant(x)
    shape = len(x), *map(sum, zip(before, x.shape[1:-1], after, strict=True)), x.shape[-1]
    size = math.prod(shape)
    memory = buffers.empty((size + SLACK,), x.dtype)
    memory[size:] = 0
    lines, first = _lines_inside(x.shape, before, after, reading.reach), before[-1] * x.shape[-1]
    low, high = (n * x.shape[-1] for n in reading.reach[-1]) if reading.reach else (0, 0)
    pieces = threads.split(len(lines), least=max(1, LEAST // (size // len(lines))))
    source = threads.constant(x).reshape(-1, math.prod(x.shape[-2:]))
    threads.parallel(_copy_lines, pieces, source, lines, first, low, high, memory[:size].reshape(len(lines), -1))
    return threads.constant(memory[:size].reshape(shape))


@functools.lru_cache(maxsize=256)
def _lines_inside(shape, before, after, reach):
    """Return the line of a picture (N, *spatial, C) for each line of its padded copy.

    The entry is −1 for padding, and −2 − line if only the ends of the line are read.
    """
    lines = np.arange(math.prod(shape[:-2])).reshape(shape[:-2])
    if reach:
        middle = (slice(None), *(slice(low, n - high) for n, (low, high) in zip(shape[1:-2], reach[:-1], strict=True)))
        lines[middle] = -2 - lines[middle]
    around = [(0, 0), *zip(before[:-1], after[:-1], strict=True)]
    return threads.constant(np.pad(lines, around, constant_values=-1).reshape(-1))


@njit(nogil=True, cache=True)
def _copy_lines(start, stop, x, lines, first, low, high, picture):
    """Copy some lines, or the first `low` and last `high` numbers of partial ones, and the zeros around them."""
    width = x.shape[1]
    for i in range(start, stop):
        target, line = picture[i], lines[i]
        if line == -1:
            target[:] = 0
            continue
        target[:first] = 0
        target[first + width :] = 0
        inside = target[first : first + width]
        if line >= 0:
            _copy(x[line], inside)
        else:
            source = x[-2 - line]
            _copy(source[:low], inside[:low])
            _copy(source[width - high :], inside[width - high :])


@njit(nogil=True, cache=True)
def _copy(source, target):
    for i in range(target.size):
        target[i] = source[i]


@dataclass(frozen=True)
class _Axis:
    """The windows along one dimension: window i begins at first[i], and its result goes to result[i].

    offsets: positions of the taps, relative to the window. taps: indices of the taps in the filters.
    """

    first: np.ndarray
    offsets: np.ndarray
    taps: np.ndarray
    result: np.ndarray

    @property
    def seen(self):
        """The range that the windows read."""
        if not len(self.offsets) or not len(self.first):
            return 0, 0
        return int(self.first[0] + self.offsets[0]), int(self.first[-1] + self.offsets[-1]) + 1

    def cut(self, length):
        """Split into windows that begin before the picture, lie within its `length`, and end after it."""
        low, high = self.offsets[[0, -1]] if len(self.offsets) else (0, 0)
        begin = int(np.searchsorted(self.first, -low))
        end = max(begin, int(np.searchsorted(self.first, length - high)))
        edges = (0, begin), (begin, end), (end, len(self.first))
        return [_Axis(self.first[a:b], self.offsets, self.taps, self.result[a:b]) for a, b in edges]


def _reading(window, shape, result, groups, axes, whole):
    """Return the Reading for some axes. axes: per dimension, one _Axis per set of taps."""
    spatial = shape[1:-1]
    before = tuple(max(0, *(-axis.seen[0] for axis in parts)) for parts in axes)
    after = tuple(
        max(0, *(axis.seen[1] - length for axis in parts)) for parts, length in zip(axes, spatial, strict=True)
    )
    around = shape[0], *map(sum, zip(before, spatial, after, strict=True)), shape[-1]
    nowhere = (0,) * len(spatial)
    reach = None
    if math.prod(shape) >= LARGE and any(before + after) and not whole:
        cut = [[part.cut(length) for part in parts] for parts, length in zip(axes, spatial, strict=True)]
        reach = tuple(
            (
                max(low.seen[1] for low, _, _ in parts),
                max(length - high.seen[0] if len(high.first) else 0 for _, _, high in parts),
            )
            for parts, length in zip(cut, spatial, strict=True)
        )
        axes = [[piece for part in parts for piece in part if len(piece.first)] for parts in cut]
    parts = []
    for part in itertools.product(*axes):
        inside = all(axis.seen[0] >= 0 and axis.seen[1] <= n for axis, n in zip(part, spatial, strict=True))
        if inside:
            parts.append(_places(window, shape, nowhere, result, groups, part, True))
        else:
            parts.append(_places(window, around, before, result, groups, part, False))
    return Reading(before, after, tuple(parts), reach)


def _places(window, shape, before, result, groups, axes, inside):
    images, offsets = np.arange(shape[0]), [axis.offsets for axis in axes]
    starts = [images, *(axis.first + low for axis, low in zip(axes, before, strict=True))]
    results = [images, *(axis.result for axis in axes)]
    depth, last = shape[-1] // groups, offsets[-1]
    if groups == 1 and len(last) > 1 and set(np.diff(last)) == {1}:  # adjacent taps: one run
        depth, last = depth * len(last), last[:1]
    return Places(
        _lines_and_columns(starts, shape),
        _lines_and_columns(results, result),
        _sums([[0], *offsets[:-1], last], shape),
        depth,
        _sums([[0], *(axis.taps for axis in axes)], (1, *window.size, 1)),
        inside,
    )


def _lines_and_columns(positions, shape):
    """Return the positions along all dimensions but the last, and those along the last."""
    *lines, columns = positions
    return _sums([*lines, [0]], shape), _sums([*([0] for _ in lines), columns], shape)


def _sums(positions, shape):
    """Return the flat index of every combination of positions, the last one changing fastest."""
    steps = np.cumprod(shape[:0:-1])[::-1]
    along = [np.asarray(places, np.intp) * step for places, step in zip(positions, steps, strict=True)]
    return threads.constant(functools.reduce(np.add.outer, along).reshape(-1))
