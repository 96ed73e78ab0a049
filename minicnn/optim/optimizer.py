"""The base class of optimizers."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Self, overload

import numpy as np

from minicnn import devices
from minicnn.errors import ChecksKeywords, InputError
from minicnn.tensor import Tensor

Evaluate = Callable[[], float]
Resize = Callable[[np.ndarray], np.ndarray]
EVERYWHERE = (-math.inf, math.inf)


class Optimizer(ChecksKeywords):
    """The base class of optimizers: parameters, learning rate, step, and a state that can be saved and restored.

    parameters: those that require no gradient are skipped. learning_rate: a positive number. lr: the same, for short.
    Raise InputError for another rate, or if no parameter requires a gradient.
    """

    # {name of a memory: the power of the gradient that it holds}, for `resized`.
    _powers: ClassVar[Mapping[str, int]] = {}

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, lr: float | None) -> None:
        self._take(parameters)
        learning_rate = learning_rate if lr is None else lr
        if not (np.isfinite(learning_rate) and learning_rate > 0):
            raise InputError(f"optimizer: learning_rate is {learning_rate!r}; expected a positive number")
        self.learning_rate = learning_rate
        self.steps = 0

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.learning_rate

    @lr.setter
    def lr(self, rate: float) -> None:
        self.learning_rate = rate

    def _take(self, parameters: Iterable[Tensor], instead_of: list[Tensor] | None = None) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        if not self.parameters:
            raise InputError("optimizer: parameters is empty; expected at least one Tensor that requires a gradient")
        if instead_of is not None and len(self.parameters) != len(instead_of):
            raise InputError(f"resized: parameters are {len(self.parameters)}; expected {len(instead_of)}, as before")

    def zero_grad(self) -> None:
        """Discard the accumulated gradients of all parameters."""
        for parameter in self.parameters:
            parameter.grad = None

    @overload
    def step(self) -> None: ...

    @overload
    def step(self, evaluate: Evaluate) -> float: ...

    def step(self, evaluate: Evaluate | None = None) -> float | None:
        """Update every parameter that has a gradient.

        evaluate: a function that recomputes each parameter's `.grad` and returns the cost. step() calls it once and
        returns its result, the cost before the update. Without it, step() uses the current gradients and returns None.
        """
        cost = None if evaluate is None else evaluate()
        self.steps += 1
        for index, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self._move(index, parameter, parameter.grad)
        return cost

    def _move(self, index: int, parameter: Tensor, gradient: np.ndarray) -> None:
        raise TypeError(f"{type(self).__name__} defines no move")

    def _memories(self) -> dict[str, list[np.ndarray]]:
        return {}

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the state that the next step depends on, without parameters and rate, as named arrays.

        The arrays are not copies.
        """
        arrays = {f"{name}.{i}": a for name, memory in self._memories().items() for i, a in enumerate(memory)}
        return {"steps": np.asarray(self.steps), **arrays}

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Restore what state_dict() returned. Raise InputError if names or shapes differ."""
        mine = self.state_dict()
        if state.keys() != mine.keys() or any(state[k].shape != mine[k].shape for k in mine):
            raise self._foreign()
        self.steps = int(state["steps"])
        for name, memory in self._memories().items():
            for i, array in enumerate(memory):
                array[...] = devices.beside(state[f"{name}.{i}"], array)

    def resized(self, parameters: Iterable[Tensor], resize: Resize) -> Self:
        """Return a copy of this optimizer, with its state resized, for larger or smaller versions of its parameters.

        resize: maps an array of an old parameter's shape, (1, H, W, 3) for a picture, to the new shape. Its argument
        may be negative or exceed 1, so it must not clip.
        Raise InputError if the number of parameters differs, or if resize returns another shape.

        The cost of a picture hardly depends on its size. With r times as many pixels, each has about 1/r of the
        influence. Gradients are therefore divided by r, and their squares by r²; changes of pixels are not rescaled.
        """
        twin = copy.copy(self)
        twin._take(parameters, self.parameters)
        for name, memory in self._memories().items():
            power = self._powers[name]
            pairs = zip(memory, self.parameters, twin.parameters, strict=False)  # SGD without momentum has no memory
            setattr(twin, name, [carried(array, old, new, resize, power) for array, old, new in pairs])
        return twin

    def _foreign(self) -> InputError:
        return InputError(f"load_state_dict: the arrays are not those of this {type(self).__name__}")


def carried(array: np.ndarray, old: Tensor, new: Tensor, resize: Resize, power: int) -> np.ndarray:
    """Return a memory of parameter `old`, resized and rescaled for `new`. power: its power of the gradient."""
    result = resize(array.reshape(old.shape)).astype(new.dtype, order="C")
    if result.shape != new.shape:
        raise InputError(f"resized: resize gives shape {result.shape}; expected {new.shape}, as the parameter")
    result *= (old.size / new.size) ** power
    if power % 2 == 0 and power:  # sharp resampling overshoots, but squares must not be negative
        np.maximum(result, 0, out=result)
    return result


def check_bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    """Return bounds (low, high). Raise InputError unless low < high."""
    low, high = bounds
    if not low < high:
        raise InputError(f"optimizer: bounds is {bounds!r}; expected (low, high)")
    return low, high
