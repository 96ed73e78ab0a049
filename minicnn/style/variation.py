"""Total variation: the roughness of a picture, in the forms that different systems use.

Source: Rudin, Osher & Fatemi 1992, "Nonlinear total variation based noise removal algorithms".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.images import scaled
from minicnn.models.network import floating
from minicnn.operation import op
from minicnn.tensor import Tensor

SPAN = 256  # parts of the long side, over which "mean-slope" measures differences


@op(inputs=1, fresh=True)
def total_variation(image, *, power=1):
    """Return Σ |difference|^power over horizontal and vertical neighbours, a scalar. image: (N, H, W, C).

    power: 1 preserves edges and flattens the rest; 2 also smooths edges. uint8 is scaled to [0, 1].
    Raises InputError for other shapes or dtypes. Source: Rudin, Osher & Fatemi 1992.
    """
    image = scaled(image) if image.dtype == np.uint8 else image
    _check(image)
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


def steepness(image: Tensor) -> Tensor:
    """Return dx² + dy² of every pixel that has a right and a lower neighbour: (N, H − 1, W − 1, C)."""
    here = image[:, :-1, :-1]
    return ops.square(image[:, :-1, 1:] - here) + ops.square(image[:, 1:, :-1] - here)


def mean_of_each(image: Tensor) -> Tensor:
    """Return mean dx² + mean dy², each over all pairs of neighbours. Scalar."""
    right, down = image[:, :, 1:] - image[:, :, :-1], image[:, 1:] - image[:, :-1]
    return ops.mean(ops.square(right)) + ops.mean(ops.square(down))


def nine_point(image: Tensor) -> Tensor:
    """Return ⅔ (mean dx² + mean dy²) + ⅙ (mean of both diagonals), with the border replicated. Scalar.

    Source: the nine-point stencil of the Laplacian, which weighs diagonals and axes equally.
    """
    wide = ops.concat((image[:, :1], image, image[:, -1:]), axis=1)
    wide = ops.concat((wide[:, :, :1], wide, wide[:, :, -1:]), axis=2)
    # Differences across the replicated border are zero, and count in the means.
    straight = total_variation(image, power=2) / image.size
    falling, rising = wide[:, 1:, 1:] - wide[:, :-1, :-1], wide[:, 1:, :-1] - wide[:, :-1, 1:]
    slanted = ops.mean(ops.square(falling)) + ops.mean(ops.square(rising))
    return straight * (2 / 3) + slanted * (1 / 6)


def mean_slope(image: Tensor) -> Tensor:
    """Return the mean d² for differences d over 1/SPAN of the long side, at least a pixel. Scalar.

    Enlarged, a picture has smaller differences between pixels; these stay, so a large picture is as smooth as a small.
    """
    pixels = max(1.0, max(image.shape[1:3]) / SPAN)
    return total_variation(image, power=2) * (pixels**2 / image.size)


class VariationForm(NamedTuple):
    """A form of total variation. formula: for display. of: return the scalar for an image (N, H, W, C)."""

    formula: str
    of: Callable[[Tensor], Tensor]


VARIATION_FORMS: Mapping[str, VariationForm] = {
    "absolute": VariationForm("Σ|d|", total_variation),
    "mean-absolute": VariationForm("mean |d|", lambda image: total_variation(image) / image.size),
    "mean-squared": VariationForm("mean d²", lambda image: total_variation(image, power=2) / image.size),
    "mean-slope": VariationForm("mean (d·max(1, side/256))²", mean_slope),
    "half-squared": VariationForm("½Σ(dx²+dy²)", lambda image: steepness(image).sum() * 0.5),
    "rounded": VariationForm("Σ(dx²+dy²)^1.25", lambda image: ops.power(steepness(image), 1.25).sum()),
    "means": VariationForm("(mean dx² + mean dy²)", mean_of_each),
    "nine-point": VariationForm("mean d² of 9 points", nine_point),
}


def variation(image: Any, form: str) -> Tensor:
    """Return the total variation of an image (N, H, W, C) in a form of VARIATION_FORMS, a scalar. Raises InputError."""
    if form not in VARIATION_FORMS:
        raise InputError(f"variation_form is {form!r}; expected one of {', '.join(VARIATION_FORMS)}")
    image = floating(image if isinstance(image, Tensor) else Tensor(image))
    _check(image)
    return VARIATION_FORMS[form].of(image)


def _check(image: Any) -> None:
    if image.ndim != 4 or image.shape[1] < 2 or image.shape[2] < 2:
        raise InputError(f"total_variation: image has shape {image.shape}; expected (N, H, W, C) of 2×2 pixels or more")
    if image.dtype.kind != "f":
        raise InputError(f"total_variation: image has dtype {image.dtype}; expected floats in [0, 1], or uint8")
