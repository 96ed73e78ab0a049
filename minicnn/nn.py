"""Layers: plain classes that own their parameters. A Tensor attribute is a parameter, an array attribute is state."""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.errors import InputError
from minicnn.kernels import batch_norm as batch_norm_kernels
from minicnn.kernels.geometry import Window, one_each, receptive_field, slide
from minicnn.kernels.winograd.memory import forget
from minicnn.tensor import Tensor, no_grad

Seed = int | np.random.Generator | None


def he(shape: tuple[int, ...], fan_in: int, fan_out: int, random: np.random.Generator) -> np.ndarray:
    """Normal with variance 2 / fan_in: keeps the size of activations through ReLU layers. Source: He et al. 2015."""
    return random.normal(0, math.sqrt(2 / fan_in), shape).astype(np.float32)


def glorot(shape: tuple[int, ...], fan_in: int, fan_out: int, random: np.random.Generator) -> np.ndarray:
    """Uniform with variance 2 / (fan_in + fan_out), for layers without ReLU. Source: Glorot & Bengio 2010."""
    limit = math.sqrt(6 / (fan_in + fan_out))
    return random.uniform(-limit, limit, shape).astype(np.float32)


_INITIAL: dict[str, Callable[..., np.ndarray]] = {
    "he": he,
    "glorot": glorot,
    "zeros": lambda shape, *_: np.zeros(shape, np.float32),
}

# While summary() runs: called with (layer, result) after every layer.
_observer: contextvars.ContextVar[Callable | None] = contextvars.ContextVar("observer", default=None)


class Module:
    """Something with parameters that can be called. Parameters are found by walking attributes, lists and dicts."""

    name: str | None = None
    training: bool = True

    def __call__(self, x: Any) -> Tensor:
        y = self.forward(x if isinstance(x, Tensor) else Tensor(x))
        if (observe := _observer.get()) is not None:
            observe(self, y)
        return y

    def forward(self, x: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} defines no forward")

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
            if isinstance(value, kind):
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

    def to(self, device: str) -> Module:
        """Move every parameter to a device. Returns self."""
        for parameter in self.parameters():
            parameter.data = parameter.to(device).data
        return self

    def summary(self, input_shape: tuple[int, ...] = (1, 32, 32, 3)) -> str:
        """A table: layer, output shape, parameters, receptive field (input pixels a side that one output sees).

        input_shape: of one input, batch included; it is run once through the layers.
        """
        rows = [("layer", "output shape", "parameters", "field")]
        rank = len(input_shape) - 2
        windows: list[Window] = []
        counted: set[int] = set()

        def observe(layer: Module, y: Tensor) -> None:
            if any(True for _ in layer.children()):
                return  # a container: its layers have reported themselves
            if isinstance(layer, _Sliding) and layer.rank == rank:
                windows.append(layer.window())
            parameters = [p for p in layer.parameters() if id(p) not in counted]
            counted.update(id(p) for p in parameters)
            field = "×".join(map(str, receptive_field(windows, rank))) if y.ndim == rank + 2 else "all"
            count = sum(p.size for p in parameters) + sum(s.size for _, s in layer.named_state())
            rows.append((layer.name or type(layer).__name__, str(y.shape), f"{count:,}", field))

        training = {module: module.training for module in self.modules()}
        token = _observer.set(observe)
        try:
            with no_grad():
                self.eval()(np.zeros(input_shape, np.float32))
        finally:
            _observer.reset(token)
            for module, was in training.items():
                module.training = was
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}" for a, b, c, d in rows]
        lines.insert(1, "─" * len(lines[0]))
        trainable = sum(p.size for p in self.parameters())
        total = trainable + sum(s.size for _, s in self.named_state())
        lines += ["─" * len(lines[0]), f"{total:,} parameters, {trainable:,} of them trainable"]
        return "\n".join(lines)


def _once(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


@contextmanager
def frozen(model: Module) -> Iterator[Module]:
    """Inside the block the model's parameters take no gradient and their arrays are read-only; restored afterwards.

    What is frozen costs backward nothing, and kernels may remember what they computed from it.
    """
    before = [(p, p.requires_grad, p.data, p.data.flags.writeable) for p in model.parameters()]
    try:
        for parameter, *_ in before:
            parameter.requires_grad = False
            parameter.data.flags.writeable = False
        yield model
    finally:
        for parameter, wanted, array, writeable in before:
            parameter.requires_grad = wanted
            if writeable:
                forget(array)
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


class _Sliding(Module):
    """A layer with a window that slides over `rank` dimensions."""

    rank: int
    size: Any
    stride: Any
    dilation: Any = 1

    def window(self) -> Window:
        """The window alone, on an input just large enough."""
        name = type(self).__name__
        sizes = one_each(name, "size", self.size, self.rank, least=1)
        dilations = one_each(name, "dilation", self.dilation, self.rank, least=1)
        spans = [(k - 1) * d + 1 for k, d in zip(sizes, dilations, strict=True)]
        return slide(name, spans, sizes, stride=self.stride, dilation=dilations)


class _Conv(_Sliding):
    """kernel: an int or one a dimension; padding, stride, dilation, groups, activation: as in ops.conv."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, ...],
        *,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        activation: str | None = None,
        initial: str = "he",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        self.size = one_each(type(self).__name__, "kernel", kernel, self.rank, least=1)
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.activation, self.name = activation, name
        if groups < 1 or channels_in % groups or channels_out % groups:
            raise InputError(
                f"{type(self).__name__}: groups is {groups}; expected a divisor of {channels_in} and {channels_out}"
            )
        shape = (*self.size, channels_in // groups, channels_out)
        taps = math.prod(self.size)
        fans = taps * channels_in // groups, taps * channels_out // groups
        self.w = Tensor(_initial(initial)(shape, *fans, np.random.default_rng(seed)), requires_grad=True)
        self.b = Tensor(np.zeros(channels_out, np.float32), requires_grad=True) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(x, self.activation)

    def linear(self, x: Tensor) -> Tensor:
        """The output before the activation."""
        return self._convolve(x, None)

    def averaged(self, x: Tensor) -> Tensor:
        """The output's means of 2×2, which need not exist in full size for it."""
        return self._convolve(x, self.activation, "avg")

    def _convolve(self, x: Tensor, activation: str | None, pool: str | None = None) -> Tensor:
        return ops.conv(
            x,
            self.w,
            self.b,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
            activation=activation,
            pool=pool,
        )


def _initial(name: str) -> Callable[..., np.ndarray]:
    if name not in _INITIAL:
        raise InputError(f"initial is {name!r}; expected one of {', '.join(_INITIAL)}")
    return _INITIAL[name]


class Conv1d(_Conv):
    """Convolution of signals (N, L, C)."""

    rank = 1


class Conv2d(_Conv):
    """Convolution of pictures (N, H, W, C)."""

    rank = 2


class Conv3d(_Conv):
    """Convolution of volumes (N, D, H, W, C)."""

    rank = 3


class _Pool(_Sliding):
    """size, stride (size when left out), padding: as in ops.max_pool."""

    def __init__(self, size: Any, *, stride: Any = None, padding: Any = 0, name: str | None = None) -> None:
        self.size, self.stride = size, size if stride is None else stride
        self.padding, self.name = padding, name


class _MaxPool(_Pool):
    def forward(self, x: Tensor) -> Tensor:
        return ops.max_pool(x, self.size, stride=self.stride, padding=self.padding)


class _AvgPool(_Pool):
    def forward(self, x: Tensor) -> Tensor:
        return ops.avg_pool(x, self.size, stride=self.stride, padding=self.padding)


class MaxPool1d(_MaxPool):
    """Max pooling of signals (N, L, C)."""

    rank = 1


class MaxPool2d(_MaxPool):
    """Max pooling of pictures (N, H, W, C)."""

    rank = 2


class MaxPool3d(_MaxPool):
    """Max pooling of volumes (N, D, H, W, C)."""

    rank = 3


class AvgPool1d(_AvgPool):
    """Average pooling of signals (N, L, C)."""

    rank = 1


class AvgPool2d(_AvgPool):
    """Average pooling of pictures (N, H, W, C)."""

    rank = 2


class AvgPool3d(_AvgPool):
    """Average pooling of volumes (N, D, H, W, C)."""

    rank = 3


class Linear(Module):
    """x @ w + b, with ReLU when activation="relu"."""

    def __init__(
        self,
        features_in: int,
        features_out: int,
        *,
        bias: bool = True,
        activation: str | None = None,
        initial: str = "glorot",
        seed: Seed = None,
        name: str | None = None,
    ) -> None:
        if activation not in (None, "relu"):
            raise InputError(f'Linear: activation is {activation!r}; expected None or "relu"')
        shape = features_in, features_out
        self.w = Tensor(_initial(initial)(shape, *shape, np.random.default_rng(seed)), requires_grad=True)
        self.b = Tensor(np.zeros(features_out, np.float32), requires_grad=True) if bias else None
        self.activation, self.name = activation, name

    def forward(self, x: Tensor) -> Tensor:
        y = ops.linear(x, self.w, self.b)
        return ops.relu(y) if self.activation else y


class BatchNorm(Module):
    """Batch normalization over all axes but the last, with running statistics for inference; then ReLU when
    activation="relu".

    momentum: how much of the running statistics each training batch keeps. Source: Ioffe & Szegedy 2015.
    """

    def __init__(
        self,
        channels: int,
        *,
        momentum: float = 0.9,
        eps: float = 1e-3,
        scale: bool = True,
        activation: str | None = None,
        name: str | None = None,
    ) -> None:
        if activation not in (None, "relu"):
            raise InputError(f'BatchNorm: activation is {activation!r}; expected None or "relu"')
        self.gamma = Tensor(np.ones(channels, np.float32), requires_grad=True) if scale else None
        self.beta = Tensor(np.zeros(channels, np.float32), requires_grad=True)
        self.mean = np.zeros(channels, np.float32)
        self.variance = np.ones(channels, np.float32)
        self.momentum, self.eps = momentum, eps
        self.activation, self.name = activation, name

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or x.shape[-1] != self.beta.size or x.size == 0:
            raise InputError(f"BatchNorm: x has shape {x.shape}; expected (N, …, {self.beta.size}), not empty")
        statistics = None
        if self.training:
            rows = x.data.reshape(-1, x.shape[-1])
            statistics = batch_norm_kernels.implementation(x.data).statistics(rows)
            self.mean = self._moved(self.mean, statistics[0])
            self.variance = self._moved(self.variance, statistics[1])
        return ops.batch_norm(
            x,
            self.gamma,
            self.beta,
            self.mean,
            self.variance,
            eps=self.eps,
            training=self.training,
            statistics=statistics,
            activation=self.activation,
        )

    def _moved(self, running: np.ndarray, batch: np.ndarray) -> np.ndarray:
        kept = np.float32(self.momentum)
        return (kept * running + (1 - kept) * batch).astype(running.dtype)


class L2Normalize(Module):
    """Each vector along the last axis, scaled to unit length."""

    def __init__(self, *, eps: float = 1e-12, name: str | None = None) -> None:
        self.eps, self.name = eps, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.l2_normalize(x, eps=self.eps)


class Flatten(Module):
    """(N, …) as (N, everything else)."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.flatten(x)


class Dropout(Module):
    """Drops each element with probability `rate` while training."""

    def __init__(self, rate: float, *, seed: Seed = None, name: str | None = None) -> None:
        self.rate, self.name = rate, name
        self._random = np.random.default_rng(seed)

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.rate, training=self.training, seed=self._random)


class ReLU(Module):
    """max(x, 0)."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.relu(x)


class PReLU(Module):
    """x where positive, a learned slope times x elsewhere, one slope a channel. Source: He et al. 2015."""

    def __init__(self, channels: int, *, initial: float = 0.25, name: str | None = None) -> None:
        self.slope = Tensor(np.full(channels, initial, np.float32), requires_grad=True)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.prelu(x, self.slope)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.sigmoid(x)
