"""The heat map of a Tensor that a notebook shows."""

from __future__ import annotations

import base64
import html
import io

import numpy as np

from minicnn import devices
from minicnn.tape import thumbnails
from minicnn.tensor import Tensor

SIDE = 28  # cells along a side of a tile
TILES = 8
WIDTH = 420  # pixels, approximately
POSITIVE, NEGATIVE, NOT_FINITE = (178, 24, 43), (33, 102, 172), (90, 90, 90)


def html_of(tensor: Tensor) -> str:
    """Return a line about the Tensor and a picture of it: red for positive numbers, blue for negative, white for 0.

    With more than two axes, each tile shows the last two spatial axes, and the tiles run over the others.
    """
    array = devices.to_host(tensor.data)
    label = f" {tensor.name!r}" if tensor.name else ""
    gradient = ", requires a gradient" if tensor.requires_grad else ""
    about = f"Tensor{label} {array.shape} {array.dtype}{gradient}"
    if array.ndim == 0:
        return _line(f"{about}: {array.item():.6g}")
    if array.size == 0:
        return _line(f"{about}, empty")
    values = array.astype(np.float64)
    finite = values[np.isfinite(values)]
    if finite.size:
        about += f", {finite.min():.4g} … {finite.max():.4g}, mean {finite.mean():.4g}"
    if finite.size < values.size:
        about += f", {values.size - finite.size} not finite"
    tiles, shown = _tiles(values)
    levels = np.concatenate([np.pad(t, ((0, 0), (0, 1)), constant_values=0) for t in tiles], axis=1)[:, :-1]
    picture = _colours(levels, float(np.abs(finite).max()) if finite.size else 1.0)
    scale = max(2, min(14, WIDTH // levels.shape[1]))
    size = f"width:{levels.shape[1] * scale}px;height:{levels.shape[0] * scale}px"
    style = f"{size};image-rendering:pixelated;border:1px solid #ccc"
    source = base64.b64encode(_png(picture)).decode("ascii")
    image = f'<img alt="{html.escape(about)}" style="{style}" src="data:image/png;base64,{source}">'
    return _line(about + shown) + image


def _tiles(values: np.ndarray) -> tuple[list[np.ndarray], str]:
    """Return the tiles, each cell the mean of the elements it covers, and a note of what was left out."""
    if values.ndim == 1:
        planes = values[None, None]
    else:
        plane = thumbnails.plane_of(values.ndim)
        planes = np.moveaxis(values, plane, (-2, -1)).reshape(-1, *(values.shape[axis] for axis in plane))
    rows, columns = (thumbnails.edges_of(n, min(n, SIDE)) for n in planes.shape[1:])
    with np.errstate(invalid="ignore"):
        tiles = [thumbnails.means_of(tile, rows, columns) for tile in planes[:TILES]]
    return tiles, f"; the first {TILES} of {len(planes)} tiles" if len(planes) > TILES else ""


def _colours(levels: np.ndarray, scale: float) -> np.ndarray:
    """Return the RGB bytes of each cell."""
    known = np.isfinite(levels)
    strength = np.where(known, levels, 0) / (scale or 1)
    full = np.where(strength[..., None] < 0, NEGATIVE, POSITIVE)
    shades = 255 + (full - 255) * np.abs(strength)[..., None]
    return np.where(known[..., None], shades, NOT_FINITE).round().astype(np.uint8)


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _line(text: str) -> str:
    return f'<div style="font-family:monospace">{html.escape(text)}</div>'
