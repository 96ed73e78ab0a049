"""A figure of a layer's features: for some units, the nine best patches, their attributions, and a synthetic picture.

The attributions are the deconvnet's, guided backpropagation's and the gradient's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.models.network import Network
from minicnn.visualize import plots
from minicnn.visualize.patches import NOBODY, Patches, top_patches
from minicnn.visualize.synthesis import favourite_pieces, maximize
from minicnn.visualize.units import aim, at_rest, gradient, outputs_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNITS = 3  # per layer
RULES = ("deconvnet", "guided", "gradient")
LOOK = 16  # side of the patches as compared, in pixels
PIECE = 16  # largest receptive field, in pixels, for which a synthetic picture is one piece


@dataclass(frozen=True)
class Chapter:
    """The results for one layer.

    projections: {rule: (U, k, h, w, 3)}, NaN as in the crops. wishes: the synthetic pictures, (U, H, W, 3).
    """

    patches: Patches
    projections: dict[str, np.ndarray]
    wishes: np.ndarray


def story(
    model: Network,
    layers: str | Sequence[str],
    images: Any,
    units: Any = None,
    *,
    count: int = UNITS,
    steps: int = 128,
    seed: int = 0,
    **how: Any,
) -> Figure:
    """Return the figure: one row per unit, layer by layer.

    units: numbers, for all layers. None chooses `count` per layer: units whose own nine patches are similar, and that
    differ from each other. steps: passed to maximize; 0 leaves its pictures out.
    how: passed to top_patches, such as resume= or progress=. Raise InputError for a bad argument.
    """
    return story_figure(model, chapters(model, layers, images, units, count=count, steps=steps, seed=seed, **how))


def chapters(
    model: Network,
    layers: str | Sequence[str],
    images: Any,
    units: Any = None,
    *,
    count: int = UNITS,
    steps: int = 128,
    seed: int = 0,
    **how: Any,
) -> list[Chapter]:
    """Return the contents of the figure that story() draws, layer by layer."""
    names = [layers] if isinstance(layers, str) else list(layers)
    found = top_patches(model, names, images, units, **how)
    told = []
    for patches in found.values():
        kept = patches.of(telling_units(patches, count)) if units is None else patches
        projections = project(model, kept)
        wishes = np.zeros((len(kept.units), 0, 0, 3), np.float32)
        if steps:
            wishes = _wishes(model, kept, steps, seed, how.get("progress"))
        told.append(Chapter(kept, projections, wishes))
    return told


def project(model: Network, patches: Patches) -> dict[str, np.ndarray]:
    """Return {rule: (U, k, h, w, 3)}: each patch's activation projected to its pixels by each rule; NaN as in crops."""
    found = {rule: np.full((*patches.numbers.shape, *patches.size, 3), np.nan, np.float32) for rule in RULES}
    with at_rest(model):
        for i, unit in enumerate(patches.units):
            there = np.flatnonzero(patches.numbers[i] != NOBODY)
            pictures = patches.pictures.stacked(patches.numbers[i, there].tolist())
            outputs = outputs_of(model, patches.layer, pictures)
            position = patches.positions[i, there] if outputs.ndim == 4 else "max"
            cotangent = aim(outputs, np.full(len(there), unit), position)
            for rule, back in found.items():
                for j, map in zip(there, gradient(model, patches.layer, pictures, cotangent, rule), strict=True):
                    back[i, j] = patches.cut(i, int(j), map)
    return found


def telling_units(patches: Patches, count: int) -> np.ndarray:
    """Return the indices in patches.units of `count` units with similar patches that differ from unit to unit."""
    looks = np.zeros((*patches.numbers.shape, 3 * LOOK**2), np.float32)
    for unit, patch, crop in patches.each():
        looks[unit, patch] = _look(crop)
    return _choose(looks, patches.values.min(axis=1) > 0, count)  # inactive units come last


def _choose(looks: np.ndarray, speaks: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of `count` units, ascending. looks: (U, k, D), vectors of unit length. speaks: (U,) bool."""
    means = looks.mean(axis=1)
    alike = np.linalg.norm(means, axis=1)  # 1 if all are the same
    means = means / np.maximum(alike, 1e-12)[:, None]
    chosen: list[int] = []
    near = np.zeros(len(alike))
    for _ in range(min(count, len(alike))):
        scores = np.where(speaks, alike, -1) - near
        scores[chosen] = -np.inf
        chosen.append(int(np.argmax(scores)))
        near = np.maximum(near, np.abs(means @ means[chosen[-1]]))
    return np.sort(np.array(chosen))


def _look(crop: np.ndarray) -> np.ndarray:
    """Return a crop (h, w, 3) as a vector of unit length around its mean colour: LOOK × LOOK of its pixels."""
    rows, columns = (np.arange(LOOK) * n // LOOK for n in crop.shape[:2])
    small = crop[rows[:, None], columns]
    there = ~np.isnan(small)
    middle = small.sum(axis=(0, 1), where=there) / np.maximum(there.sum(axis=(0, 1)), 1)
    vector = np.where(there, small - middle, 0).reshape(-1)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _wishes(model: Network, patches: Patches, steps: int, seed: int, progress: bool | None) -> np.ndarray:
    """Return the synthetic picture of each unit: one piece for small receptive fields, otherwise a whole picture."""
    if not patches.fields.whole and max(patches.fields.size) <= PIECE:
        return favourite_pieces(model, patches.layer, patches.units)
    return maximize(model, patches.layer, patches.units, steps=steps, seed=seed, progress=progress).images


def story_figure(model: Network, told: Sequence[Chapter]) -> Figure:
    """Return the figure of these chapters."""
    rows, labels = [], []
    for chapter in told:
        for i, unit in enumerate(chapter.patches.units):
            row = [plots.nine(chapter.patches.crops[i])]
            row += [plots.nine(plots.signed(chapter.projections[rule][i])) for rule in RULES]
            if chapter.wishes.size:
                row.append(chapter.wishes[i])
            rows.append(row)
            name = plots.unit_name(model, chapter.patches.layer, int(unit))
            labels.append(f"{chapter.patches.layer}\n{name}\n{plots.seen(chapter.patches)}")
    titles = ["nine best patches", "deconvnet", "guided backprop", "gradient", "would like best"]
    return plots.figure_of(
        rows, titles=titles[: len(rows[0])], labels=labels, title=f"What {model.card.name} has learned"
    )
