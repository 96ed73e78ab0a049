"""The base classes of layers and models, sequential models, and `frozen`.

The parameters of a module are its Tensor attributes, and those of the modules in its attributes, lists and dicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from minicnn import backend, devices
from minicnn.errors import ChecksKeywords, InputError, nearest
from minicnn.kernels.geometry import Window, likely_cause, one_each, slide
from minicnn.nn import summary
from minicnn.tensor import Tensor


class Module(ChecksKeywords):
    """The base class of layers and models: a callable with parameters. Subclasses override `forward`.

    Tensor attributes are parameters, and array attributes are state. Modules in attributes, lists and dicts are
    children, whose parameters and state are included.
    """

    name: str | None = None
    training: bool = True

    def __getstate__(self) -> dict[str, Any]:
        return {key: devices.unlocked(value) for key, value in vars(self).items()}

    def __call__(self, x: Any) -> Tensor:
        y = self.forward(self.take(x))
        if (observe := summary.observer.get()) is not None:
            observe(self, y)
        return y

    def __repr__(self) -> str:
        return summary.outline_of(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output for x. Override this method, and call the module itself."""
        raise TypeError(f"{type(self).__name__} defines no forward")

    def take(self, x: Any) -> Tensor:
        """Return x as a Tensor. Arrays are moved to the device of the parameters; Tensors are returned as they are."""
        if isinstance(x, Tensor):
            return x
        return Tensor(x) if (device := self.device) is None else Tensor(x).to(device)

    @property
    def device(self) -> str | None:
        """The device of the parameters, "cpu" or "cuda"; None for a module without parameters."""
        first = next(self._walk(Tensor, ""), None)
        return None if first is None else first[1].device

    def window(self) -> Window | None:
        """Return the window that slides over the input, for receptive fields in summary(); None if there is none."""
        return None

    def children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for every module in an attribute, or in a list, tuple or dict attribute."""
        for key, value in vars(self).items():
            if isinstance(value, Module):
                yield key, value
            elif isinstance(value, (list, tuple)):
                yield from ((m.name or f"{key}.{i}", m) for i, m in enumerate(value) if isinstance(m, Module))
            elif isinstance(value, dict):
                yield from ((str(k), m) for k, m in value.items() if isinstance(m, Module))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all modules inside it, depth first."""
        yield self
        for _, child in self.children():
            yield from child.modules()

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
        """Yield (dotted name, Tensor) for every parameter, each once, in the order of assignment."""
        yield from _once(self._walk(Tensor, prefix))

    def named_state(self, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
        """Yield (dotted name, array) for all state that training changes without gradients: running statistics."""
        yield from _once(self._walk(np.ndarray, prefix))

    def _walk(self, kind: type, prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in vars(self).items():
            if isinstance(value, kind) or (kind is np.ndarray and devices.is_array(value)):
                yield prefix + key, value
        for name, child in self.children():
            yield from child._walk(kind, f"{prefix}{name}.")

    def parameters(self) -> list[Tensor]:
        """Return every parameter, each once."""
        return [p for _, p in self.named_parameters()]

    def zero_grad(self) -> None:
        """Discard the accumulated gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return {dotted name: array} of all parameters and state. The arrays are not copies."""
        return {**{name: p.data for name, p in self.named_parameters()}, **dict(self.named_state())}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace all parameters and state by copies of the arrays in `state`, as state_dict() returned them.

        Dtypes and devices stay those of the model. Raise InputError, and change nothing, unless names and shapes agree.
        """
        mine = self.state_dict()
        for name in [*mine, *state]:
            given, wanted = (np.shape(side[name]) if name in side else "missing" for side in (state, mine))
            if given != wanted:
                raise InputError(f"load_state_dict: {name!r} is {given} in the state; expected {wanted}, as the model")
        new = {name: devices.beside(devices.as_array(state[name]), a).astype(a.dtype) for name, a in mine.items()}
        for name, parameter in self.named_parameters():
            parameter.data = new.pop(name)
        for name, array in new.items():
            self.set_state(name, array)

    def set_state(self, name: str, array: np.ndarray) -> None:
        """Replace the array that named_state() calls `name`. Raise InputError if there is no module at its path."""
        path, _, key = name.rpartition(".")
        setattr(self.find(path), key, array)

    def find(self, path: str) -> Module:
        """Return the module at a dotted path; "" is this module. Raise InputError if there is none."""
        if not path:
            return self
        for name, child in self.children():
            if path == name or path.startswith(name + "."):
                return child.find(path[len(name) + 1 :])
        near = nearest(path, [name for name, _ in self.children()])
        raise InputError(f"find: there is no module {path!r} in {type(self).__name__}{near}")

    def train(self, training: bool = True) -> Module:
        """Switch to training: batch norm uses batch statistics, and dropout is active. Return self."""
        for module in self.modules():
            module.training = training
        return self

    def eval(self) -> Module:
        """Switch to evaluation: batch norm uses running statistics, and dropout is off. Return self."""
        return self.train(False)

    def to(self, device: str) -> Self:
        """Move all parameters and running statistics to a device, "cpu" or "cuda". Discard gradients. Return self.

        Create optimizers after moving the model; their state lives on the same device as the parameters.
        Raise InputError if the device is unknown or not available.
        """
        devices.check_device(device)
        for parameter in self.parameters():
            parameter.data, parameter.grad = devices.move(parameter.data, device), None
        for name, array in list(self.named_state()):
            self.set_state(name, devices.move(array, device))
        return self

    def summary(self, input_shape: tuple[int, ...] = (1, 32, 32, 3)) -> str:
        """Return a table of the layers: name, output shape, parameter count, and receptive field.

        The receptive field is in input pixels per dimension.
        input_shape: the shape of an input of zeros, including the batch, which is run through the model once.
        """
        return summary.table_of(self, input_shape)


def _once(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def name_layer(problem: InputError, index: int, layer: Module) -> None:
    """Begin an error's message with the layer that raised it: its name, or else its index, and its class."""
    place = repr(getattr(layer, "name", None) or index)
    problem.args = (f"layer {place} ({type(layer).__name__}): {problem}", *problem.args[1:])


@contextmanager
def frozen(model: Module) -> Iterator[Module]:
    """Freeze a model inside the block: its parameters take no gradient, and its host arrays are read-only.

    The arrays are those of parameters and running statistics. Both settings are restored at the end of the block.
    Only operations that run inside the block are affected. Backward spends no time on frozen parameters, and results
    computed from read-only arrays, such as transformed filters, may be cached.
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


class Sliding(Module):
    """A layer with a window that slides over `rank` dimensions."""

    rank: int
    kernel_size: Any
    stride: Any
    padding: Any = 0
    dilation: Any = 1
    in_channels: int | None = None  # of the input, if it must have a certain number

    def take(self, x: Any) -> Tensor:
        """Return x as a Tensor. Raise InputError unless it has a batch axis, `rank` dimensions, and channels."""
        x = super().take(x)
        if x.ndim != self.rank + 2:
            axes = ", ".join(("NLC", "NHWC", "NDHWC")[self.rank - 1])
            cause = likely_cause(x.shape, self.rank + 2, self.in_channels)
            raise InputError(f"{type(self).__name__}: x has shape {x.shape}; expected ({axes}){cause}")
        return x

    def window(self) -> Window:
        """Return the Window over the smallest input that it fits. Raise InputError for an invalid setting of it."""
        name = type(self).__name__
        sizes = one_each(name, "kernel_size", self.kernel_size, self.rank, least=1)
        dilations = one_each(name, "dilation", self.dilation, self.rank, least=1)
        spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
        return slide(name, spans, sizes, stride=self.stride, dilation=dilations, padding=self.padding)


class Sequential(Module):
    """A model that applies its layers in order. model[i] is layer i. Raise InputError for what is not a layer.

    The message of a layer's InputError begins with the layer's name or index.
    """

    def __init__(self, *layers: Module, name: str | None = None) -> None:
        for index, layer in enumerate(layers):
            if isinstance(layer, type) or not callable(layer):
                cause = f"; did you mean {layer.__name__}()?" if isinstance(layer, type) else ""
                raise InputError(f"Sequential: layer {index} is {layer!r}; expected a layer{cause}")
        self.layers = list(layers)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        for index, layer in enumerate(self.layers):
            try:
                x = layer(x)
            except InputError as problem:
                name_layer(problem, index, layer)
                raise
        return x

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)
