"""The graph of operations, and backpropagation through it.

A Node is one application of an operation. It holds the backward closure, and the destination of each input's gradient.
`walk_back` runs the closures from the result to the leaves.
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
    """A destination of gradients: a Tensor, which accumulates them in `.grad`."""

    grad: np.ndarray | None


class Observer(Protocol):
    """A recorder of a node's backward call."""

    def saw(self, cotangent: np.ndarray, gradients: tuple, seconds: float) -> None:
        """Record the closure's cotangent, gradients and wall time. Must not modify or keep the arrays."""


class Node:
    """One application of an op: its backward closure, and the destination of each gradient.

    inputs: for each array input, the Node that computed it, the leaf itself, or None if it needs no gradient.
    shapes: (shape, dtype) of each input. Its gradient is summed and converted to these, which undoes broadcasting.
    fresh, adds: the promises of the op (see minicnn.op).
    retained: weak reference to the Tensor whose `.grad` receives this node's cotangent (see Tensor.retain_grad).
    A node does not refer to the Tensor that it computed. Without reference cycles, an unused graph is freed at once.
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
    """A gradient on its way to a node. owned: nothing else refers to the array, so it can be added to in place."""

    __slots__ = ("array", "owned")

    def __init__(self, array: np.ndarray, owned: bool) -> None:
        self.array, self.owned = array, owned

    def add(self, part: np.ndarray, owned: bool) -> None:
        """Add the gradient from another use, in place if either array is owned."""
        out = self.array if self.owned else part if owned else None
        self.array = kernels_for(part).add(self.array, part, out)
        self.owned = True


def walk_back(root: Node, gradient: np.ndarray) -> None:
    """Run the closure of every node that `root` depends on, deepest node first, and free the graph.

    gradient: the cotangent of root, of its shape.
    A node is deeper than its inputs. When the deepest waiting node is taken, all uses of its result have been visited,
    so its cotangent is complete.
    Depth comes before age so that a branch off an early layer waits until that layer is reached. Otherwise a gradient
    as large as that layer's features would be held until then.
    The walk is iterative, so deep graphs do not exhaust Python's stack.
    Raise InputError if the graph was freed by an earlier backward.
    """
    waiting = [(_rank(root), root)]
    cotangents = {root: Cotangent(gradient, owned=False)}  # the caller may still refer to it
    while waiting:
        _, node = heapq.heappop(waiting)
        cotangent = cotangents.pop(node).array
        if node.backward is None:
            raise InputError(f"backward: the graph of {node.name} was freed by an earlier backward; run forward again")
        if node.retained is not None and (tensor := node.retained()) is not None:
            deposit(tensor, cotangent, owned=False)
        closure, inputs = node.backward, node.inputs
        node.backward, node.inputs = None, ()  # release the closure now, so that its arrays are freed early
        if node.adds and node.observer is None and inputs[0] in cotangents and cotangents[inputs[0]].owned:
            cotangents[inputs[0]].array = closure(cotangent, cotangents[inputs[0]].array)
            continue
        gradients = _run(closure, cotangent, node, len(inputs))
        del cotangent  # otherwise the largest arrays would stay alive during the next closure
        for number, (source, gradient) in enumerate(zip(inputs, gradients, strict=True)):
            if source is None or gradient is None:
                continue
            part = _fitted(gradient, node.shapes[number], closure, number)
            owned = node.fresh or part is not gradient  # a summed or converted array is new
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
    """Return the heap key: deepest node first, then the oldest.

    At equal depth the network's next layer runs before a branch. Its cotangent then exists when the branch adds to it.
    """
    return -node.depth, node.age


def _run(closure: Callable, cotangent: np.ndarray, node: Node, count: int) -> tuple:
    """Return the closure's gradients as a tuple. Raise InputError if their number is not `count`."""
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
    """Return a gradient in the shape and dtype of its input: the same array if it fits, otherwise a new one.

    Raise InputError if it is not an array or does not broadcast from the input's shape.
    """
    shape, dtype = wanted
    part = np.asarray(gradient) if isinstance(gradient, np.generic) else gradient  # NumPy scalars are not arrays
    is_array = hasattr(part, "astype")  # on any device; Tensors and lists lack astype
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
    """Add the gradient to the leaf's `.grad`, which the leaf owns. owned: it can be stored without a copy."""
    if leaf.grad is not None:
        leaf.grad += gradient
    else:
        leaf.grad = gradient if owned else gradient.copy()


def sum_to(gradient: np.ndarray, shape: tuple) -> np.ndarray:
    """Return the gradient summed over broadcast axes. Raise ValueError if `shape` does not broadcast to its shape."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, gradient.shape[extra:], strict=True)):
        raise ValueError(f"{gradient.shape} is not a broadcast of {shape}")
    stretched = tuple(extra + i for i, n in enumerate(shape) if n == 1 and gradient.shape[extra + i] != 1)
    return gradient.sum(axis=(*range(extra), *stretched)).reshape(shape)
