"""Activations, and dropout."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.nn.initial import Seed
from minicnn.nn.module import Module
from minicnn.tensor import Tensor


class ReLU(Module):
    """max(x, 0)."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class PReLU(Module):
    """x where positive, a learned slope times x elsewhere, one slope a channel. Source: He et al. 2015."""

    def __init__(self, channels: int, *, initial: float = 0.25, name: str | None = None) -> None:
        self.slope = Tensor(np.full(channels, initial, np.float32), requires_grad=True)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.prelu(x, self.slope)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)


class Dropout(Module):
    """Drops each element with probability `rate` while training."""

    def __init__(self, rate: float, *, seed: Seed = None, name: str | None = None) -> None:
        self.rate, self.name = rate, name
        self._random = np.random.default_rng(seed)

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.rate, training=self.training, seed=self._random)
