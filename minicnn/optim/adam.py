"""The Adam optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from minicnn.backend import kernels_for
from minicnn.optim.optimizer import EVERYWHERE, Optimizer, check_bounds
from minicnn.tensor import Tensor


class Adam(Optimizer):
    """Adam: steps along the mean gradient, divided by the root of its mean square.

    beta1, beta2: decay rates of the two means. eps: added to the root.
    weight_decay: L2 regularization, which adds weight_decay · p to the gradient p.grad. It applies only to parameters p
    with two axes or more (weights, not biases).
    bounds: (low, high) to which parameters are clipped after each step, as for the pixels of a picture.
    Raise InputError for an invalid rate or bounds, or without trainable parameters.
    Source: Kingma & Ba 2015, algorithm 1.
    """

    # The rate stays the same when a picture is resized: the size cancels in mean / root.
    _powers: ClassVar = {"mean": 1, "square": 2}

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 1e-3,
        *,
        lr: float | None = None,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        bounds: tuple[float, float] = EVERYWHERE,
    ) -> None:
        super().__init__(parameters, learning_rate, lr)
        self.beta1, self.beta2, self.eps, self.weight_decay = beta1, beta2, eps, weight_decay
        self.bounds = check_bounds(bounds)
        self.mean = [np.zeros_like(p.data) for p in self.parameters]
        self.square = [np.zeros_like(p.data) for p in self.parameters]

    def _memories(self) -> dict[str, list[np.ndarray]]:
        return {"mean": self.mean, "square": self.square}

    def _move(self, index: int, parameter: Tensor, gradient: np.ndarray) -> None:
        if self.weight_decay and parameter.ndim > 1:
            gradient = gradient + self.weight_decay * parameter.data
        # Both moments start at zero and are too small at first. The bias corrections are scalars in rate and eps.
        root = math.sqrt(1 - self.beta2**self.steps)
        rate, eps = self.learning_rate * root / (1 - self.beta1**self.steps), self.eps * root
        rule = rate, eps, self.beta1, self.beta2, *self.bounds
        kernels = kernels_for(parameter.data)
        kernels.adam_step(parameter.data, gradient, self.mean[index], self.square[index], *rule)
