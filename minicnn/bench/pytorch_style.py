"""The same step of style transfer in PyTorch, as its users would write it: autograd, frozen filters, channels-last."""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

from minicnn.bench import children, pytorch
from minicnn.bench.style_step import WARM_UP
from minicnn.models.card import PREPROCESSING
from minicnn.models.imagenet import DEPTHS, WIDTHS
from minicnn.style import presets


def pytorch_steps(size: int, steps: int, threads: int, warm_up: bool = True) -> dict[str, Any]:
    """Return the results of minicnn_steps for PyTorch; runs in a new process."""
    torch = pytorch.load(threads)
    assert torch is not None
    torch.manual_seed(0)
    filters = random_filters(torch)
    if warm_up:
        _transfer(torch, filters, WARM_UP, 1)
    before = children.peak_memory()
    seconds = _transfer(torch, filters, size, steps)
    return {"steps": seconds, "before": before, "peak": children.peak_memory(), "end": time.time()}


def random_filters(torch: Any) -> dict[str, Any]:
    """Return {layer: (filters, biases)} up to block5_conv1, the last layer that the recipe uses."""
    filters, channels = {}, 3
    for block, (width, depth) in enumerate(zip(WIDTHS, DEPTHS["vgg19"], strict=True), start=1):
        for i in range(1, depth + 1 if block < 5 else 2):
            w = torch.empty(width, channels, 3, 3).to(memory_format=torch.channels_last)
            torch.nn.init.kaiming_normal_(w, nonlinearity="relu")
            filters[f"block{block}_conv{i}"] = w, torch.zeros(width)
            channels = width
    return filters


class Objective:
    """The cost J(image) of the preset course; content, style and image are (1, 3, H, W), RGB in [0, 1]."""

    def __init__(self, torch: Any, filters: dict[str, Any], content: Any, style: Any) -> None:
        self.torch, self.filters, self.recipe = torch, filters, presets()["course"]
        with torch.no_grad():
            seen = self._features(content, set(self.recipe.content_layers))
            self.contents = {name: features.clone() for name, features in seen.items()}
            seen = self._features(style, set(self.recipe.style_layers))
            self.grams = {name: self._gram(features) for name, features in seen.items()}

    def __call__(self, image: Any) -> Any:
        recipe = self.recipe
        seen = self._features(image, {*self.contents, *self.grams})
        total = self.torch.zeros(())
        for name, weight in recipe.content_layers.items():
            difference = seen[name] - self.contents[name]
            total = total + recipe.alpha * weight * difference.square().sum() / (4 * difference.numel())
        for name, weight in recipe.style_layers.items():
            difference = self._gram(seen[name]) - self.grams[name]
            total = total + recipe.beta * weight * difference.square().sum() / (4.0 * seen[name].numel() ** 2)
        return total

    def _features(self, image: Any, wanted: set[str]) -> dict[str, Any]:
        functional = self.torch.nn.functional
        x = image.flip(1) * 255 - self.torch.tensor(PREPROCESSING["vgg"].mean).view(1, 3, 1, 1)
        found = {}
        for name, (w, b) in self.filters.items():
            if name.endswith("conv1") and name != "block1_conv1":
                x = functional.avg_pool2d(x, 2)
            x = functional.relu_(functional.conv2d(x, w, b, padding=1))
            if name in wanted:
                found[name] = x
        return found

    @staticmethod
    def _gram(features: Any) -> Any:
        rows = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])
        return rows.T @ rows


def _transfer(torch: Any, filters: dict[str, Any], size: int, steps: int) -> list[float]:
    """Return the seconds of each step; the first includes the targets of the costs, as minicnn's does."""
    stamps = [time.perf_counter()]
    content, style = (torch.rand(1, 3, size, size).to(memory_format=torch.channels_last) for _ in range(2))
    objective = Objective(torch, filters, content, style)
    image = content.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=objective.recipe.learning_rate)
    for _ in range(steps):
        optimizer.zero_grad()
        cost = objective(image)
        cost.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(0, 1)
        assert math.isfinite(cost.item())
        stamps.append(time.perf_counter())
    return [end - start for start, end in itertools.pairwise(stamps)]
