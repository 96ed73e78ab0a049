"""Figures of attribution: each picture next to the maps of several methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.errors import InputError
from minicnn.images import resize
from minicnn.models.network import Network
from minicnn.visualize import plots
from minicnn.visualize.attribution import deconvnet, guided_backprop, integrated_gradients, saliency, smoothgrad
from minicnn.visualize.pictures import as_pictures
from minicnn.visualize.regions import grad_cam, occlusion
from minicnn.visualize.units import at_rest, outputs_of, unit_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 200  # minimum length of a picture's shorter side, in pixels

Column = tuple[str, Callable[..., np.ndarray], Callable[[np.ndarray, np.ndarray], np.ndarray]]


def _signed(picture: np.ndarray, map: np.ndarray) -> np.ndarray:
    return plots.signed(map)


def _size(picture: np.ndarray, map: np.ndarray) -> np.ndarray:
    return np.repeat(plots.magnitude(map)[..., None], 3, axis=-1)


def _both(picture: np.ndarray, map: np.ndarray) -> np.ndarray:
    """Return the picture overlaid with the positive part of a signed map."""
    return plots.over(picture, np.maximum(map, 0))


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "deconv": (("deconvnet", deconvnet, _signed),),
    "guided": (("guided backpropagation", guided_backprop, _signed),),
    "saliency": (
        ("gradient", saliency, _size),
        ("SmoothGrad", smoothgrad, _size),
        ("integrated gradients", integrated_gradients, _size),
    ),
    "gradcam": (("Grad-CAM", grad_cam, _both),),
    "occlusion": (("occlusion", occlusion, _both),),
}


def evidence(
    model: Network,
    method: str,
    images: Any,
    layer: str | None = None,
    unit: Any = None,
    **options: Any,
) -> Figure:
    """Return a figure of pictures, each next to the maps of one entry of COLUMNS.

    layer: None for the last. unit: None for the most active one of each picture. options: passed to the method.
    """
    if method not in COLUMNS:
        raise InputError(f"evidence: method is {method!r}; expected one of {', '.join(COLUMNS)}")
    layer = layer or str(model.layers[-1].name)
    model.check_layer(layer)
    album = as_pictures(images, model.card.input_size)
    pictures = album.stacked(range(len(album)))
    units, values = strongest(model, layer, pictures, unit)
    rows: list[list[np.ndarray]] = [[_shown(picture)] for picture in pictures]
    for _, function, colours in COLUMNS[method]:
        maps = function(model, layer, pictures, units.tolist(), **options)
        for row, picture, map in zip(rows, pictures, maps, strict=True):
            row.append(_shown(colours(picture, map)))
    names = [f"{plots.unit_name(model, layer, int(u))}\n{value:.3g}" for u, value in zip(units, values, strict=True)]
    titles = ["picture", *(name for name, _, _ in COLUMNS[method])]
    return plots.figure_of(rows, titles=titles, labels=names, title=f"{model.card.name}, {layer}", inches=1.8)


def strongest(model: Network, layer: str, pictures: np.ndarray, unit: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) units, the most active one of each picture or those given, and their (N,) largest activations."""
    with at_rest(model):
        outputs = outputs_of(model, layer, pictures)
    said = outputs.reshape(len(outputs), -1, outputs.shape[-1]).max(axis=1)
    units = said.argmax(axis=1) if unit is None else unit_numbers(model, layer, unit, said.shape[-1], len(pictures))
    return units, said[np.arange(len(said)), units]


def _shown(picture: np.ndarray) -> np.ndarray:
    """Return the picture enlarged, so that figures do not blur its pixels."""
    zoom = max(1, SHOWN // min(picture.shape[:2]))
    return picture.repeat(zoom, axis=0).repeat(zoom, axis=1)


def inversions(model: Network, image: Any, layers: list[str], *, size: int | None = None, **how: Any) -> Figure:
    """Return a figure of a picture and its inversions from layers. how: passed to invert."""
    from minicnn.images import as_image
    from minicnn.visualize.synthesis import invert

    for layer in layers:
        model.check_layer(layer)
    picture = as_image(image, name="invert: image", size=size or max(model.card.input_size))
    if model.card.embedding is not None:  # it takes no other size
        picture = resize(picture, *model.card.input_size)
    found = [invert(model, layer, picture, **how).images for layer in layers]
    titles = ["picture", *layers]
    return plots.figure_of([[_shown(x) for x in (picture, *found)]], titles=titles, title=model.card.name, inches=2.0)


def wishes(model: Network, layer: str, units: Any = None, *, count: int = 12, columns: int = 6, **how: Any) -> Figure:
    """Return a figure of pictures that maximize units. units: None for the first `count`. how: passed to maximize."""
    from minicnn.visualize.synthesis import maximize

    model.check_layer(layer)
    if units is None:
        with at_rest(model):
            blank = np.full((1, *model.card.input_size, 3), 0.5, np.float32)
            units = list(range(min(count, outputs_of(model, layer, blank).shape[-1])))
    found = maximize(model, layer, units, **how)
    names = [plots.unit_name(model, layer, int(u)) for u in found.units]
    title = f"{model.card.name}, {layer}: what units would like best"
    return plots.named_cells([_shown(x) for x in found.images], names, columns, title)
