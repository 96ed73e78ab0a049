"""Blocks of layers (chains, branches, residual blocks), and the loop that runs layers and reads their outputs.

With these blocks, the code of a network looks like the table in its paper.
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
    """Layers that run one after another."""

    def __init__(self, *layers: nn.Module, name: str | None = None) -> None:
        self.layers = list(layers)
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return run(self.layers, x)


class Branches(Block):
    """Parallel branches on the same input. Their outputs are concatenated along the channels."""

    def __init__(self, *branches: nn.Module, name: str | None = None) -> None:
        self.branches = branches
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return ops.concat([run([branch], x) for branch in self.branches])


class Residual(Block):
    """x + scale · change(x), followed by ReLU if activation="relu".

    A scale below 1 keeps activations bounded over many blocks. Source: He et al. 2016; scale: Szegedy et al. 2017.
    """

    def __init__(
        self, change: Chain, *, scale: float = 1.0, activation: Activation = "relu", name: str | None = None
    ) -> None:
        self.change, self.scale, self.activation, self.name = change, scale, activation, name

    def forward(self, x: Tensor) -> Tensor:
        return ops.residual(x, self.change(x), scale=self.scale, activation=self.activation)


class Halving(Block):
    """ReLU of average(x) + change(x): a residual block that halves the picture and may add channels.

    The smaller term is padded with zeros at the bottom, on the right and in the last channels. Source: dlib's add_prev
    and avg_pool.
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
    """Zero padding: `before` rows and columns at the top and left, `after` at the bottom and right."""

    def __init__(self, before: int, after: int, *, name: str | None = None) -> None:
        self.before, self.after, self.name = before, after, name

    def forward(self, x: Tensor) -> Tensor:
        sides = (self.before, self.after)
        return ops.pad(x, ((0, 0), sides, sides, (0, 0)))


class GlobalAverage(nn.Module):
    """The mean over all positions: (N, *spatial, C) -> (N, C), for pictures of any size."""

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(axis=tuple(range(1, x.ndim - 1)))


def every(layers: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield the layers in order, each block after the layers inside it."""
    for layer in layers:
        if isinstance(layer, Block):
            yield from every(child for _, child in layer.children())
        yield layer


class Enough(Exception):
    """Raised once all requested outputs are computed."""


class Taps:
    """The requested outputs of a running network. wanted: names of layers. found: {name: output}."""

    def __init__(self, wanted: Iterable[str] = ()) -> None:
        self.wanted = set(wanted)
        self.found: dict[str, Tensor] = {}

    def read(self, layer: nn.Module) -> bool:
        """Return True if the output of a layer is requested."""
        return layer.name in self.wanted

    def keep(self, name: str | None, y: Tensor) -> None:
        """Store y if it is requested. Raises Enough once all requested outputs are stored."""
        if name in self.wanted:
            self.found[name] = y
            if len(self.found) == len(self.wanted):
                raise Enough


class Everything(Taps):
    """Taps that make every layer run separately and store nothing."""

    def read(self, layer: nn.Module) -> bool:
        return True


NOBODY = Taps()

_taps: contextvars.ContextVar[Taps] = contextvars.ContextVar("taps", default=NOBODY)


@contextmanager
def reading(taps: Taps) -> Iterator[None]:
    """Collect outputs in `taps` from all layers that run inside the block."""
    token = _taps.set(taps)
    try:
        yield
    finally:
        _taps.reset(token)


class Kinds(NamedTuple):
    """The block types that a fused program for a whole network supports, and `run` for everything else."""

    chain: type
    branches: type
    residual: type
    halving: type
    zero_pad: type
    global_average: type
    run: Callable[[Sequence[nn.Module], Tensor], Tensor]


def run_whole(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Return x after all layers. The backend may fuse them if no intermediate output is requested."""
    watched = _taps.get() is not NOBODY or watching.get() is not None or summary.observer.get()
    if x.requires_grad or watched:
        return run(layers, x)
    kinds = Kinds(Chain, Branches, Residual, Halving, ZeroPad2d, GlobalAverage, run)
    result = backend.ask("run_frozen", layers, x, kinds)
    return run(layers, x) if result is None else result


def run(layers: Sequence[nn.Module], x: Tensor, first: int = 0) -> Tensor:
    """Return x after all layers. Some pairs are fused, unless the output between them is requested.

    first: index of the first layer in its network, for errors.
    """
    taps = _taps.get()
    done = None  # the layer that was fused with the one before it
    for index, (layer, following) in enumerate(zip(layers, [*layers[1:], None], strict=False), first):
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
    """Return a function that computes both layers at once, or None."""
    if isinstance(layer, nn.Conv2d):
        if isinstance(following, nn.BatchNorm):
            return backend.ask("folded", layer, following)
        if _halves(following):
            return layer.averaged
    return None


def _halves(layer: nn.Module | None) -> bool:
    """Return True for a 2×2 average pool with stride 2, which a convolution can apply to its output."""
    return isinstance(layer, nn.AvgPool2d) and (layer.kernel_size, layer.stride, layer.padding) == (2, 2, 0)
