"""Drafts of a program's steps (fast/cpu/program): the inputs, outputs and operation of each layer, before arrays have
positions in the arena.

Each convolution, with its batch norm folded in, becomes a step, and so does each pool. Branches write to adjacent
channels of one array, which replaces concatenation. A residual block's last convolution also adds the shortcut.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.errors import InputError
from minicnn.fast.cpu import program, winograd
from minicnn.fast.cpu.folds import fold
from minicnn.fast.cpu.processor import cache_bytes
from minicnn.kernels.geometry import Window, slide

CACHE = cache_bytes(3) // 8  # for the tiles of a few pictures, next to the filters
POOLS = {nn.MaxPool2d: program.LARGEST, nn.AvgPool2d: program.MEAN, nn.L2Pool2d: program.LENGTH}


class Unfit(Exception):
    """A layer without a corresponding step."""


@dataclasses.dataclass
class Room:
    """An array (N, H, W, C) whose pictures have a border of `border` pixels. It is in use up to step `last`.

    first: its position in the arena. beyond: the value in the border, None if no step reads it yet. partial: True if
    some elements are never written and must be zero.
    """

    shape: tuple[int, int, int, int]
    border: int = 0
    beyond: float | None = None
    partial: bool = False
    first: int = 0
    last: int = 0
    after: int = 0

    @property
    def form(self) -> tuple[int, int, int, int]:
        n, height, width, channels = self.shape
        return n, height + 2 * self.border, width + 2 * self.border, channels

    def read(self, window: Window, beyond: float, more: int = 0) -> None:
        """Widen the border for a window that reads outside the pictures. beyond: the value required there."""
        reach = max(*window.before, *(after + more for after in window.after))
        if reach and self.beyond not in (None, beyond):
            raise Unfit
        if reach:
            self.border, self.beyond = max(self.border, reach), beyond

    def places(self, at: tuple[int, int], stride: tuple[int, ...], channel: int) -> tuple[int, int, int, int]:
        """Return (first, image, line, column) of every stride-th pixel from `at` on."""
        _, height, width, channels = self.form
        line = width * channels
        first = self.first + (at[0] + self.border) * line + (at[1] + self.border) * channels + channel
        return first, height * line, stride[0] * line, stride[1] * channels

    def whole(self, arena: np.ndarray) -> np.ndarray:
        """Return the array with its border."""
        return arena[self.first : self.first + math.prod(self.form)].reshape(self.form)

    def inside(self, arena: np.ndarray) -> np.ndarray:
        """Return the array without its border."""
        _, height, width, _ = self.shape
        return self.whole(arena)[:, self.border : self.border + height, self.border : self.border + width]


@dataclasses.dataclass
class View:
    """A view of some channels of a room, from `channel` and pixel `at` on. positive: True if no element is negative.

    flat: True if it represents (N, C), with a single pixel.
    """

    room: Room
    channels: int
    channel: int = 0
    at: tuple[int, int] = (0, 0)
    positive: bool = False
    flat: bool = False


@dataclasses.dataclass
class Draft:
    """A step whose arrays have no position yet.

    filters: a function that returns w and b. weights: size of w. layer: index among the layers with filters, which
    Winograd's three steps share. products: True if it computes all M[ξ], each with its own weights. images: first
    picture and number of pictures (default: all).
    """

    kind: int
    window: Window
    source: View
    target: View
    filters: Callable[[], tuple[np.ndarray, np.ndarray]] | None = None
    weights: int = 0
    added: View | None = None
    relu: bool = False
    layer: int | None = None
    products: bool = False
    images: tuple[int, int] | None = None

    @property
    def outputs(self) -> int:
        """The number of output positions."""
        count = self.images[1] if self.images else self.target.room.shape[0]
        return count * math.prod(self.window.output)

    @property
    def multiplications(self) -> int:
        if self.kind in (program.INTO_TILES, program.OUT_OF_TILES):
            tiles = self.source.room if self.kind == program.OUT_OF_TILES else self.target.room
            return tiles.shape[2] * winograd.TRANSFORM // 2 * self.source.channels
        # An element of a pool takes as long as eight multiplications.
        return self.outputs * (self.weights or 8 * self.window.taps * self.source.channels)

    @property
    def rooms(self) -> list[Room]:
        return [view.room for view in (self.source, self.target, self.added) if view]


class Drafting:
    """The translation of layers to `drafts`, for pictures of one shape. kinds: types of blocks."""

    def __init__(self, shape: Sequence[int], kinds: Any) -> None:
        self.kinds = kinds
        self.drafts: list[Draft] = []
        self._numbers = itertools.count()
        n, height, width, channels = shape
        self.start = self.end = View(Room((n, height, width, channels)), channels)

    def through(self, layers: Sequence[nn.Module]) -> int:
        """Draft as many of the layers as possible, and return their number."""
        done = 0
        while done < len(layers):
            together = layers[done : done + 1 + _normalized(layers[done:])]
            known = len(self.drafts)
            try:
                self.end = self._chain(together, self.end)
            except (Unfit, InputError):  # errors are raised by the layer when it runs
                del self.drafts[known:]
                break
            done += len(together)
        return done

    def _chain(self, layers: Sequence[nn.Module], x: View) -> View:
        layers = list(layers)
        while layers:
            layer: Any = layers[0]
            norm = layers[1] if _normalized(layers) else None
            del layers[: 2 if norm else 1]
            if type(layer) in (nn.Dropout, nn.Flatten, nn.Linear, self.kinds.global_average):
                x = self._top(layer, norm, x)
            elif x.flat:
                raise Unfit
            elif type(layer) is nn.Conv2d:
                x = self._convolution(layer, norm, x)
            elif type(layer) in POOLS:
                x = self._pool(layer, x)
            elif type(layer) is self.kinds.zero_pad:
                x = self._zeros(layer, x)
            elif type(layer) is self.kinds.chain:
                x = self._chain(layer.layers, x)
            elif type(layer) is self.kinds.branches:
                x = self._branches(layer, x)
            elif type(layer) is self.kinds.residual:
                x = self._residual(layer, x, x)
            elif type(layer) is self.kinds.halving:
                x = self._halving(layer, x)
            else:
                raise Unfit
        return x

    def _convolution(self, layer: Any, norm: Any, x: View, past: tuple[View, Any] | None = None) -> View:
        """Draft a convolution, or a linear layer as a convolution of one pixel.

        past: the shortcut to add, and its block.
        """
        activation, shape, linear = (norm or layer).activation, layer.w.shape, type(layer) is nn.Linear
        if activation not in (None, "relu") or (norm and (layer.activation or norm.training)):
            raise Unfit
        if shape[-2] != x.channels or (past and (activation or shape[-1] != past[0].channels)):
            raise Unfit  # groups, for example
        how = {} if linear else {name: getattr(layer, name) for name in ("stride", "dilation", "padding")}
        window = slide("conv", x.room.shape[1:3], 1 if linear else layer.kernel_size, **how)
        added, activation, scale = (past[0], past[1].activation, past[1].scale) if past else (None, activation, 1.0)
        y = self._new(x, window, shape[-1], positive=activation == "relu")
        if added:
            y.room = Room((*added.room.shape[:3], y.channels))
        filters, size = functools.partial(_filters, layer, norm, scale), layer.w.size
        whole = Draft(program.CONVOLVE, window, x, y, filters, size, added, y.positive, next(self._numbers))
        # Decide for one picture, so that programs for several share the filters.
        if x.room.beyond in (None, 0.0) and winograd.suits((1,), shape, window, 1):
            self._winograd(whole, layer.w.data.itemsize)
        else:
            x.room.read(window, 0.0)
            self.drafts.append(whole)
        return y

    def _winograd(self, whole: Draft, itemsize: int) -> None:
        """Draft a convolution in tiles, in batches of pictures whose tiles stay in the cache."""
        x, y, window = whole.source, whole.target, whole.window
        x.room.read(window, 0.0, max(-length % winograd.OUTPUT for length in window.output))  # tiles may extend past x
        grid = math.prod(winograd.tiles_along(length) for length in window.output)
        count, outputs = x.room.shape[0], y.channels
        together = max(1, CACHE // (36 * grid * (x.channels + outputs) * itemsize))
        for first in range(0, count, together):
            images = first, min(together, count - first)
            tiles = images[1] * grid
            v, m = (View(Room((36, 1, tiles, channels)), channels) for channels in (x.channels, outputs))
            one, weights = slide("conv", (1, tiles), 1), x.channels * outputs
            self.drafts.append(Draft(program.INTO_TILES, window, x, v, images=images))
            products = dataclasses.replace(whole, window=one, source=v, target=m, weights=weights, products=True)
            self.drafts.append(dataclasses.replace(products, added=None, relu=False))
            self.drafts.append(dataclasses.replace(whole, kind=program.OUT_OF_TILES, source=m, images=images))

    def _pool(self, layer: Any, x: View) -> View:
        window = slide("pool", x.room.shape[1:3], layer.kernel_size, stride=layer.stride, padding=layer.padding)
        kind = POOLS[type(layer)]
        if kind == program.LARGEST:
            x.room.read(window, 0.0 if x.positive else -math.inf)
        elif kind == program.LENGTH:
            x.room.read(window, 0.0)
        elif any((*window.before, *window.after)):  # the mean excludes padding
            raise Unfit
        y = self._new(x, window, x.channels, positive=x.positive or kind == program.LENGTH)
        self.drafts.append(Draft(kind, window, x, y))
        return y

    def _top(self, layer: Any, norm: Any, x: View) -> View:
        """Draft a layer from pictures to vectors, or between vectors."""
        if type(layer) is nn.Dropout:
            if layer.training:
                raise Unfit
            return x
        if type(layer) is nn.Linear:
            if not x.flat:
                raise Unfit
            return dataclasses.replace(self._convolution(layer, norm, x), flat=True)
        if x.flat or (type(layer) is nn.Flatten and x.room.shape[1:3] != (1, 1)):
            raise Unfit
        if type(layer) is self.kinds.global_average:
            window = slide("pool", x.room.shape[1:3], x.room.shape[1:3])
            y = self._new(x, window, x.channels, positive=x.positive)
            self.drafts.append(Draft(program.MEAN, window, x, y))
            x = y
        return dataclasses.replace(x, flat=True)

    def _zeros(self, layer: Any, x: View) -> View:
        n, height, width, _ = x.room.shape
        more = layer.before + layer.after
        room = Room((n, height + more, width + more, x.channels), partial=True)
        self.drafts.append(Draft(program.LARGEST, slide("pad", (height, width), 1), x, View(room, x.channels)))
        self.drafts[-1].target.at = layer.before, layer.before
        return View(room, x.channels, positive=x.positive)

    def _branches(self, layer: Any, x: View) -> View:
        """Draft each branch into an array of its own, and then make these parts of one array."""
        begun = len(self.drafts)
        ends = [self._chain([branch], x) for branch in layer.branches]
        if any(end.flat or end.room is x.room for end in ends) or len({end.room.shape[:3] for end in ends}) > 1:
            raise Unfit
        channels = sum(end.channels for end in ends)
        room = Room((*ends[0].room.shape[:3], channels), partial=any(end.room.partial for end in ends))
        y = View(room, channels, positive=all(end.positive for end in ends))
        channel = 0
        for end in ends:
            for draft in self.drafts[begun:]:
                if draft.target.room is end.room:
                    own = draft.target
                    draft.target = dataclasses.replace(own, room=y.room, channel=channel + own.channel)
            channel += end.channels
        return y

    def _residual(self, layer: Any, x: View, past: View, *, filled: bool = False) -> View:
        """Draft a block whose last convolution adds `past`. filled: True if its output may be smaller."""
        before, convolution, norm = _ending(layer.change.layers)
        x = self._chain(before, x)
        if x.flat:
            raise Unfit
        y = self._convolution(convolution, norm, x, (past, layer))
        (height, width), (rows, columns) = y.room.shape[1:3], self.drafts[-1].window.output
        below, beside = height - rows, width - columns
        if min(below, beside) < 0 or ((below or beside) and not filled):
            raise Unfit
        for at, size in (((rows, 0), (below, width)), ((0, columns), (rows, beside))):
            if all(size):
                to = dataclasses.replace(past, at=at), dataclasses.replace(y, at=at)
                self.drafts.append(Draft(program.LARGEST, slide("pad", size, 1), *to))
        return y

    def _halving(self, layer: Any, x: View) -> View:
        """Draft the mean into an array with the channels of the result; missing channels are zero."""
        mean = self._pool(layer.average, x)
        if not mean.positive:  # copied elements do not pass through ReLU
            raise Unfit
        channels = _ending(layer.change.layers)[1].w.shape[-1]
        mean.room = Room((*mean.room.shape[:3], channels), partial=True)
        return self._residual(layer, x, dataclasses.replace(mean, channels=channels), filled=True)

    def _new(self, x: View, window: Window, channels: int, *, positive: bool) -> View:
        height, width = window.output
        return View(Room((x.room.shape[0], height, width, channels)), channels, positive=positive)


def _filters(layer: nn.Conv2d | nn.Linear, norm: nn.BatchNorm | None, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return w and b of a layer with its norm and the following scale folded in."""
    w, b = layer.w.data, None if layer.b is None else layer.b.data
    if norm is not None:
        both = fold(layer, norm)
        w, b = both.w, both.b
    elif b is None:
        b = np.zeros(w.shape[-1], w.dtype)
    return (w, b) if scale == 1 else (w * w.dtype.type(scale), b * w.dtype.type(scale))


def _ending(layers: Sequence[nn.Module]) -> tuple[Sequence[nn.Module], nn.Conv2d, nn.Module | None]:
    """Return the layers before the last convolution, it, and its batch norm, or None if it has none."""
    last = 2 if _normalized(layers[-2:]) else 1
    convolution = layers[-last] if layers else None
    if type(convolution) is not nn.Conv2d:
        raise Unfit
    return layers[:-last], convolution, layers[-1] if last == 2 else None


def _normalized(layers: Sequence[nn.Module]) -> bool:
    """Return True if the layers begin with a convolution or linear layer and its batch norm."""
    return len(layers) > 1 and type(layers[0]) in (nn.Conv2d, nn.Linear) and type(layers[1]) is nn.BatchNorm
