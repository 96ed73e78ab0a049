"""Parametrizations of a picture: the variables that an optimizer changes, pixels or a pyramid of them.

As a pyramid, a picture is the sum of levels, x = start + Σ_k E_k p_k. Each p_k is half as large as the one before, and
E_k enlarges it bilinearly. Every picture can still be reached, so the minimum is the same. But Adam moves every number
by about its rate, however small its gradient. One number of a coarse level moves a whole patch of pixels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.operation import op
from minicnn.optim import Adam
from minicnn.optim.optimizer import EVERYWHERE, Resize, carried
from minicnn.tensor import Tensor

COARSEST = 16  # pixels: the last level is the first whose short side has no more


@op(inputs=1, fresh=True)
def enlarge(x, size):
    """Return x (N, h, w, C) enlarged bilinearly to size (H, W), twice its sides or one less."""
    if x.ndim != 4 or any((new + 1) // 2 != old for old, new in zip(x.shape[1:3], size, strict=True)):
        raise InputError(f"enlarge: size is {size}, x has shape {x.shape}; expected twice its sides, or one less")
    return _doubled(_doubled(x, 1, size[0]), 2, size[1]), gather


def gather(y: Any) -> Any:
    """Return the adjoint of `enlarge`, applied to y (N, H, W, C): every pixel is added to those that it came from."""
    return _gathered(_gathered(y, 1), 2)


def _doubled(x: Any, axis: int, length: int) -> Any:
    """Return x with twice the length along an axis, cut to `length`: ¾ of the nearest number and ¼ of the next."""
    y = np.empty_like(x, shape=(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :]))
    near, far, out = x * x.dtype.type(0.75), (x * x.dtype.type(0.25)).swapaxes(0, axis), y.swapaxes(0, axis)
    out[0::2] = out[1::2] = near.swapaxes(0, axis)
    out[2::2] += far[:-1]
    out[1:-1:2] += far[1:]
    out[0] += far[0]
    out[-1] += far[-1]
    return np.ascontiguousarray(out[:length].swapaxes(0, axis))


def _gathered(y: Any, axis: int) -> Any:
    """Return the adjoint of `_doubled`."""
    numbers = y.swapaxes(0, axis)
    even = numbers[0::2]
    odd = np.zeros_like(even)  # the last of an odd length was cut
    odd[: len(numbers) // 2] = numbers[1::2]
    far = np.zeros_like(even)
    far[:-1] += even[1:]
    far[1:] += odd[:-1]
    far[0] += even[0]
    far[-1] += odd[-1]
    return np.ascontiguousarray(((even + odd) * y.dtype.type(0.75) + far * y.dtype.type(0.25)).swapaxes(0, axis))


class PyramidAdam(Adam):
    """Adam on the levels of one picture (1, H, W, C), with separate means per level.

    The rate of each is the given one over √(number of levels). The levels themselves are never stored: their changes
    are enlarged and added to the picture, then it is clipped. Arguments: as in Adam.
    """

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float, *, bounds: tuple[float, float] = EVERYWHERE
    ) -> None:
        super().__init__(parameters, learning_rate, bounds=bounds)
        (picture,) = self.parameters
        self.sizes = sizes_of(picture.shape[1:3])
        for memory in (self.mean, self.square):
            memory += [np.zeros_like(picture.data, shape=(1, *size, picture.shape[3])) for size in self.sizes[1:]]

    def _move(self, index: int, parameter: Tensor, gradient: np.ndarray) -> None:
        gradients = [gradient]
        for _ in self.sizes[1:]:
            gradients.append(gather(gradients[-1]))
        root = math.sqrt(1 - self.beta2**self.steps)
        rate = self.learning_rate * root / (1 - self.beta1**self.steps) / math.sqrt(len(self.sizes))
        step, rule = kernels_for(parameter.data).adam_step, (rate, self.eps * root, self.beta1, self.beta2)
        change = np.zeros_like(gradients[-1])
        for level in reversed(range(1, len(self.sizes))):
            memories = self.mean[level], self.square[level]
            step(change, gradients[level], *memories, *rule, *EVERYWHERE)
            change = enlarge(change, self.sizes[level - 1]).data
        if len(self.sizes) > 1:
            parameter.data += change
        step(parameter.data, gradient, self.mean[0], self.square[0], *rule, *self.bounds)

    def resized(self, parameters: Iterable[Tensor], resize: Resize) -> Self:
        """Return a copy for a picture of twice the size. The finest level is new; the others are kept."""
        twin = copy.copy(self)
        twin._take(parameters, self.parameters)
        old, new = self.parameters[0], twin.parameters[0]
        twin.sizes = sizes_of(new.shape[1:3])
        if twin.sizes[1:] != self.sizes:
            raise InputError(f"resized: the picture has shape {new.shape}; expected {old.shape} with doubled sides")
        for name, memory in self._memories().items():
            setattr(twin, name, [carried(memory[0], old, new, resize, self._powers[name]), *memory])
        return twin


def sizes_of(size: Sequence[int]) -> list[tuple[int, int]]:
    """Return (height, width) of each level of a picture of this size, the picture's own first."""
    found = [(size[0], size[1])]
    while min(found[-1]) > COARSEST:
        found.append(((found[-1][0] + 1) // 2, (found[-1][1] + 1) // 2))
    return found
