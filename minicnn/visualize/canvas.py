"""Synthetic pictures: numbers that an optimizer moves, and their conversion to pixels.

Natural pictures contain more of low frequencies than of high ones, and their three colours are correlated. The numbers
stand for frequencies and decorrelated colours, each scaled to its share. A step of the optimizer then changes a picture
in a natural way. Source: Olah, Mordvintsev & Schubert 2017, "Feature visualization".
"""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.tensor import Tensor

# Lightness, red against blue, green against both: the decorrelated colours of natural pictures, by Ohta, Kanade &
# Sakai 1980; each with its approximate standard deviation in photographs.
COLOURS = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]], np.float32)
COLOURS /= np.linalg.norm(COLOURS, axis=1, keepdims=True)
DEVIATIONS = np.array([[0.46], [0.13], [0.06]], np.float32)


@op(inputs=1)
def hartley(x):
    """Return the two-dimensional Hartley transform: Σ x[h, w] · (cos + sin)(2π (hu/H + wv/W)) / √(HW). x: (N, H, W, C).

    Real, orthogonal and symmetric: it is its own inverse, and its own backward. Source: Hartley 1942; Bracewell 1983.
    """

    def transform(x):
        spectrum = np.fft.fft2(x, axes=(1, 2), norm="ortho")
        return (spectrum.real - spectrum.imag).astype(x.dtype)

    return transform(x), transform


@op(inputs=1)
def sampled(x, rows, columns):
    """Return pictures resampled by two matrices: y[n, i, j, c] = Σ rows[i, h] · columns[j, w] · x[n, h, w, c].

    x: (N, H, W, C). rows: (H', H). columns: (W', W). They can shift, crop and scale, but not rotate.
    """
    if x.ndim != 4 or rows.shape[1:] != x.shape[1:2] or columns.shape[1:] != x.shape[2:3]:
        raise InputError(f"sampled: rows have shape {rows.shape}, columns {columns.shape}; not those of x {x.shape}")
    rows, columns = rows.astype(x.dtype), columns.astype(x.dtype)

    def through(x, rows, columns):
        across = np.matmul(columns, x)  # (W', W) times (N, H, W, C)
        return np.ascontiguousarray(np.moveaxis(np.tensordot(rows, across, axes=(1, 1)), 0, 1))

    def backward(dy):
        return through(dy, rows.T, columns.T)

    return through(x, rows, columns), backward


def window(length: int, output: int, scale: float, shift: float) -> np.ndarray:
    """Return the matrix (output, length) that samples a line of pixels `scale` apart, moved by `shift` from the middle.

    Each sample interpolates between its two neighbours. Beyond the edge it is the last pixel.
    """
    places = (length - 1) / 2 + shift + scale * (np.arange(output) - (output - 1) / 2)
    places = np.clip(places, 0, length - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(length)))


class Canvas:
    """A batch of `count` pictures (count, H, W, 3), computed from `numbers`, which an optimizer may move."""

    def __init__(self, count: int, size: tuple[int, int], *, seed: int = 0, contrast: float = 0.3) -> None:
        height, width = size
        down, across = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
        frequency = np.maximum(np.hypot(down, across), 1 / max(size))
        share = 1 / frequency
        self.shares = (share / np.sqrt(np.mean(share**2)))[None, :, :, None].astype(np.float32)
        drawn = np.random.default_rng(seed).standard_normal((1, height, width, 3), np.float32)
        self.numbers = Tensor(np.repeat(contrast * drawn, count, axis=0), requires_grad=True)

    def picture(self) -> Tensor:
        """Return the pictures, in [0, 1]."""
        colours = ops.matmul(hartley(self.numbers * self.shares), DEVIATIONS * COLOURS)
        return ops.sigmoid(colours * 4.0)
