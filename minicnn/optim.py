"""Optimizers: they read `.grad` and move `.data` in place."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from minicnn.errors import InputError
from minicnn.kernels import pixel_step, sgd_step
from minicnn.tensor import Tensor


class Optimizer:
    """What all share: the parameters, the rate, and a state that can be saved and put back."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        if not self.parameters:
            raise InputError("optimizer: parameters is empty; expected at least one Tensor that requires a gradient")
        if not (np.isfinite(learning_rate) and learning_rate > 0):
            raise InputError(f"optimizer: learning_rate is {learning_rate!r}; expected a positive number")
        self.learning_rate = learning_rate
        self.steps = 0

    def zero_grad(self) -> None:
        """Forget the gradients collected so far."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        self.steps += 1
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self._move(index, parameter, parameter.grad)

    def _move(self, index: int, parameter: Tensor, gradient: np.ndarray) -> None:
        raise TypeError(f"{type(self).__name__} defines no move")

    def _memories(self) -> dict[str, list[np.ndarray]]:
        return {}

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on besides parameters and rate, as named arrays (not copies)."""
        arrays = {f"{name}.{i}": a for name, memory in self._memories().items() for i, a in enumerate(memory)}
        return {"steps": np.asarray(self.steps), **arrays}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put back what state() gave."""
        mine = self.state()
        if state.keys() != mine.keys() or any(state[k].shape != mine[k].shape for k in mine):
            raise InputError(f"load_state: the arrays are not those of this {type(self).__name__}")
        self.steps = int(state["steps"])
        for name, memory in self._memories().items():
            for i, array in enumerate(memory):
                array[...] = state[f"{name}.{i}"]


class SGD(Optimizer):
    """Stochastic gradient descent: v = momentum · v + g, p −= rate · v. Source: Sutskever et al. 2013.

    weight_decay: adds weight_decay · p to the gradient of every parameter with two axes or more (weights, not biases).
    nesterov: look ahead by one momentum step.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 0.01,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, learning_rate)
        self.momentum, self.weight_decay, self.nesterov = momentum, weight_decay, nesterov
        self.velocity = [np.zeros_like(p.data) for p in self.parameters] if momentum else []

    def _memories(self) -> dict[str, list[np.ndarray]]:
        return {"velocity": self.velocity}

    def _move(self, index: int, parameter: Tensor, gradient: np.ndarray) -> None:
        decay = self.weight_decay if parameter.ndim > 1 else 0.0
        if not self.momentum:
            parameter.data -= self.learning_rate * (gradient + decay * parameter.data)
            return
        move = sgd_step.implementation(parameter.data).move
        rule = float(self.learning_rate), self.momentum, decay, self.nesterov
        move(parameter.data, gradient, self.velocity[index], *rule)


class Adam(Optimizer):
    """Adaptive moments: the mean gradient over the root of its mean square. Source: Kingma & Ba 2015, algorithm 1.

    bounds: (low, high) that parameters are clipped to after each step, as the pixels of a picture are.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        learning_rate: float = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        bounds: tuple[float, float] = (-math.inf, math.inf),
    ) -> None:
        super().__init__(parameters, learning_rate)
        self.beta1, self.beta2, self.eps, self.weight_decay = beta1, beta2, eps, weight_decay
        self.bounds = bounds
        self.mean = [np.zeros_like(p.data) for p in self.parameters]
        self.square = [np.zeros_like(p.data) for p in self.parameters]

    def _memories(self) -> dict[str, list[np.ndarray]]:
        return {"mean": self.mean, "square": self.square}

    def _move(self, index: int, parameter: Tensor, gradient: np.ndarray) -> None:
        if self.weight_decay and parameter.ndim > 1:
            gradient = gradient + self.weight_decay * parameter.data
        # Both moments start at zero and are too small at first; the bias corrections are scalars, applied to the rate.
        root = math.sqrt(1 - self.beta2**self.steps)
        rate, eps = self.learning_rate * root / (1 - self.beta1**self.steps), self.eps * root
        move = pixel_step.implementation(parameter.data).move
        rule = rate, eps, self.beta1, self.beta2, *self.bounds
        move(parameter.data, gradient, self.mean[index], self.square[index], *rule)
