"""Convolutional layers for signals, pictures and volumes, with shared or unshared filters."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from minicnn import ops
from minicnn.errors import Activation, InputError, check_activation
from minicnn.kernels.geometry import Padding, Several, one_each, slide
from minicnn.nn.initial import Seed, initial_values
from minicnn.nn.module import Sliding
from minicnn.tensor import Tensor


class _Conv(Sliding):
    """A convolutional layer.

    kernel_size: an int, or one per dimension. stride, padding, dilation, groups, activation: as in ops.conv.
    bias: add a learned b (out_channels,), initially zero.
    initial: the distribution of the filters w: "he", "glorot" or "zeros". seed: an int, a NumPy Generator, or None.
    Raise InputError for an invalid argument.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Several,
        *,
        stride: Several = 1,
        padding: Padding = 0,
        dilation: Several = 1,
        groups: int = 1,
        bias: bool = True,
        activation: Activation = None,
        initial: str = "he",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        check_activation(type(self).__name__, activation)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = one_each(type(self).__name__, "kernel_size", kernel_size, self.rank, least=1)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.activation, self.name = activation, name
        self.window()  # checks the arguments
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise InputError(
                f"{type(self).__name__}: groups is {groups}; expected a divisor of {in_channels} and {out_channels}"
            )
        shape = (*self.kernel_size, in_channels // groups, out_channels)
        taps = math.prod(self.kernel_size)
        fans = taps * in_channels // groups, taps * out_channels // groups
        self.w = Tensor(initial_values(initial)(shape, *fans, np.random.default_rng(seed)), requires_grad=True)
        self.b = Tensor(np.zeros(out_channels, np.float32), requires_grad=True) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.activation)

    def linear(self, x: Tensor) -> Tensor:
        """Return the output before the activation."""
        return self._convolve(x, None)

    def averaged(self, x: Tensor) -> Tensor:
        """Return the output after 2×2 average pooling, without storing it in full size."""
        return self._convolve(x, self.activation, "avg")

    def _convolve(self, x: Tensor, activation: Activation, pool: Literal["avg"] | None = None) -> Tensor:
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
    """A convolutional layer for signals (N, L, C)."""

    rank = 1


class Conv2d(_Conv):
    """A convolutional layer for pictures (N, H, W, C)."""

    rank = 2


class Conv3d(_Conv):
    """A convolutional layer for volumes (N, D, H, W, C)."""

    rank = 3


class _LocallyConnected(Sliding):
    """A convolutional layer with separate filters at every position, for inputs of one size only, without padding.

    kernel_size, input_size, stride: an int, or one per dimension.
    bias: add a learned b (*output, out_channels), initially zero. activation: None or "relu".
    initial, seed: as in Conv2d.
    Keras files store w as (output positions, kernel positions · C_in, C_out), with the elements in the same order.
    Raise InputError for an invalid argument.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Several,
        *,
        input_size: Several,
        stride: Several = 1,
        bias: bool = True,
        activation: Activation = None,
        initial: str = "he",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        kind = type(self).__name__
        check_activation(kind, activation)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = one_each(kind, "kernel_size", kernel_size, self.rank, least=1)
        self.stride = one_each(kind, "stride", stride, self.rank, least=1)
        self.activation, self.name = activation, name
        self.input_size = one_each(kind, "input_size", input_size, self.rank, least=1)
        output = slide(kind, self.input_size, self.kernel_size, stride=self.stride).output
        taps = math.prod(self.kernel_size)
        shape = (*output, *self.kernel_size, in_channels, out_channels)
        random = np.random.default_rng(seed)
        values = initial_values(initial)(shape, taps * in_channels, taps * out_channels, random)
        self.w = Tensor(values, requires_grad=True)
        self.b = Tensor(np.zeros((*output, out_channels), np.float32), requires_grad=True) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.linear(x)
        return ops.relu(y) if self.activation else y

    def linear(self, x: Tensor) -> Tensor:
        """Return the output before the activation."""
        return ops.locally_connected(x, self.w, self.b, stride=self.stride)


class LocallyConnected1d(_LocallyConnected):
    """A convolutional layer with unshared filters for signals (N, L, C)."""

    rank = 1


class LocallyConnected2d(_LocallyConnected):
    """A convolutional layer with unshared filters for pictures (N, H, W, C)."""

    rank = 2
