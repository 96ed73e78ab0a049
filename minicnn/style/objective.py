"""What style transfer makes small: the cost of a picture, and its parts."""

from __future__ import annotations

import numpy as np

from minicnn.models.card import StyleRecipe
from minicnn.models.network import Network
from minicnn.style.costs import add_up, content_cost, gram_cost, mean_gram, total_variation
from minicnn.tensor import Tensor, no_grad


class Objective:
    """J(image): content, style and total variation, with everything about the targets formed once."""

    def __init__(self, model: Network, recipe: StyleRecipe, content: np.ndarray, style: np.ndarray) -> None:
        self.model, self.recipe = model, recipe
        with no_grad():
            self.content = model.features(content[None], recipe.content_layers)
            seen = model.features(style[None], recipe.style_layers)
            self.style = {name: mean_gram(features) for name, features in seen.items()}

    def __call__(self, image: Tensor) -> tuple[Tensor, dict[str, float]]:
        """(J, its parts by name) for an image (1, H, W, 3)."""
        recipe = self.recipe
        seen = self.model.features(image, {**recipe.style_layers, **recipe.content_layers})
        contents = [
            content_cost(self.content[name], seen[name], scale=recipe.content_scale) * weight
            for name, weight in recipe.content_layers.items()
        ]
        styles = {
            name: gram_cost(self.style[name], seen[name], scale=recipe.style_scale) * weight
            for name, weight in recipe.style_layers.items()
        }
        parts = {"content": recipe.alpha * add_up(contents), "style": recipe.beta * add_up(list(styles.values()))}
        if recipe.total_variation:
            roughness = total_variation(image, power=recipe.variation_power) / image.size
            parts["total_variation"] = recipe.total_variation * roughness
        total = add_up(list(parts.values()))
        costs = {"total": total.item(), **{name: part.item() for name, part in parts.items()}}
        return total, {**costs, **{f"style {name}": cost.item() * recipe.beta for name, cost in styles.items()}}
