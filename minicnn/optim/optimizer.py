"""What all optimizers share."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Self, overload

import numpy as np

from minicnn import devices
from minicnn.errors import InputError
from minicnn.tensor import Tensor

Evaluate = Callable[[], float]
Resize = Callable[[np.ndarray], np.ndarray]
EVERYWHERE = (-math.inf, math.inf)


class Optimizer:
    """The parameters, the rate, a step, and a state that can be saved, put back, and carried to a larger picture."""

    # Of which power of the gradient a memory consists, for `resized`.
    _powers: ClassVar[Mapping[str, int]] = {}

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self._take(parameters)
        if not (np.isfinite(learning_rate) and learning_rate > 0):
            raise InputError(f"optimizer: learning_rate is {learning_rate!r}; expected a positive number")
        self.learning_rate = learning_rate
        self.steps = 0

    def _take(self, parameters: Iterable[Tensor], instead_of: list[Tensor] | None = None) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        if not self.parameters:
            raise InputError("optimizer: parameters is empty; expected at least one Tensor that requires a gradient")
        if instead_of is not None and len(self.parameters) != len(instead_of):
            raise InputError(f"resized: parameters are {len(self.parameters)}; expected {len(instead_of)}, as before")

    def zero_grad(self) -> None:
        """Forget the gradients collected so far."""
        for parameter in self.parameters:
            parameter.grad = None

    @overload
    def step(self) -> None: ...

    @overload
    def step(self, evaluate: Evaluate) -> float: ...

    def step(self, evaluate: Evaluate | None = None) -> float | None:
        """Move every parameter that has a gradient.

        evaluate() sets each parameter's `.grad` anew and returns the cost, which step() returns: the one that it went
        down from. Without it the gradients that are there are used, and nothing is returned.
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

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on besides parameters and rate, as named arrays (not copies)."""
        arrays = {f"{name}.{i}": a for name, memory in self._memories().items() for i, a in enumerate(memory)}
        return {"steps": np.asarray(self.steps), **arrays}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Put back what state() gave."""
        mine = self.state()
        if state.keys() != mine.keys() or any(state[k].shape != mine[k].shape for k in mine):
            raise self._foreign()
        self.steps = int(state["steps"])
        for name, memory in self._memories().items():
            for i, array in enumerate(memory):
                array[...] = devices.beside(state[f"{name}.{i}"], array)

    def resized(self, parameters: Iterable[Tensor], resize: Resize) -> Self:
        """This optimizer, with all that it remembers, for a larger (or smaller) version of its parameters.

        resize: from an array of an old parameter's shape, (1, H, W, 3) for a picture, to the new one's. What it is
        given may be negative and exceed 1, so it must not clip.

        A cost says about the same of a picture at any size, so of r times as many pixels each has about 1/r of the
        influence: gradients are divided by r, and squares of gradients by r². Moves of pixels stay what they are.
        """
        twin = copy.copy(self)
        twin._take(parameters, self.parameters)
        for name, memory in self._memories().items():
            power = self._powers[name]
            pairs = zip(memory, self.parameters, twin.parameters, strict=False)  # without momentum there is no memory
            setattr(twin, name, [carried(array, old, new, resize, power) for array, old, new in pairs])
        return twin

    def _foreign(self) -> InputError:
        return InputError(f"load_state: the arrays are not those of this {type(self).__name__}")


def carried(array: np.ndarray, old: Tensor, new: Tensor, resize: Resize, power: int) -> np.ndarray:
    """What a memory of `old` is for `new`. power: of the gradient."""
    result = resize(array.reshape(old.shape)).astype(new.dtype, order="C")
    if result.shape != new.shape:
        raise InputError(f"resized: resize gives shape {result.shape}; expected {new.shape}, as the parameter")
    result *= (old.size / new.size) ** power
    if power % 2 == 0 and power:  # what resamples sharply overshoots, and a square is not negative
        np.maximum(result, 0, out=result)
    return result


def check_bounds(bounds: tuple[float, float]) -> tuple[float, float]:
    """(low, high), low below high."""
    low, high = bounds
    if not low < high:
        raise InputError(f"optimizer: bounds is {bounds!r}; expected (low, high)")
    return low, high
