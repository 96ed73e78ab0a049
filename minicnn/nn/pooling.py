"""Pooling layers for signals, pictures and volumes."""

from __future__ import annotations

from typing import Any

from minicnn import ops
from minicnn.nn.module import Sliding
from minicnn.tensor import Tensor


class _Pool(Sliding):
    """A pooling layer. size, stride (default: size), padding: as in ops.max_pool."""

    def __init__(self, size: Any, *, stride: Any = None, padding: Any = 0, name: str | None = None) -> None:
        self.size, self.stride = size, size if stride is None else stride
        self.padding, self.name = padding, name
        self.window()  # checks the arguments


class _MaxPool(_Pool):
    def forward(self, x: Tensor) -> Tensor:
        return ops.max_pool(x, self.size, stride=self.stride, padding=self.padding)


class _AvgPool(_Pool):
    def forward(self, x: Tensor) -> Tensor:
        return ops.avg_pool(x, self.size, stride=self.stride, padding=self.padding)


class _L2Pool(_Pool):
    def forward(self, x: Tensor) -> Tensor:
        return ops.l2_pool(x, self.size, stride=self.stride, padding=self.padding)


class MaxPool1d(_MaxPool):
    """A layer for max pooling of signals (N, L, C)."""

    rank = 1


class MaxPool2d(_MaxPool):
    """A layer for max pooling of pictures (N, H, W, C)."""

    rank = 2


class MaxPool3d(_MaxPool):
    """A layer for max pooling of volumes (N, D, H, W, C)."""

    rank = 3


class AvgPool1d(_AvgPool):
    """A layer for average pooling of signals (N, L, C)."""

    rank = 1


class AvgPool2d(_AvgPool):
    """A layer for average pooling of pictures (N, H, W, C)."""

    rank = 2


class AvgPool3d(_AvgPool):
    """A layer for average pooling of volumes (N, D, H, W, C)."""

    rank = 3


class L2Pool1d(_L2Pool):
    """A layer for L2 pooling, √(Σ x²) under each window, of signals (N, L, C)."""

    rank = 1


class L2Pool2d(_L2Pool):
    """A layer for L2 pooling, √(Σ x²) under each window, of pictures (N, H, W, C)."""

    rank = 2


class L2Pool3d(_L2Pool):
    """A layer for L2 pooling, √(Σ x²) under each window, of volumes (N, D, H, W, C)."""

    rank = 3
