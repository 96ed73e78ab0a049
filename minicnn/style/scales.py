"""The cost of a picture and of its halves.

A network sees strokes no wider than its receptive fields. In a half, a quarter and an eighth of the picture these are
twice, four and eight times as wide. Fine lines vanish there, so they cannot lower the cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minicnn import ops
from minicnn.models.card import StyleRecipe
from minicnn.operation import no_grad
from minicnn.style.costs import add_up
from minicnn.style.objective import Objective
from minicnn.tensor import Tensor

Styles = Sequence[tuple[np.ndarray, float]]
Make = Callable[[np.ndarray, Styles, int], Objective]  # from content and styles, and how often both were halved


class Scales:
    """J(image): the weighted mean of an objective's cost over the picture, its half, its quarter, and so on.

    recipe: its `scales` are the weights. make(content, styles, halvings): returns the objective of a scale. Scales of
    pictures too small for the recipe are left out.
    """

    def __init__(self, recipe: StyleRecipe, make: Make, content: np.ndarray, styles: Styles) -> None:
        made: list[tuple[Objective, float]] = []
        pictures = [content, *(picture for picture, _ in styles)]
        count = min(len(halves(recipe, each.shape[:2])) for each in pictures)
        for halvings, weight in enumerate(recipe.scales[:count]):
            if halvings:
                content, styles = _half(content), [(_half(picture), share) for picture, share in styles]
            made.append((make(content, styles, halvings), weight))
        whole = sum(weight for _, weight in made)
        self.parts = [(objective, weight / whole) for objective, weight in made]

    def __call__(self, image: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return (J, its parts by name) for an image (1, H, W, 3)."""
        costs: list[Tensor] = []
        told: dict[str, float] = {}
        for number, (objective, weight) in enumerate(self.parts):
            image = ops.avg_pool(image, 2) if number else image
            cost, its = objective(image)
            costs.append(cost * weight)
            told = {name: told.get(name, 0.0) + weight * value for name, value in its.items()}
        total = add_up(costs)
        return total, {**told, "total": total.item()}


def halves(recipe: StyleRecipe, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes (height, width) of a picture and of those halves that have a weight and are large enough."""
    found = [size]
    while len(found) < len(recipe.scales) and min(found[-1]) >= 2 * recipe.smallest_scale:
        found.append((found[-1][0] // 2, found[-1][1] // 2))
    return found


def _half(picture: np.ndarray) -> np.ndarray:
    with no_grad():
        return ops.avg_pool(picture[None], 2).data[0]
