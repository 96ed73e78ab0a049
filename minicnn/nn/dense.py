"""The dense layer."""

from __future__ import annotations

import numpy as np

from minicnn import ops
from minicnn.errors import Activation, check_activation
from minicnn.nn.initial import Seed, initial_values
from minicnn.nn.module import Module
from minicnn.tensor import Tensor


class Linear(Module):
    """The dense layer x @ w + b (…, out_features), for x (…, in_features).

    activation: None or "relu". bias: add a learned b, initially zero.
    initial: the distribution of w: "glorot", "he" or "zeros". seed: an int, a NumPy Generator, or None.
    Raise InputError for another activation or initial.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        activation: Activation = None,
        initial: str = "glorot",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        check_activation("Linear", activation)
        shape = in_features, out_features
        self.w = Tensor(initial_values(initial)(shape, *shape, np.random.default_rng(seed)), requires_grad=True)
        self.b = Tensor(np.zeros(out_features, np.float32), requires_grad=True) if bias else None
        self.activation, self.name = activation, name

    def forward(self, x: Tensor) -> Tensor:
        y = ops.linear(x, self.w, self.b)
        return ops.relu(y) if self.activation else y
