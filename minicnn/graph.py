"""The graph of what was computed, and the walk back through it.

A Node is one application of an operation. It holds the closure that says how a gradient flows back, and knows where the
gradient of each input goes. `walk_back` runs the closures from the result to the leaves.
"""

from __future__ import annotations

import heapq
import itertools
import time
import weakref
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from minicnn.backend import kernels_for
from minicnn.errors import InputError


class Leaf(Protocol):
    """Where a gradient ends: a Tensor, whose `.grad` collects it."""

    grad: np.ndarray | None


class Observer(Protocol):
    """Looks on as a node's closure runs."""

    def saw(self, cotangent: np.ndarray, gradients: tuple, seconds: float) -> None:
        """Take note of what the closure was given and what it returned. Must not change or keep these arrays."""


class Node:
    """One application of an op: its backward closure, and where each gradient goes.

    `inputs` holds, for each array input, the Node that made it, the leaf itself, or None where no gradient is wanted.
    No node refers to the Tensor it made, so there is no reference cycle and the graph frees itself.
    shapes: (shape, dtype) of each input; its gradient is summed and converted to them, which undoes broadcasting.
    fresh, adds: what the op promises, see minicnn.op. retained: the Tensor that keeps this node's cotangent.
    """

    __slots__ = (
        *("__weakref__", "adds", "age", "backward", "depth", "fresh"),
        *("inputs", "name", "observer", "retained", "shapes"),
    )
    _ages = itertools.count()

    def __init__(
        self, name: str, backward: Callable, inputs: tuple, shapes: tuple, fresh: bool = False, adds: bool = False
    ) -> None:
        self.age = next(Node._ages)
        self.depth = 1
        for source in inputs:
            if isinstance(source, Node) and source.depth >= self.depth:
                self.depth = source.depth + 1
        self.name = name
        self.backward: Callable | None = backward
        self.inputs, self.shapes = inputs, shapes
        self.fresh, self.adds = fresh, adds
        self.retained: weakref.ref[Any] | None = None
        self.observer: Observer | None = None


class Cotangent:
    """A gradient on its way to a node. owned: nobody else holds the array, so it may be added to in place."""

    __slots__ = ("array", "owned")

    def __init__(self, array: np.ndarray, owned: bool) -> None:
        self.array, self.owned = array, owned

    def add(self, part: np.ndarray, owned: bool) -> None:
        """Add the gradient of another use, in place where one of the two arrays is owned."""
        out = self.array if self.owned else part if owned else None
        self.array = kernels_for(part).add(self.array, part, out)
        self.owned = True


def walk_back(root: Node, gradient: np.ndarray) -> None:
    """Run every closure that `root` depends on, deepest node first.

    A node is deeper than its inputs, so when the deepest waiting node is taken, every use of its result has been
    visited and its cotangent is complete. Depth comes before age so that a branch off the early layers waits until
    their turn has come, instead of holding a gradient as large as their features all the while.
    Iterative: the depth of the graph is not the depth of Python's stack.
    """
    waiting = [(_rank(root), root)]
    cotangents = {root: Cotangent(gradient, owned=False)}  # the caller may have kept it
    while waiting:
        _, node = heapq.heappop(waiting)
        cotangent = cotangents.pop(node).array
        if node.backward is None:
            raise InputError(f"backward: the graph of {node.name} was freed by an earlier backward; run forward again")
        if node.retained is not None and (tensor := node.retained()) is not None:
            deposit(tensor, cotangent, owned=False)
        closure, inputs = node.backward, node.inputs
        node.backward, node.inputs = None, ()  # drop the closure now, so that its arrays are freed early
        if node.adds and node.observer is None and inputs[0] in cotangents and cotangents[inputs[0]].owned:
            cotangents[inputs[0]].array = closure(cotangent, cotangents[inputs[0]].array)
            continue
        gradients = _run(closure, cotangent, node, len(inputs))
        del cotangent  # else the largest arrays of a network would outlive the next closure
        for number, (source, gradient) in enumerate(zip(inputs, gradients, strict=True)):
            if source is None or gradient is None:
                continue
            part = _fitted(gradient, node.shapes[number], closure, number)
            owned = node.fresh or part is not gradient  # what was summed or converted here is the walk's own
            if not isinstance(source, Node):
                deposit(source, part, owned)
            elif source in cotangents:
                cotangents[source].add(part, owned)
            else:
                cotangents[source] = Cotangent(part, owned)
                heapq.heappush(waiting, (_rank(source), source))
            del gradient, part
        del closure, gradients


def _rank(node: Node) -> tuple[int, int]:
    """Return the key by which a heap gives the deepest node first, and of equals the oldest: the network's own next
    layer runs before what branches off, so that its cotangent exists when the branch runs, which then adds in place.
    """
    return -node.depth, node.age


def _run(closure: Callable, cotangent: np.ndarray, node: Node, count: int) -> tuple:
    """Return the closure's gradients, one for each of `count` inputs."""
    began = time.perf_counter()
    gradients = closure(cotangent)
    seconds = time.perf_counter() - began
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    if len(gradients) != count:
        many = f"{len(gradients)} gradient{'s' * (len(gradients) != 1)}"
        raise InputError(f"{_called(closure)}: returned {many}; expected a tuple of {count}, one for each input")
    if node.observer is not None:
        node.observer.saw(cotangent, gradients, seconds)
    return gradients


def _fitted(gradient: Any, wanted: tuple[tuple, np.dtype], closure: Callable, number: int) -> np.ndarray:
    """Return a gradient in the shape and dtype of its input: itself, or an array that is the walk's own."""
    shape, dtype = wanted
    part = np.asarray(gradient) if isinstance(gradient, np.generic) else gradient  # NumPy's numbers are not arrays
    is_array = hasattr(part, "astype")  # wherever it lives; a Tensor or a list has none
    try:
        if is_array and part.shape == shape and part.dtype == dtype:
            return part
        return sum_to(part, shape).astype(dtype, copy=False)
    except (AttributeError, IndexError, ValueError):
        what = f"has shape {part.shape}" if is_array else f"is a {type(part).__name__}"
        whose = f"{_called(closure)}: the gradient to input {number}"
        raise InputError(f"{whose} {what}; expected an array of its shape {shape}") from None


def _called(closure: Callable) -> str:
    return getattr(getattr(closure, "__code__", None), "co_qualname", "backward")


def deposit(leaf: Leaf, gradient: np.ndarray, owned: bool) -> None:
    """Accumulate in a leaf, which owns its gradient."""
    if leaf.grad is not None:
        leaf.grad += gradient
    else:
        leaf.grad = gradient if owned else gradient.copy()


def sum_to(gradient: np.ndarray, shape: tuple) -> np.ndarray:
    """Undo broadcasting: sum over the axes along which the forward copied. Raise ValueError if it did not."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, gradient.shape[extra:], strict=True)):
        raise ValueError(f"{gradient.shape} is not a broadcast of {shape}")
    stretched = tuple(extra + i for i, n in enumerate(shape) if n == 1 and gradient.shape[extra + i] != 1)
    return gradient.sum(axis=(*range(extra), *stretched)).reshape(shape)
