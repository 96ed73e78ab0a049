"""Figures of the results. Every function returns a matplotlib Figure and shows nothing; `save` writes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn import images as files
from minicnn.drawings import literal
from minicnn.drawings import save as save
from minicnn.errors import InputError
from minicnn.models.blocks import every
from minicnn.models.network import Network
from minicnn.visualize.patches import Patches
from minicnn.visualize.units import at_rest, outputs_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, PAPER, PALE = "#222222", "#ffffff", "#8795a1"
DPI = 150
GREY = 0.5  # the colour of zero
MISSING = np.float32(0.9)  # the colour beyond a picture's edge


# Values to colours


def signed(maps: np.ndarray, *, quantile: float = 0.995) -> np.ndarray:
    """Return signed maps (…, h, w, 3) as colours around grey, each scaled so that this share of it fits into [0, 1].

    NaN stays NaN.
    """
    flat = np.abs(maps).reshape(*maps.shape[:-3], -1)
    flat = np.where(np.isnan(flat), 0, flat)
    largest = np.maximum(np.quantile(flat, quantile, axis=-1), 1e-12)[..., None, None, None]
    return np.clip(GREY + maps / (2 * largest), 0, 1)


def magnitude(maps: np.ndarray, *, quantile: float = 0.99) -> np.ndarray:
    """Return the largest absolute channel of maps (…, h, w, 3), each in [0, 1]. Source: Simonyan et al. 2014."""
    size = np.abs(maps).max(axis=-1)
    largest = np.quantile(size.reshape(*size.shape[:-2], -1), quantile, axis=-1)[..., None, None]
    return np.clip(size / np.maximum(largest, 1e-12), 0, 1)


def heat(map: np.ndarray, colours: str = "inferno") -> np.ndarray:
    """Return a map (h, w) in [0, 1] as colours (h, w, 3)."""
    import matplotlib

    return np.asarray(matplotlib.colormaps[colours](map), np.float32)[..., :3]


def over(picture: np.ndarray, map: np.ndarray, *, opacity: float = 0.55) -> np.ndarray:
    """Return a picture (h, w, 3) in grey, overlaid with a map (h, w) ≥ 0; zero is transparent."""
    strength = np.clip(map / max(float(map.max()), 1e-12), 0, 1)[..., None]
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    share = opacity * np.sqrt(strength) + (0.25 * (strength > 0.02))
    return np.clip((1 - share) * grey + share * heat(strength[..., 0], "turbo"), 0, 1).astype(np.float32)


# Pictures in a grid


def mosaic(tiles: Any, columns: int, *, gap: int = 1, zoom: int = 1, background: float = 1.0) -> np.ndarray:
    """Return pictures (N, h, w, 3) in rows of `columns`, `gap` pixels apart, enlarged by `zoom`. NaN is drawn pale."""
    tiles = np.asarray(tiles, np.float32)
    tiles = np.where(np.isnan(tiles), MISSING, tiles)
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    count, height, width, _ = tiles.shape
    rows = -(-count // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), background, np.float32)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def nine(tiles: np.ndarray, side: int = 120) -> np.ndarray:
    """Return up to nine pictures (N, h, w, 3) as a square of three by three, about `side` pixels wide."""
    zoom = max(1, round(side / 3 / tiles.shape[1]))
    filled = np.full((9, *tiles.shape[1:]), np.nan, np.float32)
    filled[: len(tiles)] = tiles[:9]
    return mosaic(filled, 3, gap=max(1, round(tiles.shape[1] * zoom / 20)), zoom=zoom)


def figure_of(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    titles: Sequence[str] = (),
    labels: Sequence[str] = (),
    title: str = "",
    inches: float = 1.6,
) -> Figure:
    """Return a figure of pictures (h, w, 3) or (h, w) in rows and columns; titles above columns, labels left of rows.

    inches: the height of a row.
    """
    from matplotlib.figure import Figure

    columns = max(len(row) for row in rows)
    label = 0.09 * max((len(line) for text in labels for line in text.split("\n")), default=0) + 0.1
    widths = [max(row[i].shape[1] / row[i].shape[0] for row in rows if i < len(row)) * inches for i in range(columns)]
    gap, above, top = 0.09 * inches**0.5, 0.3 if any(titles) else 0.04, 0.42 if title else 0.0
    needed = label + sum(widths) + gap * (columns + 0.5)
    width = max(needed, 0.115 * len(title))
    label += (width - needed) / 2
    height = top + above + len(rows) * (inches + gap) + 0.02
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    if title:
        figure.text(0.5, 1 - 0.2 / height, literal(title), ha="center", va="center", fontsize=13, color=INK)
    for r, row in enumerate(rows):
        bottom = height - top - above - (r + 1) * inches - r * gap
        if labels:
            figure.text(
                (label - 0.07) / width,
                (bottom + inches / 2) / height,
                literal(labels[r]),
                ha="right",
                va="center",
                fontsize=10,
                color=INK,
                linespacing=1.35,
            )
        left = label
        for c, picture in enumerate(row):
            axes = figure.add_axes((left / width, bottom / height, widths[c] / width, inches / height))
            small = picture.shape[0] < 2 * inches * DPI
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest" if small else "antialiased")
            axes.set_axis_off()
            if r == 0 and c < len(titles):
                axes.set_title(literal(titles[c]), fontsize=10.5, color=INK, pad=5)
            left += widths[c] + gap
    return figure


def unit_name(model: Network, layer: str, unit: int) -> str:
    """Return a unit's class, if its layer gives the classes; otherwise its number."""
    classes = model.card.classes
    return classes[unit] if classes and layer == model.layers[-1].name else f"unit {unit}"


# Grids


def filter_grid(model: Network, layer: str, *, columns: int | None = None, most: int = 64) -> Figure:
    """Return a figure of a convolution's filters. most: maximum number of filters.

    Filters of the first layer are shown in colour, each with its own contrast around grey. For a deeper layer, each row
    shows one filter's slices to its strongest input channels: blue is below zero, red above.
    """
    found = {module.name: module for module in every(model.layers)}
    model.check_layer(layer)
    w = getattr(found.get(layer.removesuffix(".linear")), "w", None)
    if w is None or w.ndim != 4:
        known = [name for name, module in found.items() if name and getattr(getattr(module, "w", None), "ndim", 0) == 4]
        raise InputError(f"filter_grid: layer {layer!r} has no filters; expected one of {', '.join(known)}")
    filters = np.moveaxis(w.data, -1, 0)[:most]  # (C_out, h, w, C_in)
    kind = f"{layer}: {w.shape[-1]} filters of {w.shape[0]}×{w.shape[1]} on {w.shape[2]} channels"
    if filters.shape[-1] == 3:
        tiles = signed(filters, quantile=1.0)
        if model.card.preprocessing in ("vgg", "squeezenet"):  # these networks take blue, green, red
            tiles = tiles[..., ::-1]
        across = columns or min(16, max(8, round(len(tiles) ** 0.5)))
        zoom = max(1, 60 // tiles.shape[1])
        sheet = mosaic(tiles, across, gap=10, zoom=zoom)
    else:
        across = min(columns or 16, filters.shape[-1])
        sheet = _slices(filters[: min(most, 16)], across)
        kind = f"{layer}: {min(most, 16, w.shape[-1])} of {w.shape[-1]} filters, their {across} strongest channels each"
    return figure_of([[sheet]], title=kind, inches=max(2.0, 7.0 * sheet.shape[0] / sheet.shape[1]))


def _slices(filters: np.ndarray, columns: int) -> np.ndarray:
    order = np.argsort(-np.square(filters).sum(axis=(1, 2)), axis=-1)[:, :columns]
    slices = np.take_along_axis(filters, order[:, None, None], axis=-1)
    scaled = slices / np.abs(slices).max(axis=(1, 2, 3), keepdims=True)
    tiles = heat(np.moveaxis(scaled, -1, 1).reshape(-1, *filters.shape[1:3]) / 2 + 0.5, "RdBu_r")
    return mosaic(tiles, columns, gap=6, zoom=max(1, 40 // filters.shape[1]))


def feature_grid(model: Network, layer: str, image: Any, *, columns: int = 12, most: int = 48) -> Figure:
    """Return a figure of a layer's channels for a picture, the strongest first, each with its own contrast.

    image: a path, or floats (H, W, 3) in [0, 1].
    """
    model.check_layer(layer)
    picture = files.as_image(image, name="feature_grid: image")
    with at_rest(model):
        features = outputs_of(model, layer, picture[None])
    if features.ndim != 4:
        raise InputError(f"feature_grid: layer {layer!r} gives {features.shape}; expected a layer with places")
    maps = np.moveaxis(features[0], -1, 0)
    shown = maps[np.argsort(-np.abs(maps).mean(axis=(1, 2)))[:most]]
    low, high = shown.min(axis=(1, 2), keepdims=True), shown.max(axis=(1, 2), keepdims=True)
    tiles = heat((shown - low) / np.maximum(high - low, 1e-12), "magma")
    sheet = mosaic(tiles, columns, gap=max(2, maps.shape[1] // 12), zoom=max(1, 96 // maps.shape[1]))
    title = f"{layer}: the {len(shown)} strongest of {len(maps)} channels, {maps.shape[1]}×{maps.shape[2]} each"
    side = files.resize(picture, sheet.shape[0], max(1, round(sheet.shape[0] * picture.shape[1] / picture.shape[0])))
    inches = 8.0 * sheet.shape[0] / sheet.shape[1]
    return figure_of([[side, sheet]] if inches < 3 else [[sheet]], title=title, inches=inches)


def patch_grid(patches: Patches, *, columns: int = 6) -> Figure:
    """Return a figure of each unit's patches, three by three."""
    cells = [nine(crops) for crops in patches.crops]
    return named_cells(cells, [str(unit) for unit in patches.units], columns, title_of(patches))


def title_of(patches: Patches) -> str:
    """Return the layer and the size of its units' receptive fields."""
    return f"{patches.layer}: a unit sees {seen(patches)}"


def seen(patches: Patches) -> str:
    """Return the size of the units' receptive fields, in words."""
    height, width = patches.fields.size
    whole = patches.fields.whole or (height, width) == patches.pictures[0].shape[:2]
    return "the whole picture" if whole else f"{height}×{width} pixels"


def named_cells(cells: Sequence[np.ndarray], names: Sequence[str], per_row: int, title: str) -> Figure:
    """Return a figure of pictures in rows, each with its name above it."""
    from matplotlib.figure import Figure

    rows = -(-len(cells) // per_row)
    inches, gap, above, top = 1.45, 0.12, 0.24, 0.42
    across = inches * cells[0].shape[1] / cells[0].shape[0]
    width = min(len(cells), per_row) * (across + gap) + gap
    width = max(width, 0.105 * len(title))
    height = top + rows * (inches + above) + gap
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor=PAPER)
    figure.text(0.5, 1 - 0.2 / height, literal(title), ha="center", va="center", fontsize=12, color=INK)
    for i, (cell, name) in enumerate(zip(cells, names, strict=True)):
        row, column = divmod(i, per_row)
        bottom = height - top - (row + 1) * (inches + above)
        box = (gap + column * (across + gap)) / width, bottom / height, across / width, inches / height
        axes = figure.add_axes(box)
        axes.imshow(cell, interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(literal(name), fontsize=9, color=PALE, pad=2)
    return figure
