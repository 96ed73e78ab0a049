"""Where a sliding window goes: output sizes, padding and receptive fields, in plain Python."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from minicnn.errors import InputError


@dataclass(frozen=True)
class Window:
    """A window sliding over one, two or three spatial dimensions; every field has one entry a dimension.

    Output position o and tap k meet at input position o · stride + k · dilation − before; what lies outside the
    input is padding.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    output: tuple[int, ...]

    @functools.cached_property
    def taps(self) -> int:
        """The number of positions in the window."""
        return math.prod(self.size)


def slide(
    name: str, spatial: Sequence[int], size: Any, *, stride: Any = 1, dilation: Any = 1, padding: Any = 0
) -> Window:
    """The Window over an input of `spatial` sizes. name: the op, for messages.

    size, stride, dilation: an int, or one a dimension.
    padding: an int; one int a dimension; one (before, after) pair a dimension; "valid", none; or "same",
    TensorFlow's rule: ceil(input / stride) outputs, an odd leftover goes after.
    """
    rank = len(spatial)
    sizes = one_each(name, "size", size, rank, least=1)
    strides = one_each(name, "stride", stride, rank, least=1)
    dilations = one_each(name, "dilation", dilation, rank, least=1)
    spans = tuple((k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True))
    pads = _padding(name, padding, spatial, spans, strides)
    outputs = []
    for axis, (n, span, step, (before, after)) in enumerate(zip(spatial, spans, strides, pads, strict=True)):
        if span > n + before + after:
            raise InputError(
                f"{name}: the window spans {span} along dimension {axis}, more than the padded input "
                f"{n + before + after} (input {tuple(spatial)}, window {sizes}, padding {pads})"
            )
        outputs.append((n + before + after - span) // step + 1)
    befores, afters = zip(*pads, strict=True)
    return Window(sizes, strides, dilations, befores, afters, tuple(outputs))


def one_each(name: str, what: str, value: Any, rank: int, *, least: int) -> tuple[int, ...]:
    """`value` as one int a dimension; an int stands for all. name, what: the op and its argument, for messages."""
    if type(value) is int and value >= least:
        return (value,) * rank
    values = (value,) * rank if _is_int(value) else value
    if (
        not isinstance(values, (tuple, list))
        or len(values) != rank
        or not all(_is_int(v) and v >= least for v in values)
    ):
        raise InputError(f"{name}: {what} is {value!r}; expected an int of at least {least}, or {rank} of them")
    return tuple(int(v) for v in values)


def _is_int(value: Any) -> bool:
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))  # the first is quick


def _padding(
    name: str, padding: Any, spatial: Sequence[int], spans: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    if type(padding) is int and padding >= 0:
        return ((padding, padding),) * len(spatial)
    rule = padding if isinstance(padding, str) else None  # an array, say, would be compared element by element
    if rule == "valid":
        return ((0, 0),) * len(spatial)
    if rule == "same":
        pads = []
        for n, span, step in zip(spatial, spans, strides, strict=True):
            total = max((math.ceil(n / step) - 1) * step + span - n, 0)
            pads.append((total // 2, total - total // 2))
        return tuple(pads)
    entries = (padding,) * len(spatial) if _is_int(padding) else padding
    if isinstance(entries, (tuple, list)) and len(entries) == len(spatial):
        pairs = [(e, e) if _is_int(e) else e for e in entries]
        if all(_is_pair(p) for p in pairs):
            return tuple((int(before), int(after)) for before, after in pairs)
    raise InputError(
        f"{name}: padding is {padding!r}; expected an int, {len(spatial)} ints, "
        f'{len(spatial)} pairs (before, after), "same" or "valid"'
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(_is_int(v) and v >= 0 for v in value)


@dataclass(frozen=True)
class Field:
    """What one output element sees of the input: `size` pixels a side, and its neighbour the same `step` pixels on."""

    size: tuple[int, ...]
    step: tuple[int, ...]

    @classmethod
    def of_a_pixel(cls, rank: int) -> Field:
        """Of the input itself."""
        return cls((1,) * rank, (1,) * rank)

    def through(self, window: Window) -> Field:
        """Of what slides `window` over elements of this field: (span − 1) steps more, and longer steps."""
        axes = zip(self.size, self.step, window.size, window.dilation, window.stride, strict=True)
        wider = [(size + (k - 1) * d * step, step * stride) for size, step, k, d, stride in axes]
        sizes, steps = zip(*wider, strict=True)
        return Field(sizes, steps)

    def joined(self, other: Field) -> Field:
        """Of what is made from elements of both, as a branch and its neighbour: the wider, in the shorter steps."""
        sizes = tuple(map(max, self.size, other.size))
        return Field(sizes, tuple(map(min, self.step, other.step)))


def receptive_field(windows: Iterable[Window], rank: int) -> tuple[int, ...]:
    """How many input pixels a side one output element sees, after sliding `windows` one upon the other."""
    return functools.reduce(Field.through, windows, Field.of_a_pixel(rank)).size
