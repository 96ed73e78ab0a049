"""The geometry of sliding windows: output sizes, padding and receptive fields, in plain Python."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

from minicnn.errors import InputError, nearest

Several = int | Sequence[int]  # one for all dimensions, or one per dimension
Padding = Several | Sequence[Sequence[int]] | Literal["same", "valid"]


@dataclass(frozen=True)
class Window:
    """A window that slides over one, two or three spatial dimensions. Every field has one entry per dimension.

    At output position o, tap k reads input position o · stride + k · dilation − before. Positions outside the input
    are padding.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    output: tuple[int, ...]

    @functools.cached_property
    def taps(self) -> int:
        """Number of positions in the window."""
        return math.prod(self.size)


def slide(
    name: str, spatial: Sequence[int], size: Any, *, stride: Any = 1, dilation: Any = 1, padding: Any = 0
) -> Window:
    """Return the Window that slides over an input of sizes `spatial`. name: the op, for messages.

    size, stride, dilation: an int, or one per dimension.
    padding: an int, one int per dimension, or one (before, after) pair per dimension. Or "valid", no padding; or
    "same", TensorFlow's rule: ceil(input / stride) outputs, with odd padding after the input.
    Raise InputError for any other value, or if the window exceeds the padded input.
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


def likely_cause(shape: Sequence[int], ndim: int, channels: int | None = None) -> str:
    """Return a guess at why an input does not fit, such as "; is the batch axis missing? …", or "" without a guess.

    shape: the input's. Expected are `ndim` dimensions (N, *spatial, C), with C = channels if that is given.
    """
    if len(shape) == ndim - 1 and channels == 1 != shape[-1]:
        return "; is the channel axis missing? x[..., None] adds it"
    if len(shape) == ndim - 1 and channels in (None, shape[-1]):
        return "; is the batch axis missing? x[None] adds it"
    if len(shape) == ndim and shape[1] == channels != shape[-1]:
        return f"; is it channels-first? x.transpose{(0, *range(2, ndim), 1)} moves the channels last"
    return ""


def one_each(name: str, what: str, value: Any, rank: int, *, least: int) -> tuple[int, ...]:
    """Return `value` as one int per dimension; a single int applies to all.

    name, what: the op and its argument, for messages. Raise InputError for anything but ints of at least `least`.
    """
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
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))  # the first test is fast


def _padding(
    name: str, padding: Any, spatial: Sequence[int], spans: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    if type(padding) is int and padding >= 0:
        return ((padding, padding),) * len(spatial)
    rule = padding if isinstance(padding, str) else None  # comparing an array with "valid" would be elementwise
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
    cause = nearest(rule, ("same", "valid")) if rule else ""
    raise InputError(
        f"{name}: padding is {padding!r}; expected an int, {len(spatial)} ints, "
        f'{len(spatial)} pairs (before, after), "same" or "valid"{cause}'
    )


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(_is_int(v) and v >= 0 for v in value)


@dataclass(frozen=True)
class Field:
    """The receptive field of an output element: `size` input pixels per dimension.

    The field of the next output element is shifted by `step` pixels.
    """

    size: tuple[int, ...]
    step: tuple[int, ...]

    @classmethod
    def of_a_pixel(cls, rank: int) -> Field:
        """Return the field of an input pixel: size 1, step 1."""
        return cls((1,) * rank, (1,) * rank)

    def through(self, window: Window) -> Field:
        """Return the field after `window` slides over such elements: size + (span − 1) · step, step · stride."""
        axes = zip(self.size, self.step, window.size, window.dilation, window.stride, strict=True)
        wider = [(size + (k - 1) * d * step, step * stride) for size, step, k, d, stride in axes]
        sizes, steps = zip(*wider, strict=True)
        return Field(sizes, steps)

    def joined(self, other: Field) -> Field:
        """Return the field of elements computed from both, as where branches join: larger size, smaller step."""
        sizes = tuple(map(max, self.size, other.size))
        return Field(sizes, tuple(map(min, self.step, other.step)))


def receptive_field(windows: Iterable[Window], rank: int) -> tuple[int, ...]:
    """Return the receptive field of an output element after all `windows`, in input pixels per dimension."""
    return functools.reduce(Field.through, windows, Field.of_a_pixel(rank)).size
