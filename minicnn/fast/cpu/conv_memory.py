"""The working memory of the compiled convolutions, for estimates, and their blocking, for the tape."""

from __future__ import annotations

import math
from typing import Any

from minicnn.fast.cpu import cache, conv, places, winograd
from minicnn.fast.cpu.micro_kernel import ROWS, columns
from minicnn.fast.cpu.winograd.compiled import SHARED
from minicnn.kernels.geometry import Window

TURNED = 16 << 20  # bytes of the largest filters' transforms while they are transposed


def conv_is_fused(x_shape: tuple[int, ...], w_shape: tuple[int, ...], window: Window, groups: int) -> bool:
    """Return True if convolution, ReLU and average pooling run in one pass, without intermediate arrays."""
    return winograd.suits(x_shape, w_shape, window, groups)


def conv_filter_bytes(nbytes: int, fused: bool) -> int:
    """Return the bytes of the cached forms of frozen filters: 36 numbers per 9 taps, or panels in both directions."""
    return (4 if fused else 2) * nbytes


def conv_scratch() -> int:
    """Return the bytes of working memory that do not depend on the picture: shared tiles, and transposed filters."""
    return SHARED + TURNED


def cache_budget() -> int:
    """Return the budget of the cache in bytes."""
    return cache.cache.budget


def conv_blocks(x: Any, w: Any, window: Window, groups: int) -> dict[str, Any]:
    """Return the kernel of a convolution and its block sizes."""
    shape = len(x), *window.output, w.shape[-1]
    if winograd.suits(x.shape, w.shape, window, groups):
        return {"kernel": "winograd", "group": winograd.OUTPUT}
    reading = places.of_outputs(window, x.shape, shape, groups)
    block = conv.outputs_a_block(x.nbytes, math.prod(shape[:-1]))
    panel = columns(x.dtype.itemsize)
    return {"kernel": "gathered", "block": block, "group": ROWS, "panel": panel, "whole": len(reading.parts) == 1}
