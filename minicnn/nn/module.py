"""Module, which finds its parameters by walking its attributes; Sequential; and `frozen`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from minicnn import backend, devices
from minicnn.errors import InputError
from minicnn.kernels.geometry import Window
from minicnn.nn import summary
from minicnn.tensor import Tensor


class Module:
    """Something with parameters that can be called. Parameters are found by walking attributes, lists and dicts."""

    name: str | None = None
    training: bool = True

    def __call__(self, x: Any) -> Tensor:
        y = self.forward(self.take(x))
        if (observe := summary.observer.get()) is not None:
            observe(self, y)
        return y

    def forward(self, x: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} defines no forward")

    def take(self, x: Any) -> Tensor:
        """x as a Tensor. An array goes where the module's parameters are; a Tensor stays where its owner put it."""
        if isinstance(x, Tensor):
            return x
        return Tensor(x) if (device := self.device) is None else Tensor(x).to(device)

    @property
    def device(self) -> str | None:
        """Where the parameters live, "cpu" or "cuda"; None for a module without any."""
        first = next(self._walk(Tensor, ""), None)
        return None if first is None else first[1].device

    def window(self) -> Window | None:
        """What slides over the input, by which summary() tells receptive fields; None for a layer without a window."""
        return None

    def children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of every module that is an attribute, or in a list or dict that is one."""
        for key, value in vars(self).items():
            if isinstance(value, Module):
                yield key, value
            elif isinstance(value, (list, tuple)):
                yield from ((m.name or f"{key}.{i}", m) for i, m in enumerate(value) if isinstance(m, Module))
            elif isinstance(value, dict):
                yield from ((str(k), m) for k, m in value.items() if isinstance(m, Module))

    def modules(self) -> Iterator[Module]:
        """This module and all inside it."""
        yield self
        for _, child in self.children():
            yield from child.modules()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """(dotted name, Tensor) of every parameter, each once, in the order in which they were assigned."""
        yield from _once(self._walk(Tensor, prefix))

    def named_state(self, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
        """(dotted name, array) of what training changes without gradients: running statistics."""
        yield from _once(self._walk(np.ndarray, prefix))

    def _walk(self, kind: type, prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in vars(self).items():
            if isinstance(value, kind) or (kind is np.ndarray and devices.is_array(value)):
                yield prefix + key, value
        for name, child in self.children():
            yield from child._walk(kind, f"{prefix}{name}.")

    def parameters(self) -> list[Tensor]:
        """Every parameter, each once."""
        return [p for _, p in self.named_parameters()]

    def set_state(self, name: str, array: np.ndarray) -> None:
        """Replace the array that named_state() calls `name`."""
        path, _, key = name.rpartition(".")
        setattr(self.find(path), key, array)

    def find(self, path: str) -> Module:
        """The module at a dotted path; "" is this module."""
        if not path:
            return self
        for name, child in self.children():
            if path == name or path.startswith(name + "."):
                return child.find(path[len(name) + 1 :])
        raise InputError(f"find: there is no module {path!r} in {type(self).__name__}")

    def train(self, training: bool = True) -> Module:
        """Batch norm uses the batch's statistics, dropout drops. Returns self."""
        for module in self.modules():
            module.training = training
        return self

    def eval(self) -> Module:
        """Batch norm uses its running statistics, dropout does nothing. Returns self."""
        return self.train(False)

    def to(self, device: str) -> Self:
        """Move every parameter and running statistic to a device, "cpu" or "cuda". Returns self.

        Optimizers are made afterwards: theirs is beside what they move.
        """
        devices.check_device(device)
        for parameter in self.parameters():
            parameter.data, parameter.grad = devices.move(parameter.data, device), None
        for name, array in list(self.named_state()):
            self.set_state(name, devices.move(array, device))
        return self

    def summary(self, input_shape: tuple[int, ...] = (1, 32, 32, 3)) -> str:
        """A table: layer, output shape, parameters, receptive field (input pixels a side that one output sees).

        input_shape: of one input, batch included; it is run once through the layers.
        """
        return summary.table_of(self, input_shape)


def _once(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


@contextmanager
def frozen(model: Module) -> Iterator[Module]:
    """Inside the block the model's parameters take no gradient, and their arrays and its running statistics are
    read-only; restored afterwards.

    What is frozen costs backward nothing, and what was computed from it may be remembered.
    """
    before = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    arrays = [*(parameter.data for parameter, _ in before), *(array for _, array in model.named_state())]
    arrays = [array for array in arrays if devices.device_of(array) == "cpu" and array.flags.writeable]
    try:
        for parameter, _ in before:
            parameter.requires_grad = False
        for array in arrays:
            array.flags.writeable = False
        yield model
    finally:
        for parameter, wanted in before:
            parameter.requires_grad = wanted
        for array in arrays:
            backend.ask("forget", array)
            array.flags.writeable = True


class Sequential(Module):
    """Layers one after the other."""

    def __init__(self, *layers: Module, name: str | None = None) -> None:
        self.layers = list(layers)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)
