"""Keeping the content's colours: transformations of the style picture before a run, or of the result after it.

Pictures are floats (H, W, 3), RGB in [0, 1].
Source: Gatys, Bethge, Hertzmann & Shechtman 2016, "Preserving color in neural artistic style transfer".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from minicnn.errors import InputError
from minicnn.images import Picture, as_image

Match = Callable[[np.ndarray, np.ndarray], Picture]

# Weights of red, green and blue in luminance, Y of NTSC 1953's YIQ.
BRIGHTNESS = np.array([0.299, 0.587, 0.114])
FLAT = 1e-6  # variance that rounding to 8 bits can cause; anything below is not stretched


@dataclass(frozen=True)
class ColourKeeper:
    """A way to keep colours. before(style, content): the style picture to use. after(result, content): the result."""

    summary: str
    before: Match
    after: Match


def luminance(image: np.ndarray, reference: np.ndarray) -> Picture:
    """Return the luminance of the image in the colours of the reference: its Y with the reference's I and Q, per pixel.

    Both have the same shape (H, W, 3). A colour that would leave [0, 1] is desaturated; its luminance is kept, since it
    carries the style. Raises InputError for different shapes.
    """
    image, reference = _pictures("luminance", image, reference)
    if image.shape != reference.shape:
        raise InputError(f"luminance: image has shape {image.shape}, reference {reference.shape}; not equal")
    brightness = image @ BRIGHTNESS
    colour = reference - (reference @ BRIGHTNESS)[..., None]  # the RGB of (0, I, Q)
    return _picture(brightness[..., None] + colour * _room(brightness, colour)[..., None])


def _room(brightness: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return the largest factor up to 1 by which a colour may be added to a luminance without leaving [0, 1]."""
    tiny = np.finfo(np.float64).tiny
    up = (1 - brightness) / np.maximum(colour.max(axis=-1), tiny)
    down = brightness / np.maximum(-colour.min(axis=-1), tiny)
    return np.clip(np.minimum(up, down), 0, 1)


def luminance_match(image: np.ndarray, reference: np.ndarray) -> Picture:
    """Return the image in grey, with the mean and deviation of the reference's luminance. Both: (H, W, 3).

    Style is then transferred in luminance only. Source: Gatys et al. 2016, section 4.
    """
    ours, theirs = (picture @ BRIGHTNESS for picture in _pictures("luminance_match", image, reference))
    stretch = theirs.std() / ours.std() if ours.var() > FLAT else 0.0
    grey = (ours - ours.mean()) * stretch + theirs.mean()
    return _picture(np.repeat(grey[..., None], 3, axis=-1))


def histogram_match(image: np.ndarray, reference: np.ndarray, *, rotations: int = 8) -> Picture:
    """Return the image with the colour distribution of the reference. Both: (H, W, 3), of any size.

    Histograms are matched along the axes of `rotations` random rotations of colour space, then along the channels.
    The last are exact for pictures of the same size in which no value occurs twice. Matching only channels would leave
    the correlation of colours unchanged. Equal values stay equal, so flat areas stay flat.
    Source: Pitié, Kokaram & Dahyot 2005, "N-dimensional probability density function transfer".
    """
    image, reference = _pictures("histogram_match", image, reference)
    random = np.random.default_rng(0)
    turns = [np.linalg.qr(random.standard_normal((3, 3)))[0] for _ in range(rotations)]
    for turn in [*turns, np.eye(3)]:
        ours, theirs = image @ turn, reference @ turn
        image = np.stack([_ranked(ours[..., axis], theirs[..., axis]) for axis in range(3)], axis=-1) @ turn.T
    return _picture(image)


def _ranked(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    share = (np.cumsum(counts) - counts / 2) / values.size  # share of pixels below each value, ties counting half
    targets = np.sort(reference, axis=None)
    return np.interp(share, (np.arange(targets.size) + 0.5) / targets.size, targets)[place].reshape(values.shape)


def affine_match(image: np.ndarray, reference: np.ndarray) -> Picture:
    """Return A(x − μ) + μ_r with A = Σ_r^½ Σ^−½: the image with the reference's mean and covariance of colours.

    Both: (H, W, 3), of any size. The roots are symmetric, which changes colours least. Colour axes without variance in
    the image stay without. Source: Gatys et al. 2016.
    """
    image, reference = _pictures("affine_match", image, reference)
    ours, theirs = image.reshape(-1, 3), reference.reshape(-1, 3)
    transform = _power(np.cov(theirs.T, bias=True), 0.5) @ _power(np.cov(ours.T, bias=True), -0.5)
    return _picture(((ours - ours.mean(0)) @ transform.T + theirs.mean(0)).reshape(image.shape))


def _power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """Return a symmetric power of a covariance, zero along axes without variance."""
    variances, axes = np.linalg.eigh(covariance)
    kept = variances > FLAT
    return (axes[:, kept] * variances[kept] ** exponent) @ axes[:, kept].T


def _as_it_is(image: np.ndarray, _: np.ndarray) -> Picture:
    return _picture(image)


KEEPERS: Mapping[str, ColourKeeper] = {
    "luminance": ColourKeeper("brightness of the result, colours of the content", luminance_match, luminance),
    "histogram": ColourKeeper("the style in the content's colours, each as often as there", histogram_match, _as_it_is),
    "affine": ColourKeeper("the style in the content's colours, by their mean and covariance", affine_match, _as_it_is),
}


def colour_keeper(mode: str) -> ColourKeeper:
    """Return the ColourKeeper of a mode, "luminance", "histogram" or "affine". Raises InputError for another."""
    if mode not in KEEPERS:
        raise InputError(f"keep_colours is {mode!r}; expected one of {', '.join(KEEPERS)}")
    return KEEPERS[mode]


def _pictures(name: str, image: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ours, theirs = as_image(image, name=f"{name}: image"), as_image(reference, name=f"{name}: reference")
    return ours.astype(np.float64), theirs.astype(np.float64)


def _picture(values: np.ndarray) -> Picture:
    return np.clip(values, 0, 1).astype(np.float32)
