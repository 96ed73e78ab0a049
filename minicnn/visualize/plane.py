"""Pictures in the plane, close together if a network encodes them similarly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.errors import InputError
from minicnn.models.network import Network
from minicnn.visualize import plots
from minicnn.visualize.pictures import as_pictures
from minicnn.visualize.units import BATCH, at_rest, outputs_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INCHES = 9.0


def embedding_map(model: Network, images: Any, *, layer: str | None = None, side: float = 0.055) -> Figure:
    """Return a figure of pictures at their encodings along the first two principal components.

    images: as in top_patches. layer: its outputs are the encodings; None for the last. side: side of a picture, as a
    share of the figure. A picture that would overlap an earlier one is replaced by a dot.
    """
    from matplotlib.figure import Figure

    layer = layer or str(model.layers[-1].name)
    model.check_layer(layer)
    pictures = as_pictures(images, model.card.input_size)
    if len(pictures) < 3:
        raise InputError(f"embedding_map: images holds {len(pictures)} pictures; expected three or more")
    with at_rest(model):
        found = [outputs_of(model, layer, batch) for _, batch in pictures.batches(BATCH)]
    encodings = np.concatenate([outputs.reshape(len(outputs), -1) for outputs in found])
    places, share = principal_places(encodings)
    figure = Figure(figsize=(INCHES, INCHES), dpi=plots.DPI, facecolor=plots.PAPER)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.93))
    axes.set(xlim=(-side, 1 + side), ylim=(-side, 1 + side), xticks=[], yticks=[])
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    shown: list[np.ndarray] = []
    for number, place in enumerate(places):
        if all(np.abs(place - other).max() > side for other in shown):
            shown.append(place)
            x, y = place
            extent = (x - side / 2, x + side / 2, y - side / 2, y + side / 2)
            axes.imshow(pictures[number], extent=extent, interpolation="antialiased", aspect="auto", zorder=2)
        else:
            axes.plot(*place, ".", color=plots.PALE, markersize=3, zorder=1)
    axes.set(xlim=(-side, 1 + side), ylim=(-side, 1 + side))  # restored, since each picture has changed it
    count = f"{len(shown)} of {len(places)} pictures"
    title = f"{model.card.name}, {layer}: {count} in the plane of {share:.0%} of the variance"
    axes.set_title(plots.literal(title), fontsize=12, color=plots.INK)
    return figure


def principal_places(encodings: np.ndarray) -> tuple[np.ndarray, float]:
    """Return (N, 2) positions in the unit square along the first two principal components, and their variance share."""
    centred = encodings.astype(np.float64) - encodings.mean(axis=0, dtype=np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    places = u[:, :2] * s[:2]
    spans = np.ptp(places, axis=0)
    share = float(np.square(s[:2]).sum() / max(np.square(s).sum(), 1e-30))
    return (places - places.min(axis=0)) / np.where(spans > 0, spans, 1), share
