"""MTCNN's three networks in PyTorch, with minicnn's weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import nn
from minicnn.bench import pytorch
from minicnn.models.blocks import Branches
from minicnn.models.cascade import BATCH, MTCNN, Judgement, Stage


class Detector:
    """A detector equivalent to models.mtcnn(): see detection.run_cascade."""

    def __init__(self, torch: Any, model: Stage) -> None:
        self.torch = torch
        self.steps = [_step(torch, layer) for layer in model.layers]
        if isinstance(model, MTCNN):
            self.refinement, self.output = Detector(torch, model.refinement), Detector(torch, model.output)

    def judge(self, pictures: np.ndarray) -> Judgement:
        """Return the same as Stage.judge."""
        with self.torch.inference_mode():
            parts = [self._output(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)]
        return Judgement.of(np.concatenate(parts))

    def _output(self, pictures: np.ndarray) -> np.ndarray:
        x = pytorch.pictures(self.torch, pictures) * (255 / 128) - 127.5 / 128
        x = x.transpose(2, 3)
        for step in self.steps:
            x = step(x)
        x = x.transpose(2, 3) if x.ndim == 4 else x
        return pytorch.array(x)


def _step(torch: Any, layer: nn.Module) -> Callable[[Any], Any]:
    f = torch.nn.functional
    match layer:
        case nn.Conv2d():
            w, b = pytorch.filters(torch, layer.w.data.copy()), torch.from_numpy(layer.b.data.copy())  # type: ignore[union-attr]
            return lambda x: f.conv2d(x, w, b)
        case nn.PReLU():
            slope = torch.from_numpy(layer.slope.data.copy())
            return lambda x: f.prelu(x, slope)
        case nn.MaxPool2d():
            whole = layer.padding == "same"  # one pixel after the last if windows do not fit exactly
            return lambda x: f.max_pool2d(x, layer.kernel_size, layer.stride, ceil_mode=whole)
        case nn.Flatten():
            return lambda x: x.movedim(1, -1).flatten(1)
        case nn.Linear():
            w, b = torch.from_numpy(layer.w.data.T.copy()), torch.from_numpy(layer.b.data.copy())  # type: ignore[union-attr]
            return lambda x: f.linear(x, w, b)
        case Branches():
            heads = [_step(torch, head) for head in layer.branches]
            return lambda x: torch.cat([head(x) for head in heads], dim=1)
    raise TypeError(f"{type(layer).__name__} has no translation")
