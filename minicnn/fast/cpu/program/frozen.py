"""A frozen network's layers as a program: written once, run for one small picture after the other."""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minicnn import backend, devices, nn
from minicnn.fast.cpu import buffers, cache, program
from minicnn.fast.cpu.program import compiled
from minicnn.fast.cpu.program.drafts import POOLS, Drafting
from minicnn.fast.cpu.program.layout import Numbers, lay_out, step
from minicnn.tensor import Tensor

FEWEST = 8  # convolutions that are worth a program
LITTLE = 1 << 27  # multiplications of a convolution, on average, from which on it takes little to begin it
TOGETHER = 8  # pictures that share the fetching of the filters; more gain little, and take more memory
OBJECTS = 1 << 12  # bytes of a program's Python objects, as measured
REFERENCE = 1 << 7  # bytes that the cache takes for each array by which something is remembered


class Form:
    """Steps laid out for a number of pictures at a time, and the arenas in which they run."""

    def __init__(self, drafting: Drafting, places: list[tuple[int, int]]) -> None:
        self.start, self.end = drafting.start.room, drafting.end.room
        self.size, rooms = lay_out(drafting.drafts, self.end)
        self.bordered = [room for room in rooms if room.beyond]  # by something else than zeros
        steps = [step(draft, *own) for draft, own in zip(drafting.drafts, places, strict=True)]
        self.steps = np.array(steps, program.STEP)
        self._arenas: list[weakref.ref[np.ndarray]] = []  # of which a run that failed lets go
        self._idle: deque[np.ndarray] = deque()

    @property
    def nbytes(self) -> int:
        """The bytes of the steps and of all arenas, idle or in use."""
        arenas = [reference() for reference in self._arenas]
        return self.steps.nbytes + sum(arena.nbytes for arena in arenas if arena is not None)

    def run(self, x: np.ndarray, y: np.ndarray, numbers: np.ndarray) -> None:
        """Run the steps on x and write the result to y."""
        try:
            arena = self._idle.pop()
        except IndexError:  # none yet, or all are in use by other threads
            arena = self._arena(numbers.dtype)
        self.start.inside(arena)[:] = x
        compiled.run(self.steps, numbers, arena)
        y[:] = self.end.inside(arena)
        self._idle.append(arena)

    def _arena(self, dtype: np.dtype) -> np.ndarray:
        arena = buffers.aligned((self.size,), dtype)
        arena[:] = 0
        for room in self.bordered:
            room.whole(arena)[:] = room.beyond
        self._arenas.append(weakref.ref(arena))
        return arena


class Program:
    """Run the first of some layers on pictures of one shape (H, W, C). Thread-safe.

    done: the number of these layers. nbytes: the size of its forms, which grow as they are used.

    It does not keep the layers, whose arrays would then outlive the network that is remembered by them, nor the
    numbers: programs for pictures of other shapes share them.
    """

    def __init__(self, layers: Sequence[nn.Module], shape: tuple[int, ...], kinds: Any) -> None:
        self.shape, self.kinds = shape, kinds
        drafting = Drafting((1, *shape), kinds)
        self.done = drafting.through(layers)
        convolutions = [draft for draft in drafting.drafts if draft.filters]
        work = sum(draft.multiplications for draft in convolutions)
        self._few = LITTLE * len(convolutions) // work if len(convolutions) >= FEWEST else 0
        self._forms: dict[int, Form] = {}

    def pays(self, count: int) -> bool:
        """Return True if it takes less time with so many pictures than layer by layer."""
        return count <= self._few

    @property
    def nbytes(self) -> int:
        return OBJECTS + sum(form.nbytes for form in list(self._forms.values()))

    def __call__(self, layers: Sequence[nn.Module], x: np.ndarray, numbers: Numbers) -> np.ndarray:
        """Run x (N, H, W, C) through the layers, up to TOGETHER pictures at a time."""
        y, first = np.empty((len(x), *self._form(layers, 1, numbers).end.shape[1:]), x.dtype), 0
        while first < len(x):
            count = min(TOGETHER, 1 << (len(x) - first).bit_length() - 1)  # a power of two, so that there are few forms
            self._form(layers, count, numbers).run(x[first : first + count], y[first : first + count], numbers.array)
            first += count
        return y

    def numbers(self, layers: Sequence[nn.Module], dtype: np.dtype) -> Numbers:
        """Return the panels and biases of the layers, which are the same for pictures of any shape."""
        return Numbers(self._drafting(layers, 1).drafts, dtype)

    def _form(self, layers: Sequence[nn.Module], count: int, numbers: Numbers) -> Form:
        form = self._forms.get(count)
        return form or self._forms.setdefault(count, Form(self._drafting(layers, count), numbers.places))

    def _drafting(self, layers: Sequence[nn.Module], count: int) -> Drafting:
        drafting = Drafting((count, *self.shape), self.kinds)
        drafting.through(layers[: self.done])
        return drafting


class Anchor:
    """A stand-in for the arrays of frozen layers, of which there may be hundreds. Programs and numbers are remembered
    by its one array, `token`, and so they go when one of the layers' arrays does.
    """

    def __init__(self, arrays: Sequence[np.ndarray], settings: str) -> None:
        self.nbytes = len(settings) + REFERENCE * len(arrays)
        self.numbers_nbytes = sum(array.nbytes for array in arrays)  # nearly
        self.token = np.empty(0)
        self.token.flags.writeable = False


def run_frozen(layers: Sequence[nn.Module], x: Tensor, kinds: Any) -> Tensor | None:
    """Return x after all layers, as many of them as it pays by a program; None if that would not save time.

    kinds: the types of blocks (chain, branches, residual, zero_pad), and `run`, which runs layers one by one.
    """
    if not x.size or not _frozen(layers) or backend.kernels_for(x.data).name != "numba":
        return None
    first, last = _longest_stretch(layers, kinds)
    x = kinds.run(layers[:first], x)
    anchor = _anchor(layers[first:last], x, kinds)
    if anchor:
        x, done = _run_program(layers[first:last], x, anchor, kinds)
        first += done
    return kinds.run(layers[first:], x)


def _frozen(layers: Sequence[nn.Module]) -> bool:
    """Return True if the first of their arrays is; most networks are not, and need not be looked at further."""
    arrays = (layer.w.data for layer in layers if isinstance(layer, nn.Conv2d))
    return not devices.writeable(next(arrays, np.empty(0)))


def _longest_stretch(layers: Sequence[nn.Module], kinds: Any) -> tuple[int, int]:
    """Return from where to where the most layers follow each other that steps may do."""
    edges = [-1, *(i for i, layer in enumerate(layers) if not _may_fit(layer, kinds)), len(layers)]
    stretches = [(before + 1, after) for before, after in itertools.pairwise(edges)]
    return max(stretches, key=lambda stretch: stretch[1] - stretch[0])


def _may_fit(layer: nn.Module, kinds: Any) -> bool:
    if type(layer) in (kinds.chain, kinds.branches, kinds.residual):
        return all(_may_fit(child, kinds) for _, child in layer.children())
    return type(layer) in (nn.Conv2d, nn.BatchNorm, kinds.zero_pad, *POOLS)


def _anchor(layers: Sequence[nn.Module], x: Tensor, kinds: Any) -> Anchor | None:
    """Return the anchor of the layers; None if any of their arrays may change or they are too large for the cache."""
    sources: list[np.ndarray] = []
    settings = repr(list(_settings(layers, sources, kinds)))
    if not sources or any(array.flags.writeable or array.dtype != x.dtype for array in sources):
        return None
    anchor = cache.remember(sources, lambda *arrays: Anchor(arrays, settings), ("anchors of programs", settings))
    # The other half is for arenas: numbers and arenas that evict each other would be prepared anew for every picture.
    return anchor if anchor.numbers_nbytes <= cache.cache.budget // 2 else None


def _run_program(layers: Sequence[nn.Module], x: Tensor, anchor: Anchor, kinds: Any) -> tuple[Tensor, int]:
    """Run the first layers by their program if that takes less time; return the result and how many have run."""
    kind = "programs", x.shape[1:]
    found = cache.remember(anchor.token, lambda _: Program(layers, x.shape[1:], kinds), kind)
    if not found.pays(len(x.data)):
        return x, 0
    numbers = cache.remember(
        anchor.token, lambda _: found.numbers(layers, x.dtype), ("numbers of programs", found.done)
    )
    before = found.nbytes
    y = Tensor(found(layers, x.data, numbers))
    if found.nbytes != before:
        cache.grew(anchor.token, kind)
    return y, found.done


def _settings(layers: Sequence[nn.Module], sources: list[np.ndarray], kinds: Any) -> Iterator[Any]:
    """Yield what decides how layers compute besides their arrays, which are added to `sources`."""
    layer: Any
    for layer in layers:
        yield type(layer).__name__
        if type(layer) is nn.Conv2d:
            sources += [p.data for p in (layer.w, layer.b) if p is not None]
            yield layer.stride, layer.padding, layer.dilation, layer.groups, layer.activation
        elif type(layer) is nn.BatchNorm:
            sources += [*(p.data for p in (layer.gamma, layer.beta) if p is not None), layer.mean, layer.variance]
            yield layer.eps, layer.activation, layer.training
        elif type(layer) in POOLS:
            yield layer.size, layer.stride, layer.padding
        elif type(layer) is kinds.zero_pad:
            yield layer.before, layer.after
        elif type(layer) is kinds.residual:
            yield layer.scale, layer.activation
            yield from _settings([layer.change], sources, kinds)
        elif type(layer) is kinds.chain:
            yield from _settings(layer.layers, sources, kinds)
        elif type(layer) is kinds.branches:
            yield from _settings(layer.branches, sources, kinds)
        yield None  # where it ends
