"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

import numpy as np

from minicnn.backend import kernels_for
from minicnn.optim.optimizer import EVERYWHERE, Optimizer, Resize, check_bounds
from minicnn.tensor import Tensor


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum · v + g, p −= rate · v. Source: Sutskever et al. 2013.

    weight_decay: L2 regularization, which adds weight_decay · p to the gradient g. It applies only to parameters with
    two axes or more (weights, not biases).
    nesterov: use Nesterov momentum, p −= rate · (g + momentum · v).
    bounds: (low, high) to which parameters are clipped after each step, as for the pixels of a picture.
    Raise InputError for an invalid rate or bounds, or without trainable parameters.
    """

    _powers: ClassVar = {"velocity": 1}

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 0.01,
        *,
        lr: float | None = None,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        bounds: tuple[float, float] = EVERYWHERE,
    ) -> None:
        super().__init__(parameters, learning_rate, lr)
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        self.bounds = check_bounds(bounds)
        self.velocity = [np.zeros_like(p.data) for p in self.parameters] if momentum else []

    def _memories(self) -> dict[str, list[np.ndarray]]:
        return {"velocity": self.velocity}

    def _move(self, index: int, parameter: Tensor, gradient: np.ndarray) -> None:
        decay = self.weight_decay if parameter.ndim > 1 else 0.0
        velocity = self.velocity[index] if self.momentum else None
        rule = float(self.learning_rate), self.momentum, decay, self.nesterov
        kernels_for(parameter.data).sgd_step(parameter.data, gradient, velocity, *rule)
        if self.bounds != EVERYWHERE:
            np.clip(parameter.data, *self.bounds, out=parameter.data)

    def resized(self, parameters: Iterable[Tensor], resize: Resize) -> Self:
        """Return a resized copy, as Optimizer.resized does. The rate is scaled so that pixels keep their step size."""
        twin = super().resized(parameters, resize)
        twin.learning_rate = (
            self.learning_rate * sum(p.size for p in twin.parameters) / sum(p.size for p in self.parameters)
        )
        return twin
