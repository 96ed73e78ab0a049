"""The memory that the compiled convolutions work in, for an estimate of a run, and the way they cut their work, for the
tape.
"""

from __future__ import annotations

import math
from typing import Any

from minicnn.fast.cpu import cache, conv, places, winograd
from minicnn.fast.cpu.micro_kernel import ROWS, columns
from minicnn.fast.cpu.winograd.compiled import SHARED
from minicnn.kernels.geometry import Window

TURNED = 16 << 20  # bytes that the transforms of the largest filters take while they are turned


def conv_is_fused(x_shape: tuple[int, ...], w_shape: tuple[int, ...], window: Window, groups: int) -> bool:
    """Return True if convolution, ReLU and mean are one pass, without an array between them."""
    return winograd.suits(x_shape, w_shape, window, groups)


def conv_filter_bytes(nbytes: int, fused: bool) -> int:
    """Return the bytes in which filters are remembered while they are frozen: a tile's 36 numbers for 9 taps, or the
    filters in panels, and once more turned.
    """
    return (4 if fused else 2) * nbytes


def conv_scratch() -> int:
    """Return the bytes that kernels work in, whatever the size of the picture: blocks of tiles that threads share, and
    filters while they are turned.
    """
    return SHARED + TURNED


def cache_budget() -> int:
    """Return the most bytes that are remembered of frozen arrays."""
    return cache.cache.budget


def conv_blocks(x: Any, w: Any, window: Window, groups: int) -> dict[str, Any]:
    """Return how the work of a convolution is cut up: kernel, and its sizes."""
    shape = len(x), *window.output, w.shape[-1]
    if winograd.suits(x.shape, w.shape, window, groups):
        return {"kernel": "winograd", "group": winograd.OUTPUT}
    reading = places.of_outputs(window, x.shape, shape, groups)
    block = conv.outputs_a_block(x.nbytes, math.prod(shape[:-1]))
    panel = columns(x.dtype.itemsize)
    return {"kernel": "gathered", "block": block, "group": ROWS, "panel": panel, "whole": len(reading.parts) == 1}
