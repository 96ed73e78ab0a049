"""What style transfer makes small: the cost of a picture, and its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from minicnn.models.card import StyleRecipe, preprocessing
from minicnn.models.network import Network
from minicnn.operation import no_grad
from minicnn.style.costs import Moments, add_up, blend, content_cost, moments, target_cost
from minicnn.style.variation import variation
from minicnn.tensor import Tensor


class Objective:
    """J(image): content, style and total variation, with everything about the targets formed once.

    styles: (picture, weight) of each. Their moments are averaged, not their costs: a step then compares with one
    target, however many styles there are, and a picture that is the styles in these shares costs nothing.
    Pictures are float32 (H, W, 3) in [0, 1]; styles may be of any size.
    """

    def __init__(
        self, model: Network, recipe: StyleRecipe, content: np.ndarray, styles: Sequence[tuple[np.ndarray, float]]
    ) -> None:
        self.model, self.recipe = model, recipe
        self.content_layers, self.style_layers = _heard(recipe.content_layers), _heard(recipe.style_layers)
        # Total variation is of the picture as the recipe's system holds it: up to 1, 255 or 256.
        self.unit = preprocessing(recipe.preprocessing).scale if recipe.preprocessing else 1.0
        with no_grad():
            self.content = model.features(content[None], self.content_layers)
            self.style = self._blended(styles)

    def _blended(self, styles: Sequence[tuple[np.ndarray, float]]) -> dict[str, Moments]:
        parts: dict[str, list[tuple[Moments, float]]] = {name: [] for name in self.style_layers}
        for picture, weight in styles:
            for name, features in self.model.features(picture[None], self.style_layers).items():
                parts[name].append((moments(features), weight))
        return {name: blend(seen) for name, seen in parts.items()}

    def __call__(self, image: Tensor) -> tuple[Tensor, dict[str, float]]:
        """(J, its parts by name) for an image (1, H, W, 3)."""
        recipe, (_, height, width, _) = self.recipe, image.shape
        seen = self.model.features(image, {**self.style_layers, **self.content_layers})
        contents = [
            content_cost(self.content[name], seen[name], form=recipe.content_form) * weight
            for name, weight in self.content_layers.items()
        ]
        styles = {
            name: target_cost(self.style[name], seen[name], form=recipe.style_form, image_size=(height, width)) * weight
            for name, weight in self.style_layers.items()
        }
        parts = {"content": recipe.alpha * add_up(contents), "style": recipe.beta * add_up(list(styles.values()))}
        if recipe.total_variation:
            scaled = image if self.unit == 1 else image * self.unit
            parts["total_variation"] = recipe.total_variation * variation(scaled, recipe.variation_form)
        total = add_up(list(parts.values()))
        costs = {"total": total.item(), **{name: part.item() for name, part in parts.items()}}
        return total, {**costs, **{f"style {name}": cost.item() * recipe.beta for name, cost in styles.items()}}


def _heard(layers: Mapping[str, float]) -> dict[str, float]:
    """Layers whose weight is not zero; one of them at least, whatever it weighs."""
    return {name: weight for name, weight in layers.items() if weight} or dict(layers)
