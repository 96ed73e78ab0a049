"""The costs of neural style transfer. Features are Tensors (1, H, W, C); every cost is a scalar Tensor.

Source: Gatys, Ecker & Bethge 2015, "A neural algorithm of artistic style". N is the number of channels, M of positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.models.network import floating
from minicnn.ops import gram_matrix
from minicnn.style.variation import total_variation
from minicnn.style.wasserstein import squared_wasserstein
from minicnn.tensor import Tensor

__all__ = ["content_cost", "gram_matrix", "layer_style_cost", "style_cost", "total_cost", "total_variation"]


@dataclass(frozen=True)
class Extent:
    """What the forms of a cost divide by. channels: N, positions: M of the generated picture's features; target: what
    they are compared with. image_size: (height, width) of the picture itself, where it is known.
    """

    channels: int
    positions: int
    target: Tensor
    image_size: tuple[int, int] | None = None

    @property
    def energy(self) -> float:
        """Σ target², a constant: no gradient flows to the target by it."""
        return max(float(np.sum(np.square(self.target.data))), 1e-12)

    @property
    def area(self) -> int:
        """Positions of the picture itself."""
        if self.image_size is None:
            raise InputError("style_form 'keras': image_size is missing; expected (height, width) of the picture")
        return self.image_size[0] * self.image_size[1]


class Moments(NamedTuple):
    """How a layer's channels fire over a picture, wherever it is: what is compared of style.

    Both are means over positions, so those of several pictures, or parts of one, may be averaged.
    second: FᵀF / M, (1, C, C), the Gram matrix that knows no size. first: the mean of each channel, (1, C); None where
    nobody asks for it.
    """

    second: Tensor
    first: Tensor | None


class ContentForm(NamedTuple):
    """A cost is factor(extent) · Σ (ΔF)². formula: all of it, for the eye."""

    formula: str
    factor: Callable[[Extent], float]


class StyleForm(NamedTuple):
    """A cost is factor(extent) · distance(target, generated). formula: all of it, for the eye.

    The formulas are of raw Gram matrices and pictures of one size; gram_distance has the 1 / M² in it.
    first: whether it asks for first moments.
    """

    formula: str
    factor: Callable[[Extent], float]
    distance: Callable[[Moments, Moments], Tensor]
    first: bool = False


def gram_distance(target: Moments, generated: Moments) -> Tensor:
    """Return Σ (G_generated/M − G_style/M)²: pictures of different sizes may be compared."""
    return ops.sum(ops.square(generated.second - target.second))


CONTENT_FORMS: Mapping[str, ContentForm] = {
    "course": ContentForm("Σ(ΔF)²/4NM", lambda of: 1 / (4 * of.channels * of.positions)),
    "gatys": ContentForm("½Σ(ΔF)²", lambda of: 0.5),
    "mean": ContentForm("Σ(ΔF)²/NM", lambda of: 1 / (of.channels * of.positions)),
    "sum": ContentForm("Σ(ΔF)²", lambda of: 1.0),
    "relative": ContentForm("Σ(ΔF)²/ΣF²", lambda of: 1 / of.energy),
}
STYLE_FORMS: Mapping[str, StyleForm] = {
    "gatys": StyleForm("Σ(ΔG)²/4N²M²", lambda of: 1 / (4 * of.channels**2), gram_distance),
    "mean": StyleForm("Σ(ΔG)²/N²M²", lambda of: 1 / of.channels**2, gram_distance),
    "johnson": StyleForm("Σ(ΔG)²/N⁴M²", lambda of: 1 / of.channels**4, gram_distance),
    "keras": StyleForm("Σ(ΔG)²/36(HW)²", lambda of: (of.positions / of.area) ** 2 / 36, gram_distance),
    "relative": StyleForm("Σ(ΔG)²/ΣG²", lambda of: 1 / of.energy, gram_distance),
    # As if channels were normally distributed over the positions.
    "wasserstein": StyleForm("W₂²(μ, Σ)/N", lambda of: 1 / of.channels, squared_wasserstein, first=True),
}


def content_cost(content: Any, generated: Any, *, form: str = "course") -> Tensor:
    """How far the generated picture's features are from the content's at each place. Gatys et al. 2015, equation 1.

    form: a name of CONTENT_FORMS, among them "course", Σ (ΔF)² / (4 N M); "gatys", ½ Σ (ΔF)²; and "relative",
    Σ (ΔF)² / Σ F², which is the same for a network whatever the size of its features.
    """
    content, generated = _features("content_cost", content, generated)
    if content.shape != generated.shape:
        raise InputError(f"content_cost: content has shape {content.shape}, generated {generated.shape}; not equal")
    rule = chosen("content_cost: form", form, CONTENT_FORMS)
    extent = Extent(generated.shape[-1], math.prod(generated.shape[1:-1]), content)
    return ops.sum(ops.square(generated - content)) * rule.factor(extent)


def layer_style_cost(
    style: Any, generated: Any, *, form: str = "gatys", image_size: tuple[int, int] | None = None
) -> Tensor:
    """How differently the channels of one layer fire together. Gatys et al. 2015, equation 4.

    form: a name of STYLE_FORMS, among them "gatys", Σ (G/M − S/M)² / (4 N²), which for pictures of one size is their
    1 / (4 N² M²); and "relative", Σ (G/M − S/M)² / Σ (S/M)², which puts layers of all sizes on one footing.
    image_size: (height, width) of the generated picture, which only "keras" asks for.
    """
    style, generated = _features("layer_style_cost", style, generated)
    if style.shape[-1] != generated.shape[-1]:
        raise InputError(
            f"layer_style_cost: style has {style.shape[-1]} channels, generated {generated.shape[-1]}; expected as many"
        )
    return target_cost(moments(style), generated, form=form, image_size=image_size)


def target_cost(
    target: Moments,
    generated: Tensor,
    *,
    form: str = "gatys",
    image_size: tuple[int, int] | None = None,
    weights: np.ndarray | None = None,
) -> Tensor:
    """Return layer_style_cost from the style's moments, which a loop forms only once. weights: as in `moments`."""
    rule = chosen("layer_style_cost: form", form, STYLE_FORMS)
    found = moments(generated, weights, first=rule.first)
    return moments_cost(target, found, math.prod(generated.shape[1:-1]), form=form, image_size=image_size)


def moments_cost(
    target: Moments, generated: Moments, positions: int, *, form: str, image_size: tuple[int, int] | None = None
) -> Tensor:
    """Return layer_style_cost from the moments of both pictures. positions: of the generated one's features."""
    rule = chosen("layer_style_cost: form", form, STYLE_FORMS)
    extent = Extent(target.second.shape[-1], positions, target.second, image_size)
    return rule.distance(target, generated) * rule.factor(extent)


def style_cost(
    style: Mapping[str, Any],
    generated: Mapping[str, Any],
    layers: Mapping[str, float],
    *,
    form: str = "gatys",
    image_size: tuple[int, int] | None = None,
) -> Tensor:
    """Σ weight · layer_style_cost over `layers`, {name: weight}. Gatys et al. 2015, equation 5."""
    if not layers:
        raise InputError("style_cost: layers is empty; expected {name: weight} with at least one")
    for name in layers:
        if name not in style or name not in generated:
            known = ", ".join(sorted(set(style) & set(generated))) or "none"
            raise InputError(f"style_cost: layer {name!r} is not among the features given; expected one of {known}")
    how: dict[str, Any] = {"form": form, "image_size": image_size}
    return add_up([layer_style_cost(style[name], generated[name], **how) * weight for name, weight in layers.items()])


def total_cost(content: Any, style: Any, alpha: float = 10, beta: float = 40) -> Any:
    """alpha · J_content + beta · J_style. Gatys et al. 2015, equation 7."""
    return alpha * content + beta * style


def mean_gram(features: Tensor, weights: np.ndarray | None = None) -> Tensor:
    """Return the Gram matrix over the number of positions: comparable between pictures of different sizes.

    weights: (1, H, W, 1), how much each position counts; None counts all alike.
    """
    if weights is None:
        return gram_matrix(features) / math.prod(features.shape[1:-1])
    return gram_matrix(features * np.sqrt(weights)) / float(weights.sum(dtype=np.float64))


def moments(features: Tensor, weights: np.ndarray | None = None, *, first: bool = True) -> Moments:
    """Return the Moments of a layer's features. weights: as in `mean_gram`. first: whether means are asked for."""
    second = mean_gram(features, weights)
    if not first:
        return Moments(second, None)
    if weights is None:
        return Moments(second, features.mean(axis=(1, 2)))
    return Moments(second, ops.sum(features * weights, axis=(1, 2)) / float(weights.sum(dtype=np.float64)))


def blend(parts: Sequence[tuple[Moments, float]]) -> Moments:
    """The weighted mean: the moments of a picture, each share of which is in another style."""
    whole = sum(weight for _, weight in parts)
    seconds, firsts = ([getattr(m, name) * (w / whole) for m, w in parts] for name in Moments._fields)
    return Moments(add_up(seconds), add_up(firsts))


def add_up(terms: Sequence[Tensor]) -> Tensor:
    """The sum of several Tensors."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def chosen(argument: str, name: str, table: Mapping[str, Any]) -> Any:
    """The row of this name; `argument` opens the message where there is none."""
    if name not in table:
        raise InputError(f"{argument} is {name!r}; expected one of {', '.join(table)}")
    return table[name]


def _features(name: str, *values: Any) -> tuple[Tensor, ...]:
    tensors = tuple(floating(v if isinstance(v, Tensor) else Tensor(v)) for v in values)
    for tensor in tensors:
        if tensor.ndim != 4 or tensor.dtype.kind != "f" or 0 in tensor.shape:
            raise InputError(
                f"{name}: features have shape {tensor.shape} and dtype {tensor.dtype}; expected floats (1, H, W, C)"
            )
    return tensors
