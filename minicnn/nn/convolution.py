"""Convolution of signals, pictures and volumes, with shared filters and without."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.kernels.geometry import one_each, slide
from minicnn.nn.initial import Seed, initial_values
from minicnn.nn.sliding import Sliding
from minicnn.tensor import Tensor


class _Conv(Sliding):
    """kernel: an int or one a dimension; padding, stride, dilation, groups, activation: as in ops.conv."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, ...],
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        initial: str = "he",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        self.size = one_each(type(self).__name__, "kernel", kernel, self.rank, least=1)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.activation, self.name = activation, name
        if groups < 1 or channels_in % groups or channels_out % groups:
            raise InputError(
                f"{type(self).__name__}: groups is {groups}; expected a divisor of {channels_in} and {channels_out}"
            )
        shape = (*self.size, channels_in // groups, channels_out)
        taps = math.prod(self.size)
        fans = taps * channels_in // groups, taps * channels_out // groups
        self.w = Tensor(initial_values(initial)(shape, *fans, np.random.default_rng(seed)), requires_grad=True)
        self.b = Tensor(np.zeros(channels_out, np.float32), requires_grad=True) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.activation)

    def linear(self, x: Tensor) -> Tensor:
        """The output before the activation."""
        return self._convolve(x, None)

    def averaged(self, x: Tensor) -> Tensor:
        """The output's means of 2×2, which need not exist in full size for it."""
        return self._convolve(x, self.activation, "avg")

    def _convolve(self, x: Tensor, activation: str | None, pool: str | None = None) -> Tensor:
        return ops.conv(
            x,
            self.w,
            self.b,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            activation=activation,
            pool=pool,
        )


class Conv1d(_Conv):
    """Convolution of signals (N, L, C)."""

    rank = 1


class Conv2d(_Conv):
    """Convolution of pictures (N, H, W, C)."""

    rank = 2


class Conv3d(_Conv):
    """Convolution of volumes (N, D, H, W, C)."""

    rank = 3


class _LocallyConnected(Sliding):
    """A convolution in which every position has filters of its own, so that it takes inputs of one size only.

    kernel, input_size: an int or one a dimension; stride, as in ops.locally_connected; no padding. activation: None or
    "relu". A file of Keras holds w as (output positions, kernel positions · C_in, C_out), the same numbers in the same
    order.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, ...],
        *,
        input_size: int | tuple[int, ...],
        stride: Any = 1,
        bias: bool = True,
        activation: str | None = None,
        initial: str = "he",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        kind = type(self).__name__
        if activation not in (None, "relu"):
            raise InputError(f'{kind}: activation is {activation!r}; expected None or "relu"')
        self.size = one_each(kind, "kernel", kernel, self.rank, least=1)
        self.stride = one_each(kind, "stride", stride, self.rank, least=1)
        self.activation, self.name = activation, name
        self.input_size = one_each(kind, "input_size", input_size, self.rank, least=1)
        output = slide(kind, self.input_size, self.size, stride=self.stride).output
        taps = math.prod(self.size)
        shape = (*output, *self.size, channels_in, channels_out)
        random = np.random.default_rng(seed)
        values = initial_values(initial)(shape, taps * channels_in, taps * channels_out, random)
        self.w = Tensor(values, requires_grad=True)
        self.b = Tensor(np.zeros((*output, channels_out), np.float32), requires_grad=True) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return ops.relu(y) if self.activation else y

    def linear(self, x: Tensor) -> Tensor:
        """The output before the activation."""
        return ops.locally_connected(x, self.w, self.b, stride=self.stride)


class LocallyConnected1d(_LocallyConnected):
    """Filters of its own at every position of signals (N, L, C)."""

    rank = 1


class LocallyConnected2d(_LocallyConnected):
    """Filters of its own at every position of pictures (N, H, W, C)."""

    rank = 2
