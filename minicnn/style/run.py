"""A style transfer in progress, from size to size, with all the state that the next step depends on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import devices, optim
from minicnn.models.card import StyleRecipe
from minicnn.models.network import Network
from minicnn.style import pyramid
from minicnn.style.loop import Cost, cooled, descend
from minicnn.style.objective import Objective
from minicnn.style.parametrization import PyramidAdam
from minicnn.style.regions import Regions
from minicnn.style.request import OPTIMIZERS
from minicnn.style.scales import Scales, Styles, halves
from minicnn.style.tiles import TiledObjective
from minicnn.style.trace import Trace
from minicnn.tensor import Tensor


class Run:
    """A run. content, start: (H, W, 3). styles: (picture, weight) of each. sizes: the picture's, from coarse to fine.

    image: the iterate, (1, H, W, 3), at the current size, on the model's device. trace: the costs and the best picture.
    """

    def __init__(
        self,
        model: Network,
        recipe: StyleRecipe,
        content: np.ndarray,
        styles: Styles,
        start: np.ndarray,
        regions: Regions | None = None,
        tile: int | None = None,
        targets: dict[Any, Any] | None = None,
    ) -> None:
        self.model, self.recipe, self.content, self.styles = model, recipe, content, styles
        self.regions, self.tile, self.targets = regions, tile, targets
        height, width, _ = content.shape
        self.sizes = pyramid.sizes(height, width, min(recipe.levels, recipe.steps))
        self.steps = pyramid.shares(recipe.steps, len(self.sizes))
        self.level = 0
        self.trace = Trace()
        self.image = self._leaf(pyramid.resampled(start[None], self.sizes[0]))
        self.optimizer = self._optimizer()

    def finish(self, then: Callable[[], None]) -> None:
        """Run to the last step of the largest size. then() is called after every step."""
        while True:
            cosine = self.recipe.schedule == "cosine"
            following = cooled(self.optimizer, self.trace, sum(self.steps), then) if cosine else then
            descend(self.objective(), self.image, self.optimizer, self.trace, self.steps[self.level], following)
            if self.level == len(self.sizes) - 1:
                return
            self._enlarge()

    @property
    def result(self) -> np.ndarray:
        """The picture of lowest cost so far, (H, W, 3), resampled to the size of the content."""
        best = devices.to_host(self.trace.best if self.trace.best is not None else self.image.data[0])
        return np.clip(pyramid.resampled(best[None], self.sizes[-1])[0], 0, 1)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return (plain data, arrays), with which another Run of the same pictures continues from here."""
        arrays = {f"optimizer.{name}": array for name, array in self.optimizer.state_dict().items()}
        arrays["image"] = self.image.data
        if self.trace.best is not None:
            arrays["best"] = self.trace.best
        rate = self.optimizer.learning_rate  # a schedule changes it, and gradient descent between sizes
        arrays = {name: devices.to_host(array) for name, array in arrays.items()}
        return {"level": self.level, "learning_rate": rate, "trace": self.trace.state()}, arrays

    def load_state(self, facts: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Restore the state that state() returned."""
        self.level = facts["level"]
        self.trace.load_state(facts["trace"], arrays.get("best"))
        self.image = self._leaf(arrays["image"])
        self.optimizer = self._optimizer()
        self.optimizer.learning_rate = facts["learning_rate"]
        self.optimizer.load_state_dict(
            {k.removeprefix("optimizer."): v for k, v in arrays.items() if k.startswith("optimizer.")}
        )

    def _leaf(self, image: np.ndarray) -> Tensor:
        return Tensor(devices.move(image, self.model.device or "cpu"), requires_grad=True)

    def objective(self) -> Cost:
        """Return the objective at this size. Content and styles shrink by the same factor, so strokes keep scale."""
        size = self.sizes[self.level]
        factor = max(size) / max(self.sizes[-1])
        content = np.clip(pyramid.resampled(self.content[None], size)[0], 0, 1)
        styles = [(pyramid.scaled(picture, factor), weight) for picture, weight in self.styles]
        if len(halves(self.recipe, size)) == 1:
            return self._objective_of(content, styles)
        return Scales(self.recipe, self._objective_of, content, styles)

    def _objective_of(self, content: np.ndarray, styles: Styles, halvings: int = 0) -> Objective:
        targets = None if self.targets is None else self.targets.setdefault(halvings, {})
        size = content.shape[0], content.shape[1]
        regions = None if self.regions is None else self.regions.scaled(size, styles)
        if self.tile is None or max(size) <= self.tile:
            return Objective(self.model, self.recipe, content, styles, regions, targets)
        return TiledObjective(self.model, self.recipe, content, styles, regions, targets, side=self.tile)

    def _enlarge(self) -> None:
        """Continue at the next size, with the picture and the optimizer's state enlarged."""
        self.level += 1
        size = self.sizes[self.level]
        self.image = self._leaf(pyramid.resampled(self.image.data, size))
        self.optimizer = self.optimizer.resized([self.image], lambda array: pyramid.resampled(array, size))
        self.trace.begin_size()

    def _optimizer(self) -> optim.Optimizer:
        recipe = self.recipe
        bounds = (0.0, 1.0) if recipe.clamp == "step" else (-math.inf, math.inf)
        kind = PyramidAdam if recipe.parametrization == "pyramid" else OPTIMIZERS[recipe.optimizer]
        return kind([self.image], recipe.learning_rate, bounds=bounds)
