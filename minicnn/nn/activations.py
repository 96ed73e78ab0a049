"""Activation layers, and dropout."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.nn.initial import Seed
from minicnn.nn.module import Module
from minicnn.tensor import Tensor


class ReLU(Module):
    """The rectified linear unit max(x, 0), elementwise."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class PReLU(Module):
    """The parametric ReLU: x where x > 0, slope · x elsewhere, with one learned slope per channel.

    channels: the size of the last axis. initial: the initial slope. Source: He et al. 2015.
    """

    def __init__(self, channels: int, *, initial: float = 0.25, name: str | None = None) -> None:
        self.slope = Tensor(np.full(channels, initial, np.float32), requires_grad=True)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.prelu(x, self.slope)


class Sigmoid(Module):
    """The logistic function 1 / (1 + e⁻ˣ), elementwise."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)


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
