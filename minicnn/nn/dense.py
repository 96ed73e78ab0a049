"""The dense layer, and the flattening that precedes it."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.errors import check_activation
from minicnn.nn.initial import Seed, initial_values
from minicnn.nn.module import Module
from minicnn.tensor import Tensor


class Linear(Module):
    """The dense layer x @ w + b (…, features_out), for x (…, features_in).

    activation: None or "relu". bias: add a learned b, initially zero.
    initial: the distribution of w: "glorot", "he" or "zeros". seed: an int, a NumPy Generator, or None.
    Raise InputError for another activation or initial.
    """

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
        check_activation("Linear", activation)
        shape = features_in, features_out
        self.w = Tensor(initial_values(initial)(shape, *shape, np.random.default_rng(seed)), requires_grad=True)
        self.b = Tensor(np.zeros(features_out, np.float32), requires_grad=True) if bias else None
        self.activation, self.name = activation, name

    def forward(self, x: Tensor) -> Tensor:
        y = ops.linear(x, self.w, self.b)
        return ops.relu(y) if self.activation else y


class Flatten(Module):
    """Flattening of x (N, …) to (N, K), where K is the product of the other sizes."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.flatten(x)
