"""Programs of frozen networks: translated once, run for many small pictures."""

from __future__ import annotations

import itertools
import operator
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minicnn import backend, devices, nn
from minicnn.fast.cpu import buffers, cache, program, threads
from minicnn.fast.cpu.program import compiled
from minicnn.fast.cpu.program.drafts import POOLS, Drafting
from minicnn.fast.cpu.program.layout import Numbers, after, lay_out, step
from minicnn.tensor import Tensor

FEWEST = 8  # minimum number of convolutions of a program
LITTLE = 1 << 27  # mean multiplications per convolution and picture above which its overhead is negligible
TOGETHER = 8  # pictures per run; more gain little, and take more memory
OBJECTS = 1 << 12  # measured bytes of a program's Python objects
REFERENCE = 1 << 7  # bytes of the cache per source array
WATCHED: dict[type, tuple[str, ...]] = {
    nn.Conv2d: ("w", "b", "kernel_size", "stride", "padding", "dilation", "groups", "activation"),
    nn.BatchNorm: ("gamma", "beta", "mean", "variance", "eps", "activation", "training"),
    nn.Linear: ("w", "b", "activation"),
    nn.Dropout: ("training", "rate"),
    nn.Flatten: ("name", "training"),
    **dict.fromkeys(POOLS, ("kernel_size", "stride", "padding")),
}


class Form:
    """The steps for a certain number of pictures, and the arenas in which they run."""

    def __init__(self, drafting: Drafting, numbers: Numbers) -> None:
        self.start, self.end = drafting.start.room, drafting.end.room
        self.size, rooms = lay_out(drafting.drafts, self.end)
        self.bordered = [room for room in rooms if room.beyond]  # with a border other than zero
        waits = after(drafting.drafts)
        steps = [step(draft, *numbers.places(draft), wait) for draft, wait in zip(drafting.drafts, waits, strict=True)]
        self.steps = np.array(steps, program.STEP)
        self._arenas: list[weakref.ref[np.ndarray]] = []  # a failed run drops its arena
        self._idle: deque[np.ndarray] = deque()

    @property
    def nbytes(self) -> int:
        """The size in bytes of the steps and all arenas, idle or in use."""
        arenas = [reference() for reference in self._arenas]
        return self.steps.nbytes + sum(arena.nbytes for arena in arenas if arena is not None)

    def run(self, x: np.ndarray, y: np.ndarray, numbers: np.ndarray, count: int) -> None:
        """Run the steps on x with `count` threads, and write the result to y."""
        try:
            arena = self._idle.pop()
        except IndexError:  # none yet, or all in use by other threads
            arena = self._arena(numbers.dtype)
        self.start.inside(arena)[:] = x
        compiled.run(self.steps, numbers, arena, count)
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
    """A program of the first layers of a network, for pictures of one shape (H, W, C). Thread-safe.

    done: number of these layers. pays: True if it is faster than layer by layer. nbytes: size of its forms, which
    grows with use.

    It does not refer to the layers, which would keep the network alive, nor to the numbers, which programs for other
    shapes share.
    """

    def __init__(self, layers: Sequence[nn.Module], shape: tuple[int, ...], kinds: Any) -> None:
        self.shape, self.kinds = shape, kinds
        drafting = Drafting((1, *shape), kinds)
        self.done, self._flat = drafting.through(layers), drafting.end.flat
        convolutions = [draft for draft in drafting.drafts if draft.filters and not draft.products]
        self.winograd = tuple(draft.layer for draft in convolutions if draft.kind == program.OUT_OF_TILES)
        work = sum(draft.outputs * draft.weights for draft in convolutions)
        self.pays = len(convolutions) >= FEWEST and work <= LITTLE * len(convolutions)
        self._forms: dict[int, Form] = {}

    @property
    def nbytes(self) -> int:
        return OBJECTS + sum(form.nbytes for form in list(self._forms.values()))

    def __call__(self, layers: Sequence[nn.Module], x: np.ndarray, numbers: Numbers) -> np.ndarray:
        """Run x (N, H, W, C) through the layers, up to TOGETHER pictures at a time.

        If there are enough, each thread runs some by itself, since waiting for each other takes longer than to read the
        filters twice. All threads share the rest.
        """
        y, first = np.empty((len(x), *self._form(layers, 1, numbers).end.shape[1:]), x.dtype), 0
        while first < len(x):
            left, count = len(x) - first, threads.threads()
            apart = count if count <= min(left, TOGETHER) else 1
            size = 1 << (min(TOGETHER, left) // apart).bit_length() - 1  # a power of two, to limit the forms
            rounds = left // (size * apart) if apart > 1 else 1
            stop = first + rounds * apart * size
            pieces = [(x[at : at + size], y[at : at + size]) for at in range(first, stop, size)]
            threads.parallel(self._form(layers, size, numbers).run, pieces, numbers.array, count // apart)
            first = stop
        return y.reshape(len(x), -1) if self._flat else y

    def numbers(self, layers: Sequence[nn.Module], dtype: np.dtype) -> Numbers:
        """Return the panels and biases of the layers, which do not depend on the shape of the pictures."""
        return Numbers(self._drafting(layers, 1).drafts, dtype)

    def _form(self, layers: Sequence[nn.Module], count: int, numbers: Numbers) -> Form:
        form = self._forms.get(count)
        return form or self._forms.setdefault(count, Form(self._drafting(layers, count), numbers))

    def _drafting(self, layers: Sequence[nn.Module], count: int) -> Drafting:
        drafting = Drafting((count, *self.shape), self.kinds)
        drafting.through(layers[: self.done])
        return drafting


class Anchor:
    """A proxy for the arrays of frozen layers, of which there may be hundreds.

    Programs and numbers are cached by its single array, `token`, and are dropped when any of the arrays dies.
    dtype: the dtype of all arrays, or None if they differ.
    """

    def __init__(self, arrays: Sequence[np.ndarray], settings: str) -> None:
        dtypes = {array.dtype for array in arrays}
        self.dtype = dtypes.pop() if len(dtypes) == 1 else None
        self.nbytes = len(settings) + REFERENCE * len(arrays)
        self.numbers_nbytes = sum(array.nbytes for array in arrays)  # approximately
        self.token = np.empty(0)
        self.token.flags.writeable = False


class Look:
    """A record of everything that determines the layers' results, for a quick check that nothing has changed.

    first, last: range of the longest sequence of layers that steps may implement. settings: all values but arrays, as
    text.
    """

    def __init__(self, layers: Sequence[nn.Module], kinds: Any) -> None:
        self.watched = {**WATCHED, kinds.chain: ("layers",), kinds.branches: ("branches",)}
        self.watched |= {kinds.residual: ("change", "scale", "activation"), kinds.zero_pad: ("before", "after")}
        self.watched |= {kinds.halving: ("average", "change"), kinds.global_average: ("name", "training")}
        edges = [-1, *(i for i, layer in enumerate(layers) if not self._may_fit(layer)), len(layers)]
        stretches = [(before + 1, after) for before, after in itertools.pairwise(edges)]
        self.first, self.last = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
        modules = list(self._within(layers[self.first : self.last]))
        self._layers = [weakref.ref(layer) for layer in layers]
        self._modules = [weakref.ref(module) for module in modules]
        self._getters = [operator.attrgetter(*self.watched[type(module)]) for module in modules]
        self._seen = self._values(modules)
        self._tensors = [value for value in self._seen if isinstance(value, Tensor)]
        self._statistics = [value for value in self._seen if isinstance(value, np.ndarray)]
        self.settings = repr([*(type(module).__name__ for module in modules), *map(_setting, self._seen)])

    def frozen_arrays(self, layers: Sequence[nn.Module]) -> list[np.ndarray] | None:
        """Return the arrays of the layers, or None if the layers have changed or any array is writeable."""
        modules = list(map(operator.call, self._modules))
        if None in modules or not _same(layers, list(map(operator.call, self._layers))):
            return None
        if not _same(self._values(modules), self._seen):
            return None
        arrays = [*map(_data, self._tensors), *self._statistics]
        return None if any(map(_writeable, arrays)) else arrays

    def _may_fit(self, layer: nn.Module) -> bool:
        return type(layer) in self.watched and all(self._may_fit(child) for _, child in layer.children())

    def _within(self, layers: Sequence[nn.Module]) -> Iterator[nn.Module]:
        for layer in layers:
            yield layer
            yield from self._within([child for _, child in layer.children()])

    def _values(self, modules: Sequence[Any]) -> list[Any]:
        """Return all recorded values, including those of the layers in blocks."""
        return list(itertools.chain.from_iterable(map(operator.call, self._getters, modules)))


_data, _writeable = operator.attrgetter("data"), operator.attrgetter("flags.writeable")


def _same(now: Sequence[Any], then: Sequence[Any]) -> bool:
    return len(now) == len(then) and all(map(operator.is_, now, then))


def _setting(value: Any) -> Any:
    return type(value).__name__ if isinstance(value, (nn.Module, Tensor, np.ndarray)) else value


_looks: weakref.WeakKeyDictionary[nn.Module, Look] = weakref.WeakKeyDictionary()  # keyed by the first layer


def run_frozen(layers: Sequence[nn.Module], x: Tensor, kinds: Any) -> Tensor | None:
    """Return x after all layers, the first of them run by a program; None if that would not save time.

    kinds: the types of blocks (chain, branches, residual, halving, zero_pad, global_average), and `run`, which runs
    layers one by one.
    """
    if not x.size or not _frozen(layers) or backend.kernels_for(x.data).name != "numba":
        return None
    look = _looks.get(layers[0])
    arrays = look.frozen_arrays(layers) if look else None
    if look is None or arrays is None:
        look = _looks[layers[0]] = Look(layers, kinds)
        arrays = look.frozen_arrays(layers)
    if not arrays:
        return None
    first = look.first
    x = kinds.run(layers[:first], x)
    anchor = _anchor(look, arrays, x)
    if anchor:
        x, done = _run_program(layers[first : look.last], x, anchor, kinds)
        first += done
    return kinds.run(layers[first:], x, first)


def _frozen(layers: Sequence[nn.Module]) -> bool:
    """Return True if the first array is frozen. This quickly excludes most networks."""
    arrays = (layer.w.data for layer in layers if isinstance(layer, nn.Conv2d))
    return not devices.writeable(next(arrays, np.empty(0)))


def _anchor(look: Look, sources: Sequence[np.ndarray], x: Tensor) -> Anchor | None:
    """Return the anchor of the layers, or None if they exceed the cache or differ from x in dtype."""
    kind = "anchors of programs", look.settings
    anchor = cache.remember(sources, lambda *arrays: Anchor(arrays, look.settings), kind)
    # Leave the other half to arenas; otherwise numbers and arenas would evict each other for every picture.
    return anchor if anchor.dtype == x.dtype and anchor.numbers_nbytes <= cache.cache.budget // 2 else None


def _run_program(layers: Sequence[nn.Module], x: Tensor, anchor: Anchor, kinds: Any) -> tuple[Tensor, int]:
    """Run the first layers by their program if that is faster. Return the result and the number of layers run."""
    kind = "programs", x.shape[1:]
    found = cache.remember(anchor.token, lambda _: Program(layers, x.shape[1:], kinds), kind)
    if not found.pays:
        return x, 0
    own = "numbers of programs", found.done, found.winograd
    numbers = cache.remember(anchor.token, lambda _: found.numbers(layers, x.dtype), own)
    before = found.nbytes
    y = Tensor(found(layers, x.data, numbers))
    if found.nbytes != before:
        cache.grew(anchor.token, kind)
    return y, found.done
