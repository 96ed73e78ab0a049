"""In which order files keep the axes of an array. What is read goes through these, and what is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """shape: of the array in the file. view: our array as a view of itself in the order that the file has; it may
    have more axes than the file, but its elements follow one another as there.
    """

    shape: Shape
    view: Callable[[np.ndarray], np.ndarray]


def ours(shape: Shape) -> Order:
    """As minicnn has it, and Keras: kernels (*kernel, in, out), matrices (in, out)."""
    return Order(shape, lambda array: array)


def turned(shape: Shape) -> Order:
    """Kernels turned by 180°: Theano computes convolutions, everyone else correlations."""
    spatial = len(shape) - 2
    return Order(shape, lambda array: array[(slice(None, None, -1),) * spatial])


def channels_first(shape: Shape, turn: bool) -> Order:
    """Kernels (out, in, *kernel), as Keras 1 had them on Theano; there they were also turned."""
    spatial = tuple(range(len(shape) - 2))
    there = shape[-1], shape[-2], *shape[:-2]
    back = turned(shape) if turn else ours(shape)
    return Order(there, lambda array: back.view(array).transpose(-1, -2, *spatial))


def flattened_channels_first(shape: Shape, channels: int) -> Order | None:
    """A matrix behind a picture that was flattened as (C, H, W), where ours is flattened as (H, W, C).

    None when H and W cannot be known: pictures are taken for squares.
    """
    side = math.isqrt(shape[0] // channels)
    if side * side * channels != shape[0]:
        return None
    return Order(shape, lambda array: array.reshape(side, side, channels, -1).transpose(2, 0, 1, 3))


def locally_connected(shape: Shape) -> Order:
    """Filters (*output, *kernel, in, out), which Keras has as (positions, taps · in, out)."""
    spatial = (len(shape) - 2) // 2
    positions, taps = math.prod(shape[:spatial]), math.prod(shape[spatial:-1])
    return Order((positions, taps, shape[-1]), lambda array: array.reshape(positions, taps, -1))


def slopes(shape: Shape, rank: int) -> Order:
    """A slope a channel, which Keras has as (1, …, 1, C)."""
    there = (1,) * (rank - 1) + shape
    return Order(there, lambda array: array.reshape(there))
