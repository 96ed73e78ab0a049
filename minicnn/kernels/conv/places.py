"""Where a convolution reads and writes, as tables of places in flat arrays.

The window of output i begins at starts[i], and a run of taps that lie side by side begins runs[r] further on:

    y[results[i]] = Σ_r Σ_k  picture[starts[i] + runs[r] + k] · w[r · depth + k]

Stride, dilation, padding, groups and the number of dimensions decide what stands in these tables, and nothing else: a
kernel that follows them knows no geometry. What makes it so simple is a picture with zeros around it, in which every
window looks the same; to copy it once costs little beside the products.
Source: Dukhan 2019, "The indirect convolution algorithm". There the table has a place for every tap of every output.
"""

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from minicnn import backend, buffers

LEAST = 1 << 15  # numbers that a thread copies at least
SLACK = 16  # numbers behind a copy: who takes several at a time may read so far beyond its end


@dataclass(frozen=True)
class Places:
    """Outputs whose windows have the same taps. starts and results are kept as two parts, for the line in which an
    output lies and for its place there: starts[i] = lines[i // W] + columns[i % W].

    taps: the numbers of the taps in the filters, in the order of the runs.
    depth: how many numbers a run has, the channels of a group among them.
    """

    starts: tuple[np.ndarray, np.ndarray]
    results: tuple[np.ndarray, np.ndarray]
    runs: np.ndarray
    depth: int
    taps: np.ndarray

    @property
    def count(self):
        """How many outputs."""
        lines, columns = self.starts
        return len(lines) * len(columns)


@dataclass(frozen=True)
class Reading:
    """What is read of a picture with `before` and `after` zeros around it, along each dimension."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    parts: tuple[Places, ...]


@functools.lru_cache(maxsize=256)
def of_outputs(window, shape, result, groups):
    """The Reading for the outputs of a convolution. shape, result: (N, *spatial, C) of its input and of its result."""
    axes = []
    for k, s, d, b, o in zip(window.size, window.stride, window.dilation, window.before, window.output, strict=True):
        axes.append([_Axis(np.arange(o) * s - b, np.arange(k) * d, np.arange(k), np.arange(o))])
    return _reading(window, shape, result, groups, axes)


@functools.lru_cache(maxsize=256)
def of_inputs(window, shape, result, groups):
    """The Reading for the gradient to the input, a convolution of the cotangent: pixel x is seen by output o through
    tap k where o · stride + k · dilation − before = x. Pixels whose remainders by the stride agree are seen through the
    same taps: one part for each remainder, of which there is one if the stride is 1. The last tap comes first.
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
    return _reading(window, shape, result, groups, axes)


def padded(x, reading, slack=False):
    """x (N, *spatial, C) with zeros around it: x itself if none are read. slack: with numbers behind it, too."""
    before, after = reading.before, reading.after
    if not (any(before) or any(after) or slack):
        return backend.constant(x)
    shape = len(x), *map(sum, zip(before, x.shape[1:-1], after, strict=True)), x.shape[-1]
    size = math.prod(shape)
    memory = buffers.empty((size + SLACK,), x.dtype)
    memory[size:] = 0
    lines, first = _lines_inside(x.shape, before, after), before[-1] * x.shape[-1]
    pieces = backend.split(len(lines), least=max(1, LEAST // (size // len(lines))))
    source = backend.constant(x).reshape(-1, math.prod(x.shape[-2:]))
    backend.parallel(_copy_lines, pieces, source, lines, first, memory[:size].reshape(len(lines), -1))
    return backend.constant(memory[:size].reshape(shape))


@functools.lru_cache(maxsize=256)
def _lines_inside(shape, before, after):
    """Which line of a picture (N, *spatial, C) stands in each line of one with zeros around it: −1, none does."""
    lines = np.arange(math.prod(shape[:-2])).reshape(shape[:-2])
    around = [(0, 0), *zip(before[:-1], after[:-1], strict=True)]
    return backend.constant(np.pad(lines, around, constant_values=-1).reshape(-1))


@njit(nogil=True, cache=True)
def _copy_lines(start, stop, x, lines, first, picture):
    """Some lines of the picture, and the zeros around them."""
    last = first + x.shape[1]
    for line in range(start, stop):
        target = picture[line]
        if lines[line] < 0:
            target[:] = 0
            continue
        target[:first] = 0
        target[last:] = 0
        inside, source = target[first:last], x[lines[line]]
        for i in range(inside.size):
            inside[i] = source[i]


@dataclass(frozen=True)
class _Axis:
    """Along one dimension: window i begins at first[i], its taps lie `offsets` further on and are those numbered `taps`
    in the filters, and what it sees goes to result[i].
    """

    first: np.ndarray
    offsets: np.ndarray
    taps: np.ndarray
    result: np.ndarray

    @property
    def seen(self):
        """From where to where the windows read."""
        if not len(self.offsets):
            return 0, 0
        return int(self.first[0] + self.offsets[0]), int(self.first[-1] + self.offsets[-1]) + 1


def _reading(window, shape, result, groups, axes):
    """axes: along each dimension, one _Axis for every set of taps that there is."""
    spatial = shape[1:-1]
    before = tuple(max(0, *(-axis.seen[0] for axis in parts)) for parts in axes)
    after = tuple(
        max(0, *(axis.seen[1] - length for axis in parts)) for parts, length in zip(axes, spatial, strict=True)
    )
    around = shape[0], *map(sum, zip(before, spatial, after, strict=True)), shape[-1]
    parts = tuple(_places(window, around, before, result, groups, part) for part in itertools.product(*axes))
    return Reading(before, after, parts)


def _places(window, shape, before, result, groups, axes):
    images, offsets = np.arange(shape[0]), [axis.offsets for axis in axes]
    starts = [images, *(axis.first + low for axis, low in zip(axes, before, strict=True))]
    results = [images, *(axis.result for axis in axes)]
    depth, last = shape[-1] // groups, offsets[-1]
    if groups == 1 and len(last) > 1 and set(np.diff(last)) == {1}:  # side by side: one run
        depth, last = depth * len(last), last[:1]
    return Places(
        _lines_and_columns(starts, shape),
        _lines_and_columns(results, result),
        _sums([[0], *offsets[:-1], last], shape),
        depth,
        _sums([[0], *(axis.taps for axis in axes)], (1, *window.size, 1)),
    )


def _lines_and_columns(positions, shape):
    """The places of all but the last dimension, and of the last alone."""
    *lines, columns = positions
    return _sums([*lines, [0]], shape), _sums([*([0] for _ in lines), columns], shape)


def _sums(positions, shape):
    """The place in a flat array of that shape for every combination of positions, the last changing fastest."""
    steps = np.cumprod(shape[:0:-1])[::-1]
    along = [np.asarray(places, np.intp) * step for places, step in zip(positions, steps, strict=True)]
    return backend.constant(functools.reduce(np.add.outer, along).reshape(-1))
