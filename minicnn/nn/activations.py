"""Activation layers, flattening, and dropout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minicnn import ops
from minicnn.nn.initial import Seed
from minicnn.nn.module import Module
from minicnn.tensor import Tensor


class Plain(Module):
    """A layer that applies an operation without settings."""

    operation: Callable[[Tensor], Tensor]

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(x)


class ReLU(Plain):
    """The rectified linear unit max(x, 0), elementwise."""

    operation = staticmethod(ops.relu)


class Sigmoid(Plain):
    """The logistic function 1 / (1 + e⁻ˣ), elementwise."""

    operation = staticmethod(ops.sigmoid)


class Softplus(Plain):
    """The smooth rectifier log(1 + eˣ), elementwise."""

    operation = staticmethod(ops.softplus)


class Tanh(Plain):
    """The hyperbolic tangent, elementwise."""

    operation = staticmethod(ops.tanh)


class Flatten(Plain):
    """Flattening of x (N, …) to (N, K), where K is the product of the other sizes."""

    operation = staticmethod(ops.flatten)


class LeakyReLU(Module):
    """The rectifier with a slope: x where x > 0, slope · x elsewhere. Source: Maas et al. 2013."""

    def __init__(self, slope: float = 0.01, *, name: str | None = None) -> None:
        self.slope, self.name = slope, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.leaky_relu(x, self.slope)


class Softmax(Module):
    """The softmax eˣ / Σ eˣ along `axis`."""

    def __init__(self, axis: int = -1, *, name: str | None = None) -> None:
        self.axis, self.name = axis, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.softmax(x, axis=self.axis)


class PReLU(Module):
    """The parametric ReLU: x where x > 0, slope · x elsewhere, with one learned slope per channel.

    channels: the size of the last axis. initial: the initial slope. Source: He et al. 2015.
    """

    def __init__(self, channels: int, *, initial: float = 0.25, name: str | None = None) -> None:
        self.slope = Tensor(np.full(channels, initial, np.float32), requires_grad=True)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.prelu(x, self.slope)


class Dropout(Module):
    """Dropout of each element with probability `rate` in training; the identity in evaluation.

    seed: an int, a NumPy Generator, or None. The layer keeps one generator for all its calls.
    Source: Srivastava et al. 2014.
    """

    def __init__(self, rate: float, *, seed: Seed = None, name: str | None = None) -> None:
        self.rate, self.name = rate, name
        self._random = np.random.default_rng(seed)

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.rate, training=self.training, seed=self._random)
