"""The costs of neural style transfer. Features are Tensors (1, H, W, C); every cost is a scalar Tensor.

Source: Gatys, Ecker & Bethge 2015, "A neural algorithm of artistic style". N is the number of channels, M of positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.ops import gram_matrix
from minicnn.tensor import Tensor, op

__all__ = ["content_cost", "gram_matrix", "layer_style_cost", "style_cost", "total_cost", "total_variation"]


def content_cost(content: Any, generated: Any, *, scale: str = "course") -> Tensor:
    """How far the generated picture's features are from the content's at each place. Gatys et al. 2015, equation 1.

    scale: "course", Σ (ΔF)² / (4 N M); "gatys", ½ Σ (ΔF)²; or "relative", Σ (ΔF)² / Σ F², which is the same for a
    network whatever the size of its features.
    """
    content, generated = _features("content_cost", content, generated)
    if content.shape != generated.shape:
        raise InputError(f"content_cost: content has shape {content.shape}, generated {generated.shape}; not equal")
    difference = ops.sum(ops.square(generated - content))
    if scale == "course":
        return difference * (1 / (4 * content[0].size))
    if scale == "gatys":
        return difference * 0.5
    if scale == "relative":
        return difference * (1 / max(float(np.sum(np.square(content.data))), 1e-12))
    raise InputError(f'content_cost: scale is {scale!r}; expected "course", "gatys" or "relative"')


def mean_gram(features: Tensor) -> Tensor:
    """The Gram matrix over the number of positions: comparable between pictures of different sizes."""
    channels = features.shape[-1]
    return gram_matrix(features) / (features[0].size / channels)


def layer_style_cost(style: Any, generated: Any, *, scale: str = "gatys") -> Tensor:
    """How differently the channels of one layer fire together. Gatys et al. 2015, equation 4.

    scale: "gatys", Σ (G/M − S/M)² / (4 N²), which for pictures of one size is their 1 / (4 N² M²); or "relative",
    Σ (G/M − S/M)² / Σ (S/M)², which puts layers of all sizes on one footing.
    """
    style, generated = _features("layer_style_cost", style, generated)
    if style.shape[-1] != generated.shape[-1]:
        raise InputError(
            f"layer_style_cost: style has {style.shape[-1]} channels, generated {generated.shape[-1]}; expected as many"
        )
    return gram_cost(mean_gram(style), generated, scale=scale)


def gram_cost(target: Tensor, generated: Tensor, *, scale: str = "gatys") -> Tensor:
    """layer_style_cost from the style's mean_gram, which a loop forms only once."""
    if scale not in ("gatys", "relative"):
        raise InputError(f'layer_style_cost: scale is {scale!r}; expected "gatys" or "relative"')
    difference = ops.sum(ops.square(mean_gram(generated) - target))
    channels = generated.shape[-1]
    if scale == "gatys":
        return difference * (1 / (4 * channels**2))
    return difference * (1 / max(float(np.sum(np.square(target.data))), 1e-12))


def style_cost(
    style: Mapping[str, Any], generated: Mapping[str, Any], layers: Mapping[str, float], *, scale: str = "gatys"
) -> Tensor:
    """Σ weight · layer_style_cost over `layers`, {name: weight}. Gatys et al. 2015, equation 5."""
    if not layers:
        raise InputError("style_cost: layers is empty; expected {name: weight} with at least one")
    for name in layers:
        if name not in style or name not in generated:
            known = ", ".join(sorted(set(style) & set(generated))) or "none"
            raise InputError(f"style_cost: layer {name!r} is not among the features given; expected one of {known}")
    terms = [layer_style_cost(style[name], generated[name], scale=scale) * weight for name, weight in layers.items()]
    return add_up(terms)


def total_cost(content: Any, style: Any, alpha: float = 10, beta: float = 40) -> Any:
    """alpha · J_content + beta · J_style. Gatys et al. 2015, equation 7."""
    return alpha * content + beta * style


def add_up(terms: list[Tensor]) -> Tensor:
    """The sum of several scalars."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


@op(inputs=1)
def total_variation(image, *, power=1):
    """Σ |difference to the neighbour|^power, to the right and below: how rough a picture is. image: (N, H, W, C).

    power: 1 leaves edges as sharp as they are and flattens the rest; 2 rounds them. Source: Rudin, Osher & Fatemi 1992.
    """
    if image.ndim != 4 or image.shape[1] < 2 or image.shape[2] < 2:
        raise InputError(f"total_variation: image has shape {image.shape}; expected (N, H, W, C) of 2×2 pixels or more")
    if power not in (1, 2):
        raise InputError(f"total_variation: power is {power!r}; expected 1 or 2")
    down = image[:, 1:] - image[:, :-1]
    right = image[:, :, 1:] - image[:, :, :-1]

    def backward(dy):
        slope_down, slope_right = (np.sign(d) * dy if power == 1 else 2 * d * dy for d in (down, right))
        dimage = np.zeros_like(image)
        dimage[:, 1:] += slope_down
        dimage[:, :-1] -= slope_down
        dimage[:, :, 1:] += slope_right
        dimage[:, :, :-1] -= slope_right
        return dimage

    return sum((np.abs(d) if power == 1 else np.square(d)).sum() for d in (down, right)), backward


def _features(name: str, *values: Any) -> tuple[Tensor, ...]:
    tensors = tuple(v if isinstance(v, Tensor) else Tensor(v) for v in values)
    for tensor in tensors:
        if tensor.ndim != 4 or tensor.dtype.kind != "f" or 0 in tensor.shape:
            raise InputError(
                f"{name}: features have shape {tensor.shape} and dtype {tensor.dtype}; expected floats (1, H, W, C)"
            )
    return tensors
