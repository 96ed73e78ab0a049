"""A frozen network's layers as a program (fast/cpu/program): written once, run for one small picture after the other."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minicnn import devices, nn
from minicnn.fast.cpu import buffers, program
from minicnn.fast.cpu.cache import Memory
from minicnn.fast.cpu.program.drafts import POOLS, Drafting
from minicnn.fast.cpu.program.layout import Numbers, lay_out, step
from minicnn.models.blocks import Branches, Chain, Residual, ZeroPad2d, run, unobserved
from minicnn.tensor import Tensor

FEWEST = 8  # convolutions that are worth a program
LITTLE = 1 << 26  # multiplications of a convolution, on average, beside which it takes long to begin it
LEFT_TO_WINOGRAD = 0.85  # the part of all multiplications from which on its algorithm, which no step knows, saves more
TOGETHER = 8  # pictures that share the fetching of the filters; more gain little, and take more memory
BUDGET = 256 << 20  # bytes of the networks whose programs are kept; Inception-ResNet-v1 takes 94 MB of it


class Form:
    """Steps laid out for so many pictures at a time, and the arenas in which they run."""

    def __init__(self, drafting: Drafting, numbers: Numbers) -> None:
        self.numbers = numbers.array
        self.start, self.end = drafting.start.room, drafting.end.room
        self.size, self.rooms = lay_out(drafting.drafts, self.end)
        steps = [step(draft, *places) for draft, places in zip(drafting.drafts, numbers.places, strict=True)]
        self.steps = np.array(steps, program.STEP)
        self._idle: deque[np.ndarray] = deque()

    def run(self, x: np.ndarray, y: np.ndarray) -> None:
        """y from x."""
        try:
            arena = self._idle.pop()
        except IndexError:  # none yet, or all are in use by other threads
            arena = self._arena()
        self.start.inside(arena)[:] = x
        program.implementation(arena).run(self.steps, self.numbers, arena)
        y[:] = self.end.inside(arena)
        self._idle.append(arena)

    def _arena(self) -> np.ndarray:
        arena = buffers.aligned((self.size,), self.numbers.dtype)
        arena[:] = 0
        for room in self.rooms:
            room.whole(arena)[:] = room.beyond or 0
        return arena


class Program:
    """What the first of some layers do to pictures of one shape (H, W, C); by any number of threads at once.

    done: how many of the layers. shared: the numbers of programs for pictures of other shapes, which are the same for
    as many layers.

    It does not keep the layers, whose arrays would then outlive the network that is remembered by them.
    """

    def __init__(
        self, layers: Sequence[nn.Module], shape: tuple[int, ...], dtype: Any, shared: dict[int, Numbers]
    ) -> None:
        self.shape, self.dtype, self._shared = shape, dtype, shared
        drafting = Drafting((1, *shape))
        self.done = drafting.through(layers)
        convolutions = [draft for draft in drafting.drafts if draft.filters]
        work = sum(draft.multiplications for draft in convolutions)
        for_winograd = sum(draft.multiplications for draft in convolutions if draft.suits_winograd)
        enough = len(convolutions) >= FEWEST
        self._always = enough and for_winograd < LEFT_TO_WINOGRAD * work
        self._few = LITTLE * len(convolutions) // work if enough else 0
        self._forms: dict[int, Form] = {}

    def pays(self, count: int) -> bool:
        """Whether it takes less time with so many pictures than layer by layer."""
        return self._always or count <= self._few

    def __call__(self, layers: Sequence[nn.Module], x: np.ndarray) -> np.ndarray:
        """x (N, H, W, C) through the layers, some pictures at a time."""
        y, first = np.empty((len(x), *self._form(layers, 1).end.shape[1:]), x.dtype), 0
        while first < len(x):
            count = min(TOGETHER, 1 << (len(x) - first).bit_length() - 1)  # a power of two, so that there are few forms
            self._form(layers, count).run(x[first : first + count], y[first : first + count])
            first += count
        return y

    def _form(self, layers: Sequence[nn.Module], count: int) -> Form:
        if count not in self._forms:
            drafting = Drafting((count, *self.shape))
            drafting.through(layers[: self.done])
            if self.done not in self._shared:
                self._shared[self.done] = Numbers(drafting.drafts, self.dtype)
            self._forms[count] = Form(drafting, self._shared[self.done])
        return self._forms[count]


class Known:
    """What is known of a network's arrays: programs, by what else decides them."""

    def __init__(self, *arrays: np.ndarray) -> None:
        self.nbytes = sum(array.nbytes for array in arrays)
        self._numbers: dict[str, dict[int, Numbers]] = {}
        self._programs: dict[Any, Program] = {}

    def program(self, layers: Sequence[nn.Module], settings: str, x: Tensor) -> Program:
        """settings: of the layers."""
        key = settings, x.shape[1:]
        if key not in self._programs:
            shared = self._numbers.setdefault(settings, {})
            self._programs[key] = Program(layers, x.shape[1:], x.dtype, shared)
        return self._programs[key]


_memory = Memory(BUDGET)


def run_fast(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """As blocks.run. Where that takes less time, by a program: for many frozen layers, of which nobody asks for more
    than the result.
    """
    if x.requires_grad or not x.size or not unobserved() or not _frozen(layers) or not _compiled(x.data):
        return run(layers, x)
    first, last = _longest_stretch(layers)
    x = run(layers[:first], x)
    found = _known_program(layers[first:last], x)
    if found and found.pays(len(x.data)):
        x = Tensor(found(layers[first:last], x.data))
        first += found.done
    return run(layers[first:], x)


def _frozen(layers: Sequence[nn.Module]) -> bool:
    """Whether the first of their arrays is; most networks are not, and need not be looked at further."""
    arrays = (layer.w.data for layer in layers if isinstance(layer, nn.Conv2d))
    return not devices.writeable(next(arrays, np.empty(0)))


def _compiled(x: np.ndarray) -> bool:
    return devices.device_of(x) == "cpu" and program.implementation(x).__name__.endswith("on_numba")


def _longest_stretch(layers: Sequence[nn.Module]) -> tuple[int, int]:
    """From where to where the most layers follow each other that steps may do."""
    edges = [-1, *(i for i, layer in enumerate(layers) if not _may_fit(layer)), len(layers)]
    stretches = [(before + 1, after) for before, after in itertools.pairwise(edges)]
    return max(stretches, key=lambda stretch: stretch[1] - stretch[0])


def _may_fit(layer: nn.Module) -> bool:
    if type(layer) in (Chain, Branches, Residual):
        return all(_may_fit(child) for _, child in layer.children())
    return type(layer) in (nn.Conv2d, nn.BatchNorm, ZeroPad2d, *POOLS)


def _known_program(layers: Sequence[nn.Module], x: Tensor) -> Program | None:
    sources: list[np.ndarray] = []
    settings = repr(list(_settings(layers, sources)))
    if not sources or any(array.flags.writeable or array.dtype != x.dtype for array in sources):
        return None
    known = _memory.look_up(sources, Known)
    return known.program(layers, settings, x) if _memory.holds(sources) else None


def _settings(layers: Sequence[nn.Module], sources: list[np.ndarray]) -> Iterator[Any]:
    """What decides how layers compute besides their arrays, which are added to `sources`."""
    for layer in layers:
        yield type(layer).__name__
        if type(layer) is nn.Conv2d:
            sources += [p.data for p in (layer.w, layer.b) if p is not None]
            yield layer.stride, layer.padding, layer.dilation, layer.groups, layer.activation
        elif type(layer) is nn.BatchNorm:
            sources += [*(p.data for p in (layer.gamma, layer.beta) if p is not None), layer.mean, layer.variance]
            yield layer.eps, layer.activation, layer.training
        elif type(layer) in POOLS:
            yield layer.size, layer.stride, layer.padding  # type: ignore[attr-defined]
        elif type(layer) is ZeroPad2d:
            yield layer.before, layer.after
        elif type(layer) is Residual:
            yield layer.scale, layer.activation
            yield from _settings([layer.change], sources)
        elif type(layer) is Chain:
            yield from _settings(layer.layers, sources)
        elif type(layer) is Branches:
            yield from _settings(layer.branches, sources)
        yield None  # where it ends
