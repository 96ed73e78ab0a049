"""The losses of neural style transfer. Features are Tensors (1, H, W, C); every cost is a scalar Tensor.

Sources: Gatys, Ecker & Bethge 2015, "A neural algorithm of artistic style". For the distance of distributions, Dowson &
Landau 1982, "The Fréchet distance between multivariate normal distributions"; in style transfer,
crowsonkb/style-transfer-pytorch. N channels, M positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minicnn import ops
from minicnn.backend import ask, current_backend
from minicnn.errors import InputError
from minicnn.models.network import floating
from minicnn.operation import op
from minicnn.ops import gram_matrix
from minicnn.style.variation import total_variation
from minicnn.tensor import Tensor

EPSILON = 1e-4  # added to variances, so that channels that are always zero have a positive root
RIDGE = 3e-3  # of the target's mean variance; more than rounding errors of single precision

__all__ = ["content_cost", "gram_matrix", "layer_style_cost", "style_cost", "total_cost", "total_variation"]


@dataclass(frozen=True)
class Extent:
    """The quantities that forms of a cost normalize by. channels: N. positions: M of the generated picture's features.

    target: the features or moments to compare with. image_size: (height, width) of the picture itself, if known.
    """

    channels: int
    positions: int
    target: Tensor
    image_size: tuple[int, int] | None = None

    @property
    def energy(self) -> float:
        """Σ target², a constant, so no gradient flows to the target."""
        return max(float(np.sum(np.square(self.target.data))), 1e-12)

    @property
    def area(self) -> int:
        """Number of pixels. Raises InputError if image_size is None."""
        if self.image_size is None:
            raise InputError("style_form 'keras': image_size is missing; expected (height, width) of the picture")
        return self.image_size[0] * self.image_size[1]


class Moments(NamedTuple):
    """Statistics of a layer's channels over all positions of a picture, which describe its style.

    Both are means over positions, so those of several pictures, or of parts of one, may be averaged.
    second: FᵀF / M, (1, C, C), the Gram matrix per position. first: the mean of each channel, (1, C), or None.
    """

    second: Tensor
    first: Tensor | None


class ContentForm(NamedTuple):
    """A content cost factor(extent) · Σ (ΔF)². formula: the whole cost, for display."""

    formula: str
    factor: Callable[[Extent], float]


class StyleForm(NamedTuple):
    """A style cost factor(extent) · distance(target, generated). formula: the whole cost, for display.

    The formulas use raw Gram matrices of pictures of the same size; gram_distance includes the 1 / M².
    first: True if it needs first moments.
    """

    formula: str
    factor: Callable[[Extent], float]
    distance: Callable[[Moments, Moments], Tensor]
    first: bool = False


def gram_distance(target: Moments, generated: Moments) -> Tensor:
    """Return Σ (G_generated/M − G_style/M)², which allows pictures of different sizes. Scalar."""
    return ops.sum(ops.square(generated.second - target.second))


def squared_wasserstein(target: Moments, generated: Moments, ridge: float = 0.0) -> Tensor:
    """Return W₂² of two normal distributions: |μ_s − μ_g|² + tr(Σ_s + Σ_g − 2 (Σ_s^½ Σ_g Σ_s^½)^½).

    ridge: this share of the target's mean variance is added to all variances. Without it, the gradient of channels that
    hardly vary consists of rounding errors.
    """
    assert target.first is not None and generated.first is not None
    added = EPSILON
    if ridge:
        first, second = target.first.data[0], target.second.data[0]
        added += ridge * float(np.mean(np.diagonal(second) - np.square(first)))
    a, b = (covariance(of.second, of.first, added=added) for of in (target, generated))
    identity = np.eye(*a.shape, dtype=a.dtype, like=a.data)
    spread = ops.sum(a * identity) + ops.sum(b * identity)
    return ops.sum(ops.square(generated.first - target.first)) + spread - 2 * overlap(a, b)


@op
def covariance(second, first, *, added, needs):
    """Return Σ (C, C) from Moments, second − first firstᵀ, plus `added` on the diagonal."""

    def backward(dy):
        return dy[None] if needs[0] else None, -first @ (dy + dy.T) if needs[1] else None

    return second[0] - first.T * first + added * np.eye(first.shape[1], dtype=first.dtype, like=first), backward


@op
def overlap(a, b, *, needs):
    """Return tr (a^½ b a^½)^½ of two covariances (C, C) with EPSILON on the diagonal. Computed in double precision.

    With a = L Lᵀ, Lᵀ b L has the same eigenvalues as a^½ b a^½. The gradient is ½ T for b and ½ T⁻¹ for a. Here
    T = L (Lᵀ b L)^−½ Lᵀ is the linear map that transports b's distribution to a's.
    Raises InputError for other shapes.
    """
    if a.ndim != 2 or a.shape[0] != a.shape[1] or a.shape != b.shape:
        raise InputError(f"overlap: a has shape {a.shape}, b {b.shape}; expected two square matrices of one size")
    with _one_thread():
        factor = _factor(a.astype(np.float64))
        values, vectors = np.linalg.eigh(factor.T @ b.astype(np.float64) @ factor)
    roots = np.sqrt(np.maximum(values, EPSILON**2))

    def backward(dy):
        da = db = None
        with _one_thread():
            if needs[1]:
                half = factor @ (vectors / np.sqrt(roots))
                db = (0.5 * dy * (half @ half.T)).astype(b.dtype)
            if needs[0]:
                half = np.linalg.solve(factor.T, vectors * np.sqrt(roots))
                da = (0.5 * dy * (half @ half.T)).astype(a.dtype)
        return da, db

    return roots.sum().astype(np.result_type(a, b)), backward


def _one_thread() -> AbstractContextManager:
    """Return a context that limits LAPACK to one thread: where other programs work, several take 400 times as long.

    With the definitions in NumPy, which are for reading, nothing is limited.
    """
    return nullcontext() if current_backend() == "numpy" else ask("hold_blas", otherwise=nullcontext())


def _factor(a):
    """Return L with a = L Lᵀ: Cholesky's, in a tenth of the time of eigenvectors, unless rounding errors prevent it."""
    try:
        factor = np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        factor = None
    if factor is not None and np.isfinite(factor).all():  # CuPy raises nothing
        return factor
    lengths, axes = np.linalg.eigh(a)
    return axes * np.sqrt(np.maximum(lengths, EPSILON))  # smaller values are rounding errors


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
    # Treats channels as normally distributed over the positions.
    "wasserstein": StyleForm("W₂²(μ, Σ)/N", lambda of: 1 / of.channels, squared_wasserstein, first=True),
    "wasserstein-ridge": StyleForm(
        f"W₂²(μ, Σ + {RIDGE} σ²)/N", lambda of: 1 / of.channels, partial(squared_wasserstein, ridge=RIDGE), first=True
    ),
}


def content_cost(content: Any, generated: Any, *, form: str = "course") -> Tensor:
    """Return the content cost, which compares features at each position. Source: Gatys et al. 2015, equation 1.

    content, generated: (1, H, W, C) of the same shape. form: a key of CONTENT_FORMS, such as "course",
    Σ (ΔF)² / (4 N M); "gatys", ½ Σ (ΔF)²; or "relative", Σ (ΔF)² / Σ F². The last does not depend on the size of the
    features. Returns a scalar Tensor. Raises InputError for other shapes, dtypes or forms.
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
    """Return the style cost of one layer, which compares Gram matrices. Source: Gatys et al. 2015, equation 4.

    style, generated: (1, H, W, C); only C must be the same. form: a key of STYLE_FORMS, such as "gatys",
    Σ (G/M − S/M)² / (4 N²), or "relative", Σ (G/M − S/M)² / Σ (S/M)². For pictures of the same size, the first is
    Gatys's 1 / (4 N² M²). The second makes layers of all sizes comparable.
    image_size: (height, width) of the generated picture, needed only by "keras".
    Returns a scalar Tensor. Raises InputError for other shapes, dtypes or forms.
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
    """Return layer_style_cost from the style's moments, which a loop computes only once. weights: as in `moments`."""
    rule = chosen("layer_style_cost: form", form, STYLE_FORMS)
    found = moments(generated, weights, first=rule.first)
    return moments_cost(target, found, math.prod(generated.shape[1:-1]), form=form, image_size=image_size)


def moments_cost(
    target: Moments, generated: Moments, positions: int, *, form: str, image_size: tuple[int, int] | None = None
) -> Tensor:
    """Return layer_style_cost from the moments of both pictures. positions: M of the generated picture."""
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
    """Return Σ weight · layer_style_cost over `layers`, {name: weight}. Source: Gatys et al. 2015, equation 5.

    style, generated: {name: features (1, H, W, C)}. Raises InputError if `layers` is empty or a name is missing.
    """
    if not layers:
        raise InputError("style_cost: layers is empty; expected {name: weight} with at least one")
    for name in layers:
        if name not in style or name not in generated:
            known = ", ".join(sorted(set(style) & set(generated))) or "none"
            raise InputError(f"style_cost: layer {name!r} is not among the features given; expected one of {known}")
    how: dict[str, Any] = {"form": form, "image_size": image_size}
    return add_up([layer_style_cost(style[name], generated[name], **how) * weight for name, weight in layers.items()])


def total_cost(content: Any, style: Any, alpha: float = 10, beta: float = 40) -> Any:
    """Return alpha · J_content + beta · J_style. Source: Gatys et al. 2015, equation 7."""
    return alpha * content + beta * style


def mean_gram(features: Tensor, weights: np.ndarray | None = None) -> Tensor:
    """Return the Gram matrix divided by the number of positions, comparable between pictures of different sizes.

    weights: (1, H, W, 1), the weight of each position; None: equal weights.
    """
    if weights is None:
        return gram_matrix(features) / math.prod(features.shape[1:-1])
    return gram_matrix(features * np.sqrt(weights)) / float(weights.sum(dtype=np.float64))


def moments(features: Tensor, weights: np.ndarray | None = None, *, first: bool = True) -> Moments:
    """Return the Moments of a layer's features. weights: as in `mean_gram`. first: compute the means, too."""
    second = mean_gram(features, weights)
    if not first:
        return Moments(second, None)
    if weights is None:
        return Moments(second, features.mean(axis=(1, 2)))
    return Moments(second, ops.sum(features * weights, axis=(1, 2)) / float(weights.sum(dtype=np.float64)))


def blend(parts: Sequence[tuple[Moments, float]]) -> Moments:
    """Return the weighted mean of Moments: those of a picture composed of styles in these shares."""
    whole = sum(weight for _, weight in parts)
    seconds, firsts = ([getattr(m, name) * (w / whole) for m, w in parts] for name in Moments._fields)
    return Moments(add_up(seconds), add_up(firsts))


def add_up(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum of several Tensors."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def chosen(argument: str, name: str, table: Mapping[str, Any]) -> Any:
    """Return the row of this name in a table. Raises InputError that begins with `argument` if there is none."""
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
