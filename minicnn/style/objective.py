"""The loss of style transfer, and its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minicnn.models.card import StyleRecipe, preprocessing
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.style import regions as areas
from minicnn.style.costs import Moments, add_up, blend, content_cost, moments, target_cost
from minicnn.style.variation import variation
from minicnn.tensor import Tensor


class Part(NamedTuple):
    """A region in an objective. share: its share of the style cost.

    weights: {layer: how much each position belongs to the region, or None for all of it}.
    target: {layer: Moments to match}.
    """

    share: float
    weights: Mapping[str, np.ndarray | None]
    target: Mapping[str, Moments]


class Objective:
    """J(image): content, style and total variation. Targets are computed only once.

    styles: (picture, weight) of each. Their moments are averaged rather than their costs, so that a step compares with
    one target only. A picture that contains the styles in these shares has zero cost.
    regions: where each style applies; a style then counts by its weight and its share of the picture.
    Pictures are float32 (H, W, 3) in [0, 1]; styles may have any size.
    """

    def __init__(
        self,
        model: Network,
        recipe: StyleRecipe,
        content: np.ndarray,
        styles: Sequence[tuple[np.ndarray, float]],
        regions: areas.Regions | None = None,
    ) -> None:
        self.model, self.recipe = model, recipe
        self.content_layers, self.style_layers = _heard(recipe.content_layers), _heard(recipe.style_layers)
        # Total variation is computed on the picture in the recipe's scale: up to 1, 255 or 256.
        self.unit = preprocessing(recipe.preprocessing).scale if recipe.preprocessing else 1.0
        with no_grad():
            self.content = self._content(content)
            if regions is None:
                self.parts = [Part(1.0, dict.fromkeys(self.style_layers), self._blended(styles))]
            else:
                self.parts = self._parts(content, styles, regions)

    def _content(self, content: np.ndarray) -> Mapping[str, Tensor]:
        return self.model.features(content[None], self.content_layers)

    def _blended(self, styles: Sequence[tuple[np.ndarray, float]]) -> dict[str, Moments]:
        parts: dict[str, list[tuple[Moments, float]]] = {name: [] for name in self.style_layers}
        for picture, weight in styles:
            for name, found in self._moments(picture, None).items():
                parts[name].append((found, weight))
        return {name: blend(seen) for name, seen in parts.items()}

    def _parts(
        self, content: np.ndarray, styles: Sequence[tuple[np.ndarray, float]], regions: areas.Regions
    ) -> list[Part]:
        """Return a Part for each style, and one for pixels in no mask, whose style is the content's own."""
        asked = [
            (mask, weight, picture, part)
            for mask, (picture, weight), part in zip(regions.masks, styles, regions.style_masks, strict=True)
        ]
        if (rest := regions.rest) is not None:
            asked.append((rest, 1.0, content, rest))
        whole = sum(float(mask.sum(dtype=np.float64)) for mask, *_ in asked)
        return [
            Part(weight * float(mask.sum(dtype=np.float64)) / whole, self._weights(mask), self._moments(picture, part))
            for mask, weight, picture, part in asked
        ]

    def _style_cost(self, part: Part, name: str, generated: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the weighted style cost of a layer in a region. size: (height, width) of the picture."""
        target, weights, form = part.target[name], part.weights[name], self.recipe.style_form
        cost = target_cost(target, generated, form=form, image_size=size, weights=weights)
        return cost * (self.style_layers[name] * part.share)

    def _weights(self, mask: np.ndarray) -> dict[str, np.ndarray | None]:
        return {name: areas.seen(self.model, name, mask) for name in self.style_layers}

    def _moments(self, picture: np.ndarray, mask: np.ndarray | None) -> dict[str, Moments]:
        """Return the moments of every style layer over a picture, or over the part of it in a mask."""
        weights = dict.fromkeys(self.style_layers) if mask is None else self._weights(mask)
        features = self.model.features(picture[None], self.style_layers)
        return {name: moments(features[name], weights[name]) for name in self.style_layers}

    def __call__(self, image: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return (J, {name: part of J}) for an image (1, H, W, 3)."""
        recipe, (_, height, width, _) = self.recipe, image.shape
        seen = self.model.features(image, {**self.style_layers, **self.content_layers})
        contents = [
            content_cost(self.content[name], seen[name], form=recipe.content_form) * weight
            for name, weight in self.content_layers.items()
        ]
        styles = {
            name: add_up([self._style_cost(part, name, seen[name], (height, width)) for part in self.parts])
            for name in self.style_layers
        }
        parts = {"content": recipe.alpha * add_up(contents), "style": recipe.beta * add_up(list(styles.values()))}
        if (roughness := self._roughness(image)) is not None:
            parts["total_variation"] = roughness
        return add_up(list(parts.values())), self._told(parts, styles)

    def _roughness(self, image: Tensor) -> Tensor | None:
        """Return the weighted total variation, or None if the recipe has none."""
        recipe = self.recipe
        if not recipe.total_variation:
            return None
        scaled = image if self.unit == 1 else image * self.unit
        return recipe.total_variation * variation(scaled, recipe.variation_form)

    def _told(self, parts: Mapping[str, Tensor], styles: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the costs by name: the total, the parts of J, and the style cost of each layer."""
        costs = {name: part.item() for name, part in parts.items()}
        layers = {f"style {name}": cost.item() * self.recipe.beta for name, cost in styles.items()}
        return {"total": add_up(list(parts.values())).item(), **costs, **layers}


def _heard(layers: Mapping[str, float]) -> dict[str, float]:
    """Return the layers with a weight other than zero; all of them if there is none."""
    return {name: weight for name, weight in layers.items() if weight} or dict(layers)
