"""One figure that tells what a layer has learned: for some of its units the nine patches that excite them most, what
the deconvnet, guided backpropagation and the gradient find in these, and the picture that a unit would like best.
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

UNITS = 3  # a layer
RULES = ("deconvnet", "guided", "gradient")
LOOK = 16  # pixels a side by which patches are compared
PIECE = 16  # pixels that a unit sees at most for what it likes to be shown as one piece, instead of all over a picture


@dataclass(frozen=True)
class Chapter:
    """What there is to tell of one layer.

    projections: {rule: (U, k, h, w, 3)}, NaN where a crop is. wishes: (U, H, W, 3).
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
    """The figure: a row a unit, layer by layer.

    units: numbers, for all layers; None chooses `count` of each layer: units whose nine patches are alike, and that
    differ from each other. steps: of the search for what a unit would like best; 0 leaves it out.
    how: as of top_patches, such as resume= or progress=. Raises InputError.
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
    """What story() draws, layer by layer."""
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
    """{rule: (U, k, h, w, 3)}: what each rule brings back of a patch's output to its pixels; NaN where the crop is."""
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
    """Places in patches.units of the units to show: their patches are alike, and not like those of the others shown."""
    looks = np.zeros((*patches.numbers.shape, 3 * LOOK**2), np.float32)
    for unit, patch, crop in patches.each():
        looks[unit, patch] = _look(crop)
    return _choose(looks, patches.values.min(axis=1) > 0, count)  # who is silent has nothing to tell


def _choose(looks: np.ndarray, speaks: np.ndarray, count: int) -> np.ndarray:
    """looks: (U, k, D), vectors of unit length. speaks: (U,). Places of `count` units, ascending."""
    means = looks.mean(axis=1)
    alike = np.linalg.norm(means, axis=1)  # 1 where all are the same
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
    """A crop (h, w, 3) as a vector of unit length around its mean colour: LOOK × LOOK of its pixels."""
    rows, columns = (np.arange(LOOK) * n // LOOK for n in crop.shape[:2])
    small = crop[rows[:, None], columns]
    there = ~np.isnan(small)
    middle = small.sum(axis=(0, 1), where=there) / np.maximum(there.sum(axis=(0, 1)), 1)
    vector = np.where(there, small - middle, 0).reshape(-1)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def _wishes(model: Network, patches: Patches, steps: int, seed: int, progress: bool | None) -> np.ndarray:
    """What each unit would like best: where it sees little of a picture, that piece; else a whole picture of it."""
    if not patches.fields.whole and max(patches.fields.size) <= PIECE:
        return favourite_pieces(model, patches.layer, patches.units)
    return maximize(model, patches.layer, patches.units, steps=steps, seed=seed, progress=progress).images


def story_figure(model: Network, told: Sequence[Chapter]) -> Figure:
    """The figure of chapters."""
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
