"""What networks are built of besides nn's layers: chains, branches, residual blocks; and how layers run one by one.

With them a network's file is its table in the paper. All layers run in `run`, where the output of each can be read.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from minicnn import backend, nn, ops
from minicnn.errors import Activation, InputError
from minicnn.nn import summary
from minicnn.nn.module import name_layer
from minicnn.operation import watching
from minicnn.tensor import Tensor


class Block(nn.Module):
    """A layer made of layers."""


class Chain(Block):
    """Layers one after the other."""

    def __init__(self, *layers: nn.Module, name: str | None = None) -> None:
        self.layers = list(layers)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return run(self.layers, x)


class Branches(Block):
    """Chains beside each other, all on the same input; their outputs' channels follow one another."""

    def __init__(self, *branches: nn.Module, name: str | None = None) -> None:
        self.branches = branches
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.concat([run([branch], x) for branch in self.branches])


class Residual(Block):
    """x + scale · change(x), and ReLU of it when activation="relu". Source: He et al. 2016; Szegedy et al. 2017 for the
    scale, which keeps many blocks from growing without bound.
    """

    def __init__(
        self, change: Chain, *, scale: float = 1.0, activation: Activation = "relu", name: str | None = None
    ) -> None:
        self.change, self.scale, self.activation, self.name = change, scale, activation, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.residual(x, self.change(x), scale=self.scale, activation=self.activation)


class Halving(Block):
    """ReLU of average(x) + change(x), of which the smaller is filled with zeros below, on the right and in the last
    channels: a residual block that halves the picture and may add channels. Source: dlib's add_prev and avg_pool.
    """

    scale = 1.0
    activation: Activation = "relu"

    def __init__(self, average: nn.AvgPool2d, change: Chain, *, name: str | None = None) -> None:
        self.average, self.change, self.name = average, change, name

    def forward(self, x: Tensor) -> Tensor:
        past, change = run([self.average], x), self.change(x)
        shape = tuple(map(max, past.shape, change.shape))
        past, change = (
            ops.pad(y, [(0, whole - part) for whole, part in zip(shape, y.shape, strict=True)]) for y in (past, change)
        )
        return ops.residual(past, change, activation=self.activation)


class ZeroPad2d(nn.Module):
    """Zeros around a picture: `before` rows and columns above and to the left, `after` below and to the right."""

    def __init__(self, before: int, after: int, *, name: str | None = None) -> None:
        self.before, self.after, self.name = before, after, name

    def forward(self, x: Tensor) -> Tensor:
        sides = (self.before, self.after)
        return ops.pad(x, ((0, 0), sides, sides, (0, 0)))


class GlobalAverage(nn.Module):
    """The mean over all positions: (N, *spatial, C) -> (N, C), whatever the size of the picture."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(axis=tuple(range(1, x.ndim - 1)))


def every(layers: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """The layers, each block after those in it."""
    for layer in layers:
        if isinstance(layer, Block):
            yield from every(child for _, child in layer.children())
        yield layer


class Enough(Exception):
    """Whatever is still to be computed, nobody has asked for it."""


class Taps:
    """The reader of outputs while a network runs."""

    def __init__(self, wanted: Iterable[str] = ()) -> None:
        self.wanted = set(wanted)
        self.found: dict[str, Tensor] = {}

    def read(self, layer: nn.Module) -> bool:
        """Return True if somebody reads a layer's own output."""
        return layer.name in self.wanted

    def keep(self, name: str | None, y: Tensor) -> None:
        """Keep y if it was asked for."""
        if name in self.wanted:
            self.found[name] = y
            if len(self.found) == len(self.wanted):
                raise Enough


class Everything(Taps):
    """For those who look at each layer by itself."""

    def read(self, layer: nn.Module) -> bool:
        return True


NOBODY = Taps()

_taps: contextvars.ContextVar[Taps] = contextvars.ContextVar("taps", default=NOBODY)


@contextmanager
def reading(taps: Taps) -> Iterator[None]:
    """Inside the block, what runs is read there."""
    token = _taps.set(taps)
    try:
        yield
    finally:
        _taps.reset(token)


class Kinds(NamedTuple):
    """The blocks whose layers a program for a whole network can follow, and the way to run what it cannot."""

    chain: type
    branches: type
    residual: type
    halving: type
    zero_pad: type
    global_average: type
    run: Callable[[Sequence[nn.Module], Tensor], Tensor]


def run_whole(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Return x after all layers. What lies between them need not exist if nobody looks: a program may run them."""
    if x.requires_grad or _taps.get() is not NOBODY or watching.get() or summary.observer.get():
        return run(layers, x)
    kinds = Kinds(Chain, Branches, Residual, Halving, ZeroPad2d, GlobalAverage, run)
    result = backend.ask("run_frozen", layers, x, kinds)
    return run(layers, x) if result is None else result


def run(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """x through the layers. Two that are computed faster together are, unless somebody reads what is between them."""
    taps = _taps.get()
    done = None  # the layer that was computed together with the one before it
    for index, (layer, following) in enumerate(zip(layers, [*layers[1:], None], strict=False)):
        try:
            if f"{layer.name}.linear" in taps.wanted:
                x = layer.linear(x)  # type: ignore[attr-defined]
                taps.keep(f"{layer.name}.linear", x)
                x = ops.relu(x) if layer.activation else x  # type: ignore[attr-defined]
            elif layer is not done:
                together = None if taps.read(layer) else _together(layer, following)
                x, done = (together(x), following) if together else (layer(x), None)
        except InputError as problem:
            name_layer(problem, index, layer)
            raise
        taps.keep(layer.name, x)
    return x


def _together(layer: nn.Module, following: nn.Module | None) -> Callable[[Tensor], Tensor] | None:
    """The function that does what both layers do, if there is one."""
    if isinstance(layer, nn.Conv2d):
        if isinstance(following, nn.BatchNorm):
            return backend.ask("folded", layer, following)
        if _halves(following):
            return layer.averaged
    return None


def _halves(layer: nn.Module | None) -> bool:
    """Return True if a layer takes the mean of 2×2, which a convolution can do on the way out."""
    return isinstance(layer, nn.AvgPool2d) and (layer.kernel_size, layer.stride, layer.padding) == (2, 2, 0)
