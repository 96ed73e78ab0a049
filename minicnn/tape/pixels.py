"""One output of a convolution, every way it is computed: loop counters, row and column of im2col, compiled kernels.

Each way adds up the same products. They differ in which thread computes which product, where, and when.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import backend
from minicnn.errors import InputError
from minicnn.kernels.geometry import Window
from minicnn.tape import notation
from minicnn.tape.explanation import element
from minicnn.tape.products import window_of
from minicnn.tensor import Tensor

if TYPE_CHECKING:
    from minicnn.tape.recorder import Recorder, Step

SHOWN = 12  # products printed


@dataclass(frozen=True)
class Tiling:
    """The tiling by which the threads of a GPU share the matrix of outputs, positions × filters.

    A block covers `rows` × `columns` outputs, and a thread `rows_each` × `columns_each`. If `flat` is not 0, a block
    is a run of `flat` outputs, one per thread. reads: what a thread reads, in words.
    """

    name: str
    rows: int = 0
    columns: int = 0
    rows_each: int = 1
    columns_each: int = 1
    flat: int = 0
    reads: str = ""


@functools.cache
def tilings() -> list[Tiling]:
    """Return the tilings that the CUDA kernels report; an empty list without that backend."""
    try:
        return [Tiling(*row) for row in backend.ask("conv_tilings", otherwise=())]
    except ImportError:  # the backend is installed, but Numba's CUDA target is not
        return []


@dataclass(frozen=True)
class Place:
    """The position of an output among those of its layer, and the sizes of the compiled kernel's blocks.

    row, column: in the matrix positions × filters. kernel: "winograd", or "gathered" for windows read in place;
    empty without a compiled kernel.
    block: outputs that share a pass through a panel; group: outputs per micro-kernel; panel: filters per panel.
    """

    rows: int
    columns: int
    depth: int
    kernel: str
    block: int = 0
    group: int = 0
    panel: int = 0
    whole: bool = True  # the outputs are one contiguous run, without their own borders


def cut(step: Step) -> Place:
    """Return the sizes for a recorded convolution."""
    x, w = (value.array for value in step.inputs[:2])
    window, groups = window_of(step), step.arguments.get("groups", 1)
    shape = len(x), *window.output, w.shape[-1]
    rows, depth = math.prod(shape[:-1]), window.taps * w.shape[-2]
    sizes = backend.ask("conv_blocks", x, w, window, groups, otherwise={"kernel": ""})
    return Place(rows, shape[-1], depth, **sizes)


@dataclass(frozen=True)
class Tap:
    """One product of the sum: the counters k and c, the elements they lead to, and the values there."""

    k: tuple[int, ...]
    c: int
    at_x: tuple[int, ...]
    at_w: tuple[int, ...]
    x: float
    w: float

    @property
    def product(self) -> float:
        return self.x * self.w


@dataclass(frozen=True)
class Pixel:
    """y[index] of a recorded convolution: its value, the bias, and the products in the order of the loops.

    Products with padding are left out and counted.
    """

    names: tuple[str, str, str]  # names of y, x and w
    index: tuple[int, ...]
    value: float
    bias: float
    taps: list[Tap]
    padding: int
    window: Window
    groups: int
    row: int
    column: int
    place: Place

    @property
    def total(self) -> float:
        """The bias plus the products, without intermediate rounding."""
        return math.fsum([self.bias, *(tap.product for tap in self.taps)])

    def __str__(self) -> str:
        return "\n".join([*_head(self), *_loops(self), *_matrix(self), *_compiled(self), *_threads(self)])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def pixel_of(tape: Recorder, tensor: Tensor | str, index: Any) -> Pixel:
    """Return the Pixel that Tape.pixel describes."""
    value = tape.find(tensor, asked_by="pixel")
    step = value.made_by
    if step is None or step.name != "conv":
        made = f"made by {step.name}" if step is not None else "not made on this tape"
        raise InputError(f"pixel: {value.name} is {made}; expected the output of a convolution")
    index = element("pixel", value, index)
    x, w = step.inputs[:2]
    bias = step.inputs[2].array[index[-1]] if step.inputs[2].array.ndim else 0.0
    window, groups = window_of(step), step.arguments.get("groups", 1)
    n, *o, j = index
    channels = w.array.shape[-2]
    first = j // (w.array.shape[-1] // groups) * channels
    taps, padding = [], 0
    for k in itertools.product(*map(range, window.size)):
        axes = zip(o, k, window.stride, window.dilation, window.before, strict=True)
        position = tuple(oi * s + ki * d - before for oi, ki, s, d, before in axes)
        if any(not 0 <= p < size for p, size in zip(position, x.array.shape[1:-1], strict=True)):
            padding += channels
            continue
        for c in range(channels):
            at_x, at_w = (n, *position, first + c), (*k, c, j)
            taps.append(Tap(k, c, at_x, at_w, float(x.array[at_x]), float(w.array[at_w])))
    row = int(np.ravel_multi_index((n, *o), (len(x.array), *window.output)))
    names = value.name, x.name, w.name
    number, place = float(value.array[index]), cut(step)
    return Pixel(names, index, number, float(bias), taps, padding, window, groups, row, j, place)


def _head(pixel: Pixel) -> list[str]:
    y, x, w = pixel.names
    what = f"{notation.place(y, pixel.index)} = {notation.number(pixel.value, 10)}"
    also = f"; {pixel.padding} more meet padding" if pixel.padding else ""
    return [f"{what}   bias {notation.number(pixel.bias)} and {len(pixel.taps)} products of {x} and {w}{also}"]


def _loops(pixel: Pixel) -> list[str]:
    _, x, w = pixel.names
    n, *o, j = pixel.index
    rows = [
        (notation.signed(t.product, 6), str(t.k), str(t.c), notation.place(x, t.at_x), notation.place(w, t.at_w))
        for t in pixel.taps
    ]
    head = ("product", "k", "c", "", "")
    widths = [max(len(row[i]) for row in [head, *rows[:SHOWN]]) for i in range(5)]
    lines = [f"  the loops (naive_conv.py): n = {n}, o = {tuple(o)}, j = {j}; inside them k and c run"]
    for product, k, c, at_x, at_w in [head, *rows[:SHOWN]]:
        factors = f"{at_x:<{widths[3]}} × {at_w}" if at_x else ""
        lines.append(f"    {product:>{widths[0]}}  {k:<{widths[1]}}  {c:>{widths[2]}}  {factors}".rstrip())
    if len(rows) > SHOWN:
        rest = math.fsum(t.product for t in pixel.taps[SHOWN:])
        lines.append(f"    {notation.signed(rest, 6):>{widths[0]}}  {len(rows) - SHOWN} more")
    return lines


def _matrix(pixel: Pixel) -> list[str]:
    place = pixel.place
    group = f" of group {pixel.column // (place.columns // pixel.groups)}" if pixel.groups > 1 else ""
    return [
        f"  im2col (conv.py): row {pixel.row} of {place.rows} patches × column {pixel.column} of {place.columns} "
        f"filters{group}, {place.depth} numbers each"
    ]


def _compiled(pixel: Pixel) -> list[str]:
    place, per = pixel.place, pixel.place.columns // pixel.groups
    head = "  compiled (fast/cpu/conv.py): "
    if not place.kernel:
        return []
    if place.kernel == "winograd":
        _, *o, _ = pixel.index
        tile, inside = [i // place.group for i in o], [i % place.group for i in o]
        return [
            "  compiled (fast/cpu/winograd/compiled.py): "
            f"output {tuple(inside)} of the 4×4 of tile {tuple(tile)}, which see 6×6 pixels together"
        ]
    panel, lane = divmod(pixel.column % per, place.panel)
    filters = f"panel {panel} of {-(-per // place.panel)}, lane {lane} of {place.panel}"
    if not place.whole:
        return [f"{head}{filters}; the picture is large, and its borders are read from a copy"]
    block, inside_block = divmod(pixel.row, place.block)
    group, row = divmod(inside_block, place.group)
    blocks = -(-place.rows // place.block)
    return [f"{head}block {block} of {blocks}, sum {row} of {place.group} in its group {group}; {filters}"]


def _threads(pixel: Pixel) -> list[str]:
    row, column, columns = pixel.row, pixel.column, pixel.place.columns
    return [f"  CUDA, {t.name}: {thread_of(t, row, column, columns, pixel.groups)}" for t in tilings()]


def thread_of(tiling: Tiling, row: int, column: int, columns: int, groups: int = 1) -> str:
    """Return the block and thread that compute the output in this row and column, and what the thread reads.

    Each group has its own tiles, in one layer of blocks.
    """
    if tiling.flat:
        block, thread = divmod(row * columns + column, tiling.flat)
        where = f"block {block}, thread {thread}"
    else:
        layer, column = divmod(column, columns // groups)
        down, across = row // tiling.rows, column // tiling.columns
        y, x = row % tiling.rows // tiling.rows_each, column % tiling.columns // tiling.columns_each
        where = f"block (x {down}, y {across}, z {layer}), thread (x {x}, y {y})"
    return f"{where}; reads {tiling.reads}" if tiling.reads else where


def for_page(step: Step) -> dict[str, Any]:
    """Return the data from which the page describes any output of the step."""
    window = window_of(step)
    return {
        "window": asdict(window),
        "groups": step.arguments.get("groups", 1),
        "place": asdict(cut(step)),
        "tilings": [asdict(t) for t in tilings()],
    }
