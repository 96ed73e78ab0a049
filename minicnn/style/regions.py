"""Regions: parts of a picture, each in its own style.

A mask gives the share of each pixel that a style applies to, from 0 to 1. Overlapping masks share their pixels. Pixels
in no mask keep the look of the content: they form a region whose style is the content's own.

Source: Gatys et al. 2017, "Controlling perceptual factors in neural style transfer", section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError
from minicnn.images import as_image, resample
from minicnn.models.fields import fields_of
from minicnn.models.network import Network

NEAR = 0.2  # maximum difference per channel between a pixel of a map and a colour
LEAST = 1e-3  # share of a picture; smaller remainders outside all masks are ignored
SHARES = (1.0, 0.5, 0.25)  # share of a receptive field that must lie in a region; the first with any position is used


class Map(NamedTuple):
    """A map of regions, in place of masks. picture: a path or (H, W, 3).

    colours: one per style, in order, by name or as "#rrggbb". Pixels of other colours keep the look of the content.
    """

    picture: Any
    colours: Sequence[str]


@dataclass(frozen=True, eq=False)
class Regions:
    """The masks of a transfer. masks: (H, W) per style, in order; their sum is at most 1.

    style_masks: (H', W') per style, the part of the style picture to use; None: all of it.
    """

    masks: Sequence[np.ndarray]
    style_masks: Sequence[np.ndarray | None]

    @property
    def rest(self) -> np.ndarray | None:
        """The share of each pixel outside all masks, (H, W); None if it is negligible."""
        rest = np.clip(1 - np.sum(self.masks, axis=0), 0, 1)
        return rest if rest.mean() > LEAST else None

    def scaled(self, size: tuple[int, int], styles: Sequence[tuple[np.ndarray, float]]) -> Regions:
        """Return the regions for a picture of another size, (height, width), and for its resized styles."""
        parts = zip(self.style_masks, styles, strict=True)
        shrunk = [None if part is None else _resized(part, picture.shape[:2]) for part, (picture, _) in parts]
        return Regions([_resized(mask, size) for mask in self.masks], shrunk)


def read(
    masks: Sequence[Any] | Map | None,
    style_masks: Sequence[Any] | None,
    content: tuple[Any, np.ndarray],
    styles: Sequence[Any],
) -> Regions | None:
    """Return the Regions of a request; None without masks. Raises InputError for masks that do not fit.

    masks, style_masks: paths, or arrays (H, W) or (H, W, 3), one per style; a style mask may be None. A Map stands for
    all masks. content, styles: (as given, the picture after resizing).
    """
    if masks is None and style_masks is None:
        return None
    masks = [np.ones(content[1].shape[:2], np.float32)] * len(styles) if masks is None else masks
    if isinstance(masks, Map):
        masks = of_map(masks)
    parts = [None] * len(styles) if style_masks is None else style_masks
    for name, given in (("masks", masks), ("style_masks", parts)):
        if isinstance(given, str | np.ndarray) or len(given) != len(styles):
            count = "one" if isinstance(given, str | np.ndarray) else len(given)
            raise InputError(f"transfer: {name} has {count} for {len(styles)} styles; expected a list, one per style")
    found = [_mask(f"transfer: mask {i}", mask, "the content", *content) for i, mask in enumerate(masks, 1)]
    whole = np.maximum(np.sum(found, axis=0), 1)
    theirs = [
        None if part is None else _mask(f"transfer: style mask {i}", part, f"style {i}", *style)
        for i, (part, style) in enumerate(zip(parts, styles, strict=True), 1)
    ]
    return Regions([mask / whole for mask in found], theirs)


def _mask(name: str, mask: Any, of: str, given: Any, picture: np.ndarray) -> np.ndarray:
    """Return a mask as floats (H, W) of the size of a picture. given: that picture, as the caller gave it."""
    if isinstance(mask, np.ndarray) and mask.ndim == 2:
        mask = np.repeat(mask[:, :, None], 3, axis=2)
    if isinstance(mask, np.ndarray) and mask.dtype == bool:
        mask = mask.astype(np.float32)
    grey = as_image(mask, name=name)
    if np.ptp(grey, axis=2).max() > 0.02:
        raise InputError(f"{name} is in colour; expected grey: white where the style paints, black where not")
    height, width = grey.shape[:2]
    wanted = as_image(given, name=of).shape[:2]
    if (height, width) not in (wanted, picture.shape[:2]):
        raise InputError(f"{name} is {width}×{height} pixels; expected {wanted[1]}×{wanted[0]}, as {of}")
    found = _resized(grey.mean(axis=2), picture.shape[:2])
    if found.max() < 1 / 255:
        raise InputError(f"{name} is black everywhere; expected white where the style paints")
    return found


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if mask.shape == size:
        return mask
    return np.clip(resample(np.ascontiguousarray(mask[:, :, None], np.float32), *size)[:, :, 0], 0, 1)


def seen(model: Network, layer: str, mask: np.ndarray) -> np.ndarray | None:
    """Return the weight of each position of a layer in a region, (1, h, w, 1); None if all are 1.

    The weight of a position is the minimum of the mask over its receptive field. The style then depends only on pixels
    in the region, and changes no others. If a region is too small for any such position, only the middle half of each
    field must be inside, then a quarter. As a last resort, positions nearest to pixels of the region count.
    """
    if mask.min() == 1:
        return None
    fields = fields_of(model, layer, mask.shape)
    for share in SHARES:
        inside = _least(_least(mask, fields.rows, share).T, fields.columns, share).T
        if inside.max() >= mask.max() / 2:
            break
    else:
        inside = _most(_most(mask, fields.rows).T, fields.columns).T
    return np.ascontiguousarray(inside[None, :, :, None])


def _least(mask: np.ndarray, spans: np.ndarray, share: float) -> np.ndarray:
    """Return the minimum of the rows in the middle `share` of each span."""
    middles, halves = (spans[:, 0] + spans[:, 1] - 1) / 2, (spans[:, 1] - spans[:, 0] - 1) / 2 * share
    first, last = np.ceil(middles - halves).astype(int), np.floor(middles + halves).astype(int)
    last = np.maximum(first, last)
    return np.stack([mask[start : end + 1].min(axis=0) for start, end in zip(first, last, strict=True)])


def _most(mask: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Return the maximum of the rows that are nearest to the middle of each span."""
    middles = (spans[:, 0] + spans[:, 1] - 1) / 2
    nearest = np.abs(np.arange(len(mask))[:, None] - middles).argmin(axis=1)
    return np.stack([mask[nearest == i].max(axis=0, initial=0) for i in range(len(spans))])


def of_map(regions: Map) -> list[np.ndarray]:
    """Return a mask (H, W) for each colour of a map: pixels within NEAR of it that are closest to it.

    Raises InputError for an unknown colour, or one that is not on the map; the message lists the map's colours.
    """
    from PIL import ImageColor

    picture, colours = as_image(regions.picture, name="transfer: map"), []
    for name in regions.colours:
        try:
            colours.append(np.asarray(ImageColor.getrgb(name)[:3], np.float32) / 255)
        except ValueError:
            raise InputError(f"transfer: map: colour {name!r} is unknown; expected a name, or #rrggbb") from None
    distances = np.stack([np.abs(picture - colour).max(axis=2) for colour in colours])
    nearest = distances.argmin(axis=0)
    masks = [((nearest == i) & (distances[i] < NEAR)).astype(np.float32) for i in range(len(colours))]
    for name, mask in zip(regions.colours, masks, strict=True):
        if not mask.any():
            kinds, counts = np.unique((picture.reshape(-1, 3) * 255).round().astype(int), axis=0, return_counts=True)
            common = ", ".join("#{:02x}{:02x}{:02x}".format(*kinds[i]) for i in np.argsort(-counts)[:6])
            raise InputError(f"transfer: map: no pixel is {name}; its most common colours are {common}")
    return masks
