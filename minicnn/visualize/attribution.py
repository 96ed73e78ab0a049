"""Attribution of a unit's activation to the pixels, by its gradient and by methods built on gradients.

Maps are (N, H, W, 3), without N for one picture, and not scaled; plots.py turns them into colours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn.errors import InputError, check_count
from minicnn.images import scaled
from minicnn.models.network import Network
from minicnn.visualize.pictures import as_pictures
from minicnn.visualize.units import BATCH, aim, at_rest, gradient, outputs_of, unit_numbers


def saliency(
    model: Network, layer: str, images: Any, unit: Any, *, position: Any = "max", batch_size: int = BATCH
) -> np.ndarray:
    """Return the gradient of a unit with respect to the pixels. Source: Simonyan, Vedaldi & Zisserman 2014.

    images: an array (N, H, W, 3) or (H, W, 3), a folder, or a sequence of arrays or files. unit: a number or the name
    of a class, for all pictures or one per picture. position: in a layer with spatial axes, "max" (the largest
    activation), "all" (the sum over positions), or (row, column). The other methods take the same arguments.
    """
    return _by_rule("gradient", model, layer, images, unit, position, batch_size)


def deconvnet(
    model: Network, layer: str, images: Any, unit: Any, *, position: Any = "max", batch_size: int = BATCH
) -> np.ndarray:
    """Return a unit's activation projected back to the pixels. Source: Zeiler & Fergus 2014. Arguments: see saliency.

    The projection uses the transposed filters and the switches of max pools. On the way back, ReLU is applied to the
    signal itself, regardless of where the forward ReLU was on.
    """
    return _by_rule("deconvnet", model, layer, images, unit, position, batch_size)


def guided_backprop(
    model: Network, layer: str, images: Any, unit: Any, *, position: Any = "max", batch_size: int = BATCH
) -> np.ndarray:
    """Return the gradient through the ReLUs that were on, as far as it is positive at each of them.

    Source: Springenberg, Dosovitskiy, Brox & Riedmiller 2015. Arguments: see saliency.
    """
    return _by_rule("guided", model, layer, images, unit, position, batch_size)


def _by_rule(
    rule: str, model: Network, layer: str, images: Any, unit: Any, position: Any, batch_size: int
) -> np.ndarray:
    def back(pictures: np.ndarray, cotangent: np.ndarray, first: int) -> np.ndarray:
        return gradient(model, layer, pictures, cotangent, rule)

    return for_each_batch(model, layer, images, unit, position, batch_size, back)


def integrated_gradients(
    model: Network,
    layer: str,
    images: Any,
    unit: Any,
    *,
    steps: int = 32,
    baseline: Any = 0.0,
    position: Any = "max",
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return (x − x₀) times the mean gradient on the straight line from x₀ to x. Source: Sundararajan, Taly & Yan 2017.

    It is each pixel's contribution to the difference of the unit's activation between x and x₀.
    baseline: x₀, a number, a colour or a picture; black as in the paper. steps: points on the line, each in the middle
    of one of as many segments. The unit's position is that of x at every step. Other arguments: see saliency.
    """
    check_count("integrated_gradients: steps", steps)

    def integrate(pictures: np.ndarray, cotangent: np.ndarray, first: int) -> np.ndarray:
        origin = np.broadcast_to(scaled(np.asarray(baseline)), pictures.shape).astype(np.float32)
        total = np.zeros_like(pictures)
        for step in range(steps):
            share = np.float32((step + 0.5) / steps)
            total += gradient(model, layer, origin + share * (pictures - origin), cotangent)
        return (pictures - origin) * total / np.float32(steps)

    return for_each_batch(model, layer, images, unit, position, batch_size, integrate)


def smoothgrad(
    model: Network,
    layer: str,
    images: Any,
    unit: Any,
    *,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    position: Any = "max",
    batch_size: int = BATCH,
) -> np.ndarray:
    """Return the mean gradient over noisy copies of each picture. Source: Smilkov et al. 2017.

    noise: its standard deviation, as a share of the range between the picture's lightest and darkest value. Noisy
    values are clipped to [0, 1], the range of pictures. Other arguments: see saliency.
    """
    check_count("smoothgrad: samples", samples)
    if not isinstance(noise, int | float) or not 0 <= noise <= 10:
        raise InputError(f"smoothgrad: noise is {noise!r}; expected a share of at least 0")

    def smooth(pictures: np.ndarray, cotangent: np.ndarray, first: int) -> np.ndarray:
        deviation = np.float32(noise) * np.ptp(pictures, axis=(1, 2, 3), keepdims=True)
        sources = [np.random.default_rng([seed, first + i]) for i in range(len(pictures))]  # independent of the batches
        total = np.zeros_like(pictures)
        for _ in range(samples):
            drawn = np.stack([source.standard_normal(pictures.shape[1:], np.float32) for source in sources])
            total += gradient(model, layer, np.clip(pictures + deviation * drawn, 0, 1), cotangent)
        return total / np.float32(samples)

    return for_each_batch(model, layer, images, unit, position, batch_size, smooth)


def for_each_batch(
    model: Network, layer: str, images: Any, unit: Any, position: Any, batch_size: int, method: Any
) -> np.ndarray:
    """Return method(pictures, cotangent, number of the first) over all pictures, its results concatenated.

    The result for a single picture (H, W, 3) has no first axis.
    """
    model.check_layer(layer)
    pictures = as_pictures(images, model.card.input_size)
    found, units = [], None
    with at_rest(model):
        for first, batch in pictures.batches(batch_size):
            outputs = outputs_of(model, layer, batch)
            if units is None:
                units = unit_numbers(model, layer, unit, outputs.shape[-1], len(pictures))
            found.append(method(batch, aim(outputs, units[first : first + len(batch)], position), first))
    joined = np.concatenate(found)
    return joined[0] if isinstance(images, np.ndarray) and images.ndim == 3 else joined
