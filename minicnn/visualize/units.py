"""The outputs of a layer's units and the gradient of one unit, on which all methods are built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.errors import InputError, is_count
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.tensor import Tensor
from minicnn.visualize.rules import backward_rule

BATCH = 32  # pictures per batch


@contextmanager
def at_rest(model: Network) -> Iterator[None]:
    """Freeze the model in evaluation mode inside the block; restore its state afterwards, even after an error."""
    training = [(module, module.training) for module in model.modules()]
    with ExitStack() as stack:
        stack.enter_context(nn.frozen(model))
        try:
            model.eval()
            yield
        finally:
            for module, was in training:
                module.training = was


def outputs_of(model: Network, layer: str, pictures: np.ndarray) -> np.ndarray:
    """Return a layer's outputs for pictures (N, H, W, 3): (N, H', W', C) or (N, C)."""
    with no_grad():
        return model.features(pictures, [layer])[layer].data


def unit_numbers(model: Network, layer: str, units: Any, width: int, count: int | None = None) -> np.ndarray:
    """Return the numbers (count,) of units given by number or name of a class; one alone applies to all pictures.

    width: number of units of the layer. Raise InputError with the valid units if one does not exist.
    """
    several = isinstance(units, Sequence | np.ndarray) and not isinstance(units, str)
    given = list(units) if several else [units]
    classes = model.card.classes if len(model.card.classes) == width else ()
    numbers = [classes.index(unit) if isinstance(unit, str) and unit in classes else unit for unit in given]
    for number in numbers:
        if not is_count(number, 0, width - 1):
            names = f", or one of {', '.join(classes)}" if classes else ""
            raise InputError(f"unit is {number!r}; {layer} has {width}: expected 0 … {width - 1}{names}")
    if not numbers or (count is not None and len(numbers) not in (1, count)):
        raise InputError(f"unit names {len(numbers)} units for {count} pictures; expected one, or one each")
    return np.array(numbers * (count or 1) if len(numbers) == 1 else numbers, np.int64)


def aim(outputs: np.ndarray, units: np.ndarray, position: Any) -> np.ndarray:
    """Return the cotangent of outputs (N, H', W', C) or (N, C): 1 where a picture's unit is selected, and 0 elsewhere.

    units: (N,). position: "max", the largest activation; "all", the sum over positions; or (row, column).
    """
    cotangent = np.zeros_like(outputs)
    pictures = np.arange(len(outputs))
    if outputs.ndim == 2:
        cotangent[pictures, units] = 1
        return cotangent
    height, width = outputs.shape[1:3]
    if isinstance(position, str) and position == "all":
        cotangent[pictures, :, :, units] = 1
        return cotangent
    if isinstance(position, str) and position == "max":
        said = outputs[pictures, :, :, units].reshape(len(outputs), -1)
        rows, columns = np.divmod(said.argmax(axis=1), width)
    else:
        places = np.broadcast_to(_places(position), (len(outputs), 2))
        rows, columns = places.T
        if (places < 0).any() or (rows >= height).any() or (columns >= width).any():
            raise InputError(f"position is {position!r}; expected (row, column) below ({height}, {width})")
    cotangent[pictures, rows, columns, units] = 1
    return cotangent


def _places(position: Any) -> np.ndarray:
    try:
        places = np.asarray(position)
    except ValueError:
        places = np.zeros(0)
    if places.dtype.kind not in "iu" or places.ndim not in (1, 2) or places.shape[-1] != 2:
        raise InputError(f'position is {position!r}; expected "max", "all" or (row, column)')
    return places


def gradient(
    model: Network, layer: str, pictures: np.ndarray, cotangent: np.ndarray, rule: str = "gradient"
) -> np.ndarray:
    """Return the gradient of pictures (N, H, W, 3) for a cotangent of a layer's outputs, by one of the rules."""
    x = Tensor(pictures, requires_grad=True)
    y = model.features(x, [layer])[layer]
    with backward_rule(rule):
        y.backward(cotangent)
    assert x.grad is not None
    return x.grad
