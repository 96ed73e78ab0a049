"""Exact receptive fields: the pixels that each output of a layer depends on, for a given picture size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minicnn import nn
from minicnn.errors import InputError
from minicnn.kernels.geometry import slide
from minicnn.models.blocks import Branches, Chain, GlobalAverage, Halving, Residual, ZeroPad2d
from minicnn.models.network import Network
from minicnn.nn.module import Sliding

Spans = list[np.ndarray]  # one array per axis: (positions, 2), the first pixel and one past the last

POINTWISE = (nn.BatchNorm, nn.ReLU, nn.PReLU, nn.Sigmoid, nn.Dropout, nn.LocalResponseNorm, nn.L2Normalize)
WHOLE = (nn.Flatten, nn.Linear, GlobalAverage)


@dataclass(frozen=True)
class Fields:
    """The receptive fields of all outputs of a layer.

    rows (H', 2), columns (W', 2): the first pixel that outputs in that row or column depend on, and one past the last.
    They are clipped to the picture. whole: True if outputs have no position and all depend on the whole picture.
    """

    rows: np.ndarray
    columns: np.ndarray
    whole: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the largest field; fields clipped at the border are smaller."""
        height, width = (int(np.max(spans[:, 1] - spans[:, 0])) for spans in (self.rows, self.columns))
        return height, width

    def box(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Return the field of the output at a position: top, bottom, left, right; bottom and right are exclusive."""
        if self.whole:
            row = column = 0
        (top, bottom), (left, right) = self.rows[row].tolist(), self.columns[column].tolist()
        return top, max(top, bottom), left, max(left, right)


def fields_of(model: Network, layer: str, size: tuple[int, int]) -> Fields:
    """Return the receptive fields of a layer for pictures of size (height, width).

    They are exact for every network of minicnn.models, including at the borders. All pixels between the first and the
    last of a field count, though dilated filters may skip some.
    Raises InputError if the layer does not exist, or if a layer before it is of an unknown kind.
    """
    model.check_layer(layer)
    walk = _Walk(layer.removesuffix(".linear"), size)
    walk.through(model.layers, [np.stack([np.arange(n), np.arange(n) + 1], axis=1) for n in size])
    if walk.found is None:
        return Fields(np.array([[0, size[0]]]), np.array([[0, size[1]]]), whole=True)
    rows, columns = walk.found
    return Fields(rows, columns)


class _Walk:
    """A traversal of the layers from the pixels to a layer. Spans are None for the whole picture.

    It stops at that layer, since pictures may be too small for the layers after it. found: the spans of that layer.
    """

    def __init__(self, wanted: str, size: tuple[int, int]) -> None:
        self.wanted, self.size = wanted, size
        self.reached = False
        self.found: Spans | None = None

    def through(self, layers: Iterable[nn.Module], spans: Spans | None) -> Spans | None:
        """Return the spans after the layers, from the `spans` before them."""
        for layer in layers:
            spans = self.after(layer, spans)
            if self.reached:
                break
            if layer.name == self.wanted:
                self.reached, self.found = True, spans
                break
        return spans

    def after(self, layer: nn.Module, spans: Spans | None) -> Spans | None:
        """Return the spans after one layer. Stops inside it if it contains the wanted layer."""
        if isinstance(layer, Chain):
            return self.through(layer.layers, spans)
        if isinstance(layer, Branches | Residual | Halving):
            branches = layer.branches if isinstance(layer, Branches) else [layer.change]
            ends = [spans] if isinstance(layer, Residual) else []
            for branch in [layer.average, *branches] if isinstance(layer, Halving) else branches:
                ends.append(self.through([branch], spans))
                if self.reached:
                    return None
            return _joined(ends)
        if spans is None or isinstance(layer, WHOLE):
            return None
        if isinstance(layer, ZeroPad2d):
            around = [(_nothing(layer.before, n), _nothing(layer.after, n)) for n in self.size]
            return [np.concatenate([before, s, after]) for s, (before, after) in zip(spans, around, strict=True)]
        if isinstance(layer, Sliding):
            return _slid(layer, spans, self.size)
        if isinstance(layer, POINTWISE):
            return spans
        kind = type(layer).__name__
        raise InputError(f"fields_of: layer {layer.name!r} is a {kind}, whose receptive field is not known")


def _nothing(count: int, length: int) -> np.ndarray:
    """Return (count, 2) empty spans, which leave others unchanged when joined with them."""
    return np.tile([length, 0], (count, 1))


def _slid(layer: Sliding, spans: Spans, size: tuple[int, int]) -> Spans:
    """Return the joined spans under each window; padding adds nothing."""
    window = slide(
        str(layer.name),
        [len(s) for s in spans],
        layer.kernel_size,
        stride=layer.stride,
        dilation=layer.dilation,
        padding=getattr(layer, "padding", 0),
    )
    wider = []
    for axis, (before, length) in enumerate(zip(spans, size, strict=True)):
        first = np.arange(window.output[axis]) * window.stride[axis] - window.before[axis]
        after = _nothing(window.output[axis], length)
        for tap in range(window.size[axis]):
            under = first + tap * window.dilation[axis]
            inside = (under >= 0) & (under < len(before))
            after[inside] = _join(after[inside], before[under[inside]])
        wider.append(after)
    return wider


def _join(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return spans that cover both. Where one array ends, the spans of the other are left, as Halving fills up."""
    short, long = sorted((first, second), key=len)
    same = long[: len(short)]
    both = np.stack([np.minimum(short[:, 0], same[:, 0]), np.maximum(short[:, 1], same[:, 1])], axis=1)
    return np.concatenate([both, long[len(short) :]])


def _joined(branches: list[Spans | None]) -> Spans | None:
    joined = branches[0]
    for branch in branches[1:]:
        if joined is None or branch is None:
            return None
        joined = [_join(first, second) for first, second in zip(joined, branch, strict=True)]
    return joined
