"""Pooling layers for signals, pictures and volumes."""

from __future__ import annotations

from collections.abc import Callable

from minicnn import ops
from minicnn.kernels.geometry import Padding, Several
from minicnn.nn.activations import Plain
from minicnn.nn.module import Sliding
from minicnn.tensor import Tensor


class _Pool(Sliding):
    """A pooling layer. kernel_size: the size in ops.max_pool. stride (default: kernel_size), padding: as there."""

    pool: Callable[..., Tensor]

    def __init__(
        self, kernel_size: Several, *, stride: Several | None = None, padding: Padding = 0, name: str | None = None
    ) -> None:
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.name = padding, name
        self.window()  # checks the arguments

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x, self.kernel_size, stride=self.stride, padding=self.padding)


class _MaxPool(_Pool):
    pool = staticmethod(ops.max_pool)


class _AvgPool(_Pool):
    pool = staticmethod(ops.avg_pool)


class _L2Pool(_Pool):
    pool = staticmethod(ops.l2_pool)


class GlobalAvgPool(Plain):
    """The mean over all positions: (N, *spatial, C) to (N, C)."""

    operation = staticmethod(lambda x: ops.mean(x, axis=tuple(range(1, x.ndim - 1))))


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
