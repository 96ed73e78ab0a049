"""The text forms of modules: the table that summary() returns, and the outline that repr() returns."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minicnn.devices import is_array
from minicnn.graph import Node
from minicnn.kernels.geometry import Field
from minicnn.operation import remembering
from minicnn.tensor import Tensor

if TYPE_CHECKING:
    from minicnn.nn.module import Module

# Called with (layer, result) after every layer while a table is made.
observer: contextvars.ContextVar[Callable[[Module, Tensor], None] | None] = contextvars.ContextVar(
    "observer", default=None
)


class _Fields:
    """The receptive fields, on x, of results computed from x.

    They are found by walking back through the graph. Where branches join, the widest field counts.
    """

    def __init__(self, x: Tensor) -> None:
        self.rank = x.ndim - 2
        self.known: dict[Node | Tensor, Field | None] = {x: Field.of_a_pixel(self.rank)}

    def after(self, layer: Module, y: Tensor) -> str:
        """Return the table entry for the field of y, the latest result of `layer`: "3×3", "all" or "?"."""
        origin = y._node or y
        field, window = self._of(origin), layer.window()
        if field and window and len(window.size) == self.rank:
            self.known[origin] = field = field.through(window)
        if y.ndim != self.rank + 2:
            return "all"
        return "×".join(map(str, field.size)) if field else "?"

    def _of(self, origin: Node | Tensor) -> Field | None:
        """Return the field of a node or leaf; None if it does not depend on x, as parameters do not."""
        if origin not in self.known:
            sources = origin.inputs if isinstance(origin, Node) else ()
            fields = [field for source in sources if source is not None and (field := self._of(source))]
            self.known[origin] = functools.reduce(Field.joined, fields) if fields else None
        return self.known[origin]


def table_of(model: Module, input_shape: tuple[int, ...]) -> str:
    """Return the table: one row per layer, in the order in which an input of zeros passes them, then the totals."""
    rows = [("layer", "output shape", "parameters", "field")]
    x = Tensor(model.take(np.zeros(input_shape, np.float32)).data, requires_grad=True)
    fields = _Fields(x)
    counted: set[int] = set()

    def observe(layer: Module, y: Tensor) -> None:
        if any(True for _ in layer.children()):
            return  # a container, whose layers have already been observed
        parameters = [p for p in layer.parameters() if id(p) not in counted]
        counted.update(id(p) for p in parameters)
        count = sum(p.size for p in parameters) + sum(s.size for _, s in layer.named_state())
        rows.append((layer.name or type(layer).__name__, str(y.shape), f"{count:,}", fields.after(layer, y)))

    training = {module: module.training for module in model.modules()}
    observed = observer.set(observe)
    try:
        with remembering():
            model.eval()(x)
    finally:
        observer.reset(observed)
        for module, was in training.items():
            module.training = was
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
    rule = "─" * len(lines[0])
    trainable = sum(p.size for p in model.parameters())
    total = trainable + sum(s.size for _, s in model.named_state())
    return "\n".join([lines[0], rule, *lines[1:], rule, f"{total:,} parameters, {trainable:,} of them trainable"])


def outline_of(module: Module) -> str:
    """Return the type of a module with its layers, one per line, or with its settings and the shapes of its arrays."""
    kind, inner = type(module).__name__, [f"({name}): {child!r}" for name, child in module.children()]
    if inner:
        lines = "\n".join(inner).replace("\n", "\n  ")
        return f"{kind}(\n  {lines}\n)"
    held = {key: value for key, value in vars(module).items() if key[0] != "_" and key not in ("name", "training")}
    settings = [f"{key}={value!r}" for key, value in held.items() if isinstance(value, (int, float, str, tuple))]
    shapes = [f"{key} {value.shape}" for key, value in held.items() if isinstance(value, Tensor) or is_array(value)]
    return f"{kind}({', '.join(settings + shapes)})"
