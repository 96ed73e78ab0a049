"""Axis orders of arrays in files. Both the loader and the writer use them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Order:
    """An axis order.

    shape: shape of the array in the file. view: return our array as a view with its elements in the order of the file.
    The view may have more axes than the array in the file.
    """

    shape: Shape
    view: Callable[[np.ndarray], np.ndarray]


def ours(shape: Shape) -> Order:
    """Return the order of minicnn and Keras: kernels (*kernel, in, out), matrices (in, out)."""
    return Order(shape, lambda array: array)


def turned(shape: Shape) -> Order:
    """Return the order of kernels rotated by 180°: Theano computes convolutions, other backends correlations."""
    spatial = len(shape) - 2
    return Order(shape, lambda array: array[(slice(None, None, -1),) * spatial])


def channels_first(shape: Shape, turn: bool) -> Order:
    """Return the order of Keras 1 on Theano: kernels (out, in, *kernel). turn: they are also rotated by 180°."""
    spatial = tuple(range(len(shape) - 2))
    there = shape[-1], shape[-2], *shape[:-2]
    back = turned(shape) if turn else ours(shape)
    return Order(there, lambda array: back.view(array).transpose(-1, -2, *spatial))


def flattened_channels_first(shape: Shape, channels: int) -> Order | None:
    """Return the order of a matrix that follows a (C, H, W) flattening; ours follows a (H, W, C) flattening.

    Pictures are taken to be square. Returns None if H and W cannot be inferred.
    """
    side = math.isqrt(shape[0] // channels)
    if side * side * channels != shape[0]:
        return None
    return Order(shape, lambda array: array.reshape(side, side, channels, -1).transpose(2, 0, 1, 3))


def locally_connected(shape: Shape) -> Order:
    """Return the order of filters (*output, *kernel, in, out), which Keras stores as (positions, taps · in, out)."""
    spatial = (len(shape) - 2) // 2
    positions, taps = math.prod(shape[:spatial]), math.prod(shape[spatial:-1])
    return Order((positions, taps, shape[-1]), lambda array: array.reshape(positions, taps, -1))


def slopes(shape: Shape, rank: int) -> Order:
    """Return the order of slopes per channel, which Keras stores as (1, …, 1, C) with `rank` axes."""
    there = (1,) * (rank - 1) + shape
    return Order(there, lambda array: array.reshape(there))
