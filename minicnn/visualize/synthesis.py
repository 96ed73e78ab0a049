"""Pictures from gradient ascent: those that maximize a unit, and inversions of a layer's features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from minicnn import ops, optim
from minicnn.errors import InputError, check_count, is_count
from minicnn.images import as_image
from minicnn.models.blocks import every
from minicnn.models.fields import fields_of
from minicnn.models.network import Network
from minicnn.nn import Conv2d
from minicnn.operation import no_grad
from minicnn.tensor import Tensor
from minicnn.visualize.canvas import Canvas, sampled, window
from minicnn.visualize.units import aim, at_rest, gradient, outputs_of, unit_numbers


@dataclass(frozen=True)
class Synthesis:
    """The pictures found, and their history.

    images: float32 in [0, 1], (U, H, W, 3) from maximize, (H, W, 3) from invert. history: per step, the value of each
    unit (steps, U), or the cost (steps,). units: (U,), from maximize only.
    """

    images: np.ndarray
    history: np.ndarray
    units: np.ndarray


def maximize(
    model: Network,
    layer: str,
    unit: Any,
    *,
    size: int | tuple[int, int] | None = None,
    steps: int = 200,
    learning_rate: float = 0.1,
    position: Any = "all",
    jitter: float = 2.0,
    scales: tuple[float, float] = (0.9, 1.1),
    variation: float = 0.0,
    seed: int = 0,
    progress: bool | None = None,
) -> Synthesis:
    """Return the pictures that most activate units, by gradient ascent from noise. Source: Erhan et al. 2009.

    Frequencies, colours and transforms are those of Olah et al. 2017.
    unit: a number, the name of a class, or several, one picture per unit. size: pixels, or (height, width); None for
    the size on the model's card. position: "all" for the mean over positions, which fills the picture with the feature;
    "middle" for the one in the middle; or (row, column).
    jitter: maximum random shift of the view per step, in pixels. scales: range of its random scale. Both suppress
    patterns that depend on single pixels. variation: weight of the mean squared difference of neighbouring pixels.
    A convolution is maximized before its ReLU, which passes no gradient to an inactive unit.
    Raise InputError for a bad argument.
    """
    model.check_layer(layer)
    asked = f"{layer}.linear" if layer in _convolutions(model) else layer
    height, width = _size(size, model)
    _check_loop("maximize", steps, learning_rate)
    margin = int(np.ceil(jitter)) + 1
    random = np.random.default_rng(seed)
    with at_rest(model):
        probe = outputs_of(model, asked, np.full((1, height, width, 3), 0.5, np.float32))
        several = isinstance(unit, list | tuple | np.ndarray)
        units = unit_numbers(model, layer, unit if several else [unit], probe.shape[-1])
        cotangent = _aim(np.repeat(probe, len(units), axis=0), units, position)
        canvas = Canvas(len(units), (height + 2 * margin, width + 2 * margin), seed=seed)

        def cost() -> tuple[Tensor, np.ndarray]:
            picture = canvas.picture()
            scale = random.uniform(*scales)
            views = [
                window(length + 2 * margin, length, scale, random.uniform(-jitter, jitter))
                for length in (height, width)
            ]
            said = model.features(sampled(picture, *views), [asked])[asked] * cotangent
            total = -ops.sum(said)
            if variation:
                total = total + variation * len(units) * _variation(picture)
            return total, said.data.reshape(len(units), -1).sum(axis=1)

        history = _descend(canvas.numbers, cost, steps, learning_rate, f"maximize {layer}", progress)
        with no_grad():
            views = [window(length + 2 * margin, length, 1.0, 0.0) for length in (height, width)]
            images = sampled(canvas.picture(), *views).data
    return Synthesis(images, np.stack(history), units)


def favourite_pieces(model: Network, layer: str, units: Any, *, steps: int = 30, contrast: float = 0.22) -> np.ndarray:
    """Return the pieces of fixed contrast that most activate units with small receptive fields: (U, h, w, 3).

    Each piece is the receptive field of a unit in the middle. Source: Erhan et al. 2009, equation 1.
    contrast: root mean square around grey, before clipping to [0, 1]. For a linear unit the piece is the filter itself.
    Without this constraint, every pixel would end at 0 or 1.
    """
    model.check_layer(layer)
    asked = f"{layer}.linear" if layer in _convolutions(model) else layer
    size = model.card.input_size
    if model.card.embedding is None:
        seen = max(fields_of(model, layer, size).size)
        size = (3 * seen, 3 * seen)
    fields = fields_of(model, layer, size)
    top, bottom, left, right = fields.box(len(fields.rows) // 2, len(fields.columns) // 2)
    length = contrast * ((bottom - top) * (right - left) * 3) ** 0.5
    with at_rest(model):
        outputs = outputs_of(model, asked, np.full((1, *size, 3), 0.5, np.float32))
        numbers = unit_numbers(model, layer, units, outputs.shape[-1])
        cotangent = _aim(np.repeat(outputs, len(numbers), axis=0), numbers, "middle")
        # Plain grey may activate nothing and give no gradient, so start with a little noise.
        noise = np.random.default_rng(0).standard_normal((1, *size, 3), np.float32)
        pieces = np.repeat(np.clip(0.5 + _of_length(noise, length), 0, 1), len(numbers), axis=0)
        direction = np.zeros_like(pieces)
        for _ in range(steps):  # a gradient step, then a projection to the contrast
            direction += _of_length(gradient(model, asked, pieces, cotangent), 1.0)
            pieces = np.clip(0.5 + _of_length(direction, length), 0, 1)
    return pieces[:, top:bottom, left:right]


def _of_length(vectors: np.ndarray, length: float) -> np.ndarray:
    lengths = np.sqrt(np.square(vectors).sum(axis=(1, 2, 3), keepdims=True))
    return np.float32(length) * vectors / np.maximum(lengths, np.float32(1e-12))


def invert(
    model: Network,
    layer: str,
    image: Any,
    *,
    steps: int = 200,
    learning_rate: float = 0.05,
    variation: float = 0.5,
    seed: int = 0,
    progress: bool | None = None,
) -> Synthesis:
    """Return a picture with the same features in a layer as `image`, from noise. Source: Mahendran & Vedaldi 2015.

    The layer has lost whatever differs from `image`.
    The cost is Σ (F(x) − F(image))² / Σ F(image)² + variation · the mean squared difference of neighbouring pixels.
    image: a path, or floats (H, W, 3) in [0, 1]. Raise InputError for a bad argument.
    """
    model.check_layer(layer)
    _check_loop("invert", steps, learning_rate)
    picture = as_image(image, name="invert: image")
    with at_rest(model):
        target = outputs_of(model, layer, picture[None])
        weight = 1 / max(float(np.sum(np.square(target))), 1e-12)
        canvas = Canvas(1, picture.shape[:2], seed=seed)

        def cost() -> tuple[Tensor, np.ndarray]:
            x = canvas.picture()
            difference = ops.sum(ops.square(model.features(x, [layer])[layer] - target)) * weight
            total = difference + variation * _variation(x)
            return total, np.asarray(total.item())

        history = _descend(canvas.numbers, cost, steps, learning_rate, f"invert {layer}", progress)
        with no_grad():
            found = canvas.picture().data[0]
    return Synthesis(found, np.stack(history), np.zeros(0, np.int64))


def _descend(
    numbers: Tensor,
    cost: Callable[[], tuple[Tensor, np.ndarray]],
    steps: int,
    learning_rate: float,
    label: str,
    progress: bool | None,
) -> list[np.ndarray]:
    """Run Adam on the numbers of a canvas, and return the history: the second result of each cost()."""
    optimizer = optim.Adam([numbers], learning_rate)
    history = []
    for _ in tqdm(range(steps), desc=label, unit="step", disable=None if progress is None else not progress):
        total, told = cost()
        if not np.isfinite(total.item()):
            raise InputError(f"{label}: the cost became {total.item()}; try a learning_rate below {learning_rate:g}")
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(told)
    return history


def _variation(x: Tensor) -> Tensor:
    """Return the mean over pixels of the squared differences to the neighbours below and to the right, per picture."""
    down, right = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    return (ops.sum(ops.square(down)) + ops.sum(ops.square(right))) * (1 / x.size)


def _aim(outputs: np.ndarray, units: np.ndarray, position: Any) -> np.ndarray:
    if isinstance(position, str) and position == "middle" and outputs.ndim == 4:
        position = outputs.shape[1] // 2, outputs.shape[2] // 2
    if isinstance(position, str) and position not in ("all", "middle"):
        raise InputError(f'maximize: position is {position!r}; expected "all", "middle" or (row, column)')
    cotangent = aim(outputs, units, position)
    return cotangent / cotangent[0].sum()


def _convolutions(model: Network) -> set[str | None]:
    return {layer.name for layer in every(model.layers) if isinstance(layer, Conv2d)}


def _size(size: Any, model: Network) -> tuple[int, int]:
    pair = model.card.input_size if size is None else size if isinstance(size, tuple) else (size, size)
    if len(pair) != 2 or not all(is_count(n, 2, 4096) for n in pair):
        raise InputError(f"maximize: size is {size!r}; expected pixels from 2 to 4096, or (height, width)")
    return pair


def _check_loop(method: str, steps: Any, learning_rate: Any) -> None:
    check_count(f"{method}: steps", steps)
    if not isinstance(learning_rate, int | float) or not 0 < learning_rate < np.inf:
        raise InputError(f"{method}: learning_rate is {learning_rate!r}; expected a positive number")
