"""The table that Module.summary() gives."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minicnn.kernels.geometry import Window, receptive_field
from minicnn.tensor import Tensor, no_grad

if TYPE_CHECKING:
    from minicnn.nn.module import Module

# While a table is made: called with (layer, result) after every layer.
observer: contextvars.ContextVar[Callable[[Module, Tensor], None] | None] = contextvars.ContextVar(
    "observer", default=None
)


def table_of(model: Module, input_shape: tuple[int, ...]) -> str:
    """One row a layer, in the order in which an input of zeros runs through them; then the totals."""
    rows = [("layer", "output shape", "parameters", "field")]
    rank = len(input_shape) - 2
    windows: list[Window] = []
    counted: set[int] = set()

    def observe(layer: Module, y: Tensor) -> None:
        if any(True for _ in layer.children()):
            return  # a container: its layers have reported themselves
        if (window := layer.window()) is not None and len(window.size) == rank:
            windows.append(window)
        parameters = [p for p in layer.parameters() if id(p) not in counted]
        counted.update(id(p) for p in parameters)
        field = "×".join(map(str, receptive_field(windows, rank))) if y.ndim == rank + 2 else "all"
        count = sum(p.size for p in parameters) + sum(s.size for _, s in layer.named_state())
        rows.append((layer.name or type(layer).__name__, str(y.shape), f"{count:,}", field))

    training = {module: module.training for module in model.modules()}
    token = observer.set(observe)
    try:
        with no_grad():
            model.eval()(np.zeros(input_shape, np.float32))
    finally:
        observer.reset(token)
        for module, was in training.items():
            module.training = was
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
    rule = "─" * len(lines[0])
    trainable = sum(p.size for p in model.parameters())
    total = trainable + sum(s.size for _, s in model.named_state())
    return "\n".join([lines[0], rule, *lines[1:], rule, f"{total:,} parameters, {trainable:,} of them trainable"])
