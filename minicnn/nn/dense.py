"""The dense layer, and what makes vectors for it."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.nn.initial import Seed, initial_values
from minicnn.nn.module import Module
from minicnn.tensor import Tensor


class Linear(Module):
    """x @ w + b, with ReLU when activation="relu"."""

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        bias: bool = True,
        activation: str | None = None,
        initial: str = "glorot",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        if activation not in (None, "relu"):
            raise InputError(f'Linear: activation is {activation!r}; expected None or "relu"')
        shape = features_in, features_out
        self.w = Tensor(initial_values(initial)(shape, *shape, np.random.default_rng(seed)), requires_grad=True)
        self.b = Tensor(np.zeros(features_out, np.float32), requires_grad=True) if bias else None
        self.activation, self.name = activation, name

    def forward(self, x: Tensor) -> Tensor:
        y = ops.linear(x, self.w, self.b)
        return ops.relu(y) if self.activation else y


class Flatten(Module):
    """(N, …) as (N, everything else)."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.flatten(x)
