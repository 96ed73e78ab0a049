"""The engine: Tensor, @op, and backward. Start reading here.

A Tensor is an array with a memory of how it was made. Each operation is one function, decorated with @op, that
computes its result and, side by side with it, says in a closure how a gradient flows back. Nodes link these
closures; `backward` walks the nodes from the deepest back to the leaves.
"""

from __future__ import annotations

import builtins
import contextvars
import functools
import heapq
import inspect
import itertools
import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

import numpy as np

from minicnn import backend, devices
from minicnn.errors import InputError
from minicnn.kernels import addition as addition_kernels

_recording: contextvars.ContextVar[bool] = contextvars.ContextVar("recording", default=True)
# What looks on as ops run: the Tape of a `with minicnn.record():`, or None.
watching: contextvars.ContextVar[Any] = contextvars.ContextVar("watching", default=None)


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside `with no_grad():` (or a function decorated with `@no_grad()`) nothing is remembered for backward."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


class Tensor:
    """An n-dimensional array that can carry a gradient.

    data: anything NumPy makes an array of; an array keeps its dtype and is not copied. It decides where the Tensor
    lives: in this machine's memory, or on the GPU, where use_backend("cuda") lets new ones begin.
    requires_grad: collect d(loss)/d(self) in `.grad` during backward. Needs a floating-point dtype.
    name: shown in messages and files.
    """

    __slots__ = ("__weakref__", "_node", "data", "grad", "name", "requires_grad")
    __array_ufunc__ = None  # `array + tensor` asks the Tensor, instead of NumPy looping over its elements

    def __init__(self, data: Any, requires_grad: bool = False, name: str | None = None) -> None:
        self.data: np.ndarray = data.data if isinstance(data, Tensor) else _array(data, "Tensor")
        if devices.device_of(self.data) != backend.new_device() == "cuda":
            self.data = devices.move(self.data, "cuda")
        if self.data.dtype.kind not in "fiub":
            raise InputError(f"Tensor: data has dtype {self.data.dtype}; expected numbers")
        if requires_grad and self.data.dtype.kind != "f":
            raise InputError(f"Tensor: requires_grad needs floating-point data; data has dtype {self.data.dtype}")
        self.requires_grad = requires_grad
        self.grad: np.ndarray | None = None
        self.name = name
        self._node: Node | None = None

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    device = property(lambda self: devices.device_of(self.data))

    def __repr__(self) -> str:
        made_by = f", made by {self._node.name}" if self._node else ", requires_grad" if self.requires_grad else ""
        label = f" {self.name!r}" if self.name else ""
        place = "" if self.device == "cpu" else f", on {self.device}"
        values = np.array2string(devices.to_host(self.data), threshold=20, precision=4)
        return f"Tensor{label}({values}, {self.dtype}{place}{made_by})"

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return float(self.data)

    def item(self) -> float:
        """The one element of a one-element Tensor, as a Python number."""
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: no copy, unless they live on a GPU."""
        return devices.to_host(self.data)

    def detach(self) -> Tensor:
        """The same values, with no memory of how they were made."""
        return Tensor(self.data)

    def to(self, device: str) -> Tensor:
        """The values on a device, "cpu" or "cuda": self if it lives there, otherwise a new leaf."""
        devices.check_device(device)
        if device == self.device:
            return self
        moved = Tensor.__new__(Tensor)  # wherever new ones begin
        moved.data, moved.grad = devices.move(self.data, device), None
        moved.requires_grad, moved.name, moved._node = self.requires_grad, self.name, None
        return moved

    def retain_grad(self) -> Tensor:
        """Keep `.grad` of this intermediate result in the next backward; returns self."""
        if self._node is not None:
            self._node.retained = weakref.ref(self)
        return self

    def backward(self, gradient: Any = None) -> None:
        """Add d(self)/d(leaf) · gradient to the `.grad` of every leaf that requires one, and free the graph.

        gradient: the cotangent of self, of its shape; may be left out when self has one element.
        Errors: nothing requires a gradient; no cotangent for many elements; a graph that was freed.
        """
        if not self.requires_grad:
            raise InputError("backward: nothing that this Tensor was made from requires a gradient")
        if gradient is None:
            if self.size != 1:
                raise InputError(f"backward: self has shape {self.shape}; pass a gradient like it, or reduce first")
            gradient = np.ones_like(self.data)
        gradient = gradient.data if isinstance(gradient, Tensor) else gradient
        gradient = devices.as_array(devices.beside(gradient, self.data), self.dtype)
        if gradient.shape != self.shape:
            raise InputError(f"backward: gradient has shape {gradient.shape}; expected {self.shape}")
        if self._node is None:
            _deposit(self, gradient, owned=False)
        else:
            _backpropagate(self._node, gradient)

    # --- operators: each is the op of the same meaning, below

    def __add__(self, other: Any) -> Tensor:
        return add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return div(other, self)

    def __pow__(self, exponent: Any) -> Tensor:
        return power(self, exponent)

    def __rpow__(self, base: Any) -> Tensor:
        return power(base, self)

    def __matmul__(self, other: Any) -> Tensor:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return matmul(other, self)

    def __neg__(self) -> Tensor:
        return neg(self)

    def __getitem__(self, index: Any) -> Tensor:
        return getitem(self, index)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return max(self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        return reshape(self, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)

    def transpose(self, *axes: Any) -> Tensor:
        return transpose(self, (axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes) or None)

    @property
    def T(self) -> Tensor:
        return transpose(self)


# --- the graph -------------------------------------------------------------------------------------------------


class Node:
    """One application of an op: its backward closure, and where each gradient goes.

    `inputs` holds, for each array input, the Node that made it, the leaf Tensor itself, or None where no gradient
    is wanted. No node refers to the Tensor it made, so there is no reference cycle and the graph frees itself.
    fresh, adds: what the op promises, see `op`.
    """

    __slots__ = ("__weakref__", "adds", "age", "backward", "depth", "fresh", "inputs", "name", "retained", "shapes")
    _ages = itertools.count()

    def __init__(
        self, name: str, backward: Callable, inputs: tuple, shapes: tuple, *, fresh: bool = False, adds: bool = False
    ) -> None:
        self.age = next(Node._ages)
        self.depth: int = 1 + builtins.max((source.depth for source in inputs if isinstance(source, Node)), default=0)
        self.name = name
        self.backward: Callable | None = backward
        self.inputs = inputs
        self.shapes = shapes  # (shape, dtype) of each input, to which its gradient is brought
        self.fresh, self.adds = fresh, adds
        self.retained: weakref.ref[Tensor] | None = None


class _Cotangent:
    """A gradient on its way to a node. owned: nobody else holds the array, so it may be added to in place."""

    __slots__ = ("array", "owned")

    def __init__(self, array: np.ndarray, owned: bool) -> None:
        self.array, self.owned = array, owned

    def add(self, part: np.ndarray, owned: bool) -> None:
        """Add another use's gradient, in place where one of the two arrays is nobody else's."""
        out = self.array if self.owned else part if owned else None
        self.array = addition_kernels.implementation(part).forward(self.array, part, out)
        self.owned = True


def _backpropagate(root: Node, gradient: np.ndarray) -> None:
    """Run every closure that `root` depends on, deepest node first.

    A node is deeper than its inputs, so when the deepest waiting node is taken, every use of its result has been
    visited and its cotangent is complete. Depth comes before age so that a branch off the early layers waits until
    their turn has come, instead of holding a gradient as large as their features all the while.
    Iterative: the depth of the graph is not the depth of Python's stack.
    """
    waiting = [(_key(root), root)]
    cotangents = {root: _Cotangent(gradient, owned=False)}  # the caller may have kept it
    while waiting:
        _, node = heapq.heappop(waiting)
        cotangent = cotangents.pop(node).array
        if node.backward is None:
            raise InputError(f"backward: the graph of {node.name} was freed by an earlier backward; run forward again")
        if node.retained is not None and (tensor := node.retained()) is not None:
            _deposit(tensor, cotangent, owned=False)
        closure, inputs, shapes = node.backward, node.inputs, node.shapes
        node.backward, node.inputs = None, ()  # what the closure keeps is freed with it, not when the graph is
        if node.adds and inputs[0] in cotangents and cotangents[inputs[0]].owned:
            closure(cotangent, cotangents[inputs[0]].array)
            continue
        gradients = closure(cotangent)
        del cotangent  # else the largest arrays of a network would outlive the next closure
        gradients = gradients if isinstance(gradients, tuple) else (gradients,)
        if len(gradients) != len(inputs):
            count = f"{len(gradients)} gradient{'s' * (len(gradients) != 1)}"
            raise InputError(
                f"{_called(closure)}: returned {count}; expected a tuple of {len(inputs)}, one for each input"
            )
        for number, (source, part, wanted) in enumerate(zip(inputs, gradients, shapes, strict=True)):
            if source is None or part is None:
                continue
            array = _fitted(part, *wanted, closure, number)
            owned = node.fresh or array is not part  # what was summed or converted here is the walk's own
            if isinstance(source, Tensor):
                _deposit(source, array, owned)
            elif source in cotangents:
                cotangents[source].add(array, owned)
            else:
                cotangents[source] = _Cotangent(array, owned)
                heapq.heappush(waiting, (_key(source), source))
        del closure, gradients, part, array


def _key(node: Node) -> tuple[int, int]:
    """By which a heap gives the deepest node first, and of equals the oldest: the way on through a network comes before
    what branches off it, and finds memory for a cotangent that the branch may add to.
    """
    return -node.depth, node.age


def _fitted(part: Any, shape: tuple, dtype: np.dtype, closure: Callable, number: int) -> np.ndarray:
    """A gradient in the shape and dtype of its input: itself, or an array of the walk's own."""
    if isinstance(part, np.generic):  # what NumPy makes of arrays without dimensions
        part = np.asarray(part)
    try:
        fitted = _sum_to(part, shape)
        if fitted is part and part.dtype == dtype:
            return part
        return fitted.astype(dtype, copy=fitted is part)
    except (AttributeError, ValueError):
        what = f"has shape {part.shape}" if devices.is_array(part) else f"is a {type(part).__name__}"
        whose = f"{_called(closure)}: the gradient to input {number}"
        raise InputError(f"{whose} {what}; expected an array of its shape {shape}") from None


def _called(closure: Callable) -> str:
    return getattr(getattr(closure, "__code__", None), "co_qualname", "backward")


def _deposit(leaf: Tensor, gradient: np.ndarray, owned: bool) -> None:
    """Accumulate in a leaf, which owns its gradient: a closure may hand the same array to several."""
    if leaf.grad is not None:
        leaf.grad += gradient
    else:
        leaf.grad = gradient if owned and devices.is_array(gradient) else np.array(gradient, like=gradient)


def _sum_to(gradient: np.ndarray, shape: tuple) -> np.ndarray:
    """Undo broadcasting: what was copied along an axis in the forward is summed along it in the backward."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    stretched = tuple(extra + i for i, n in enumerate(shape) if n == 1 and gradient.shape[extra + i] != 1)
    return gradient.sum(axis=(*range(extra), *stretched)).reshape(shape)


def op(
    function: Callable | None = None,
    *,
    inputs: int | None = None,
    fresh: bool = False,
    adds: bool = False,
    fuses: dict | None = None,
) -> Callable:
    """Make an operation on Tensors of a function on arrays that returns (result, backward).

    The array inputs are the function's positional parameters, or the first `inputs` of them where others follow.
    `backward` takes the cotangent of the result and returns one gradient for each array input (a tuple when there
    are several; None where there is none). A function with a keyword `needs` is told which of its array inputs
    want a gradient, so that it keeps only what those need.

    fresh: a promise that `backward` returns arrays made in that call, one for each gradient, and keeps none of them.
    Gradients that meet are then added up in place, in one of these arrays. Without the promise none is written to.

    adds: the op has one array input, and its `backward` takes a second argument, None or an array that it adds the
    gradient to in place: what other uses of that input have given.

    fuses: {keyword: {its value: the op that it joins to this one}}. Where a tape records, they run one by one.
    """
    if function is None:
        return functools.partial(op, inputs=inputs, fresh=fresh, adds=adds, fuses=fuses)
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][:inputs]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    asks = "needs" in signature.parameters

    @functools.wraps(function)
    def apply(*arguments: Any, **options: Any) -> Tensor:
        if variadic:
            sources, rest = arguments, ()
        else:
            sources, rest = arguments[: len(names)], arguments[len(names) :]
            for name in names[len(sources) :]:
                if name not in options and name not in defaults:
                    raise TypeError(f"{function.__name__}: missing argument {name!r}")
                sources += (options.pop(name, defaults.get(name)),)
        recording = _recording.get()
        needs = tuple(recording and isinstance(s, Tensor) and s.requires_grad for s in sources)
        if asks:
            options["needs"] = needs
        arrays = [s.data if isinstance(s, Tensor) else _constant(s, function.__name__) for s in sources]
        if len(arrays) == 1:
            arrays[0] = devices.as_array(arrays[0])
        elif not all(type(array) is np.ndarray for array in arrays):
            arrays = _on_one_device(arrays, sources, names or [p.name for p in parameters], function.__name__)
        tape = watching.get()
        if tape is not None:
            joined = _part(options, fuses or {})
            step = tape.begin(apply, sources, arrays, rest, options)
        made = function(*arrays, *rest, **options)
        if type(made) is not tuple or len(made) != 2 or not inspect.isfunction(made[1]):
            raise InputError(
                f"{function.__name__}: returned {type(made).__name__}; expected a pair: the result, and a function "
                "that takes the cotangent of the result and returns the gradient to each input"
            )
        data, backward = made
        result = Tensor(data)
        if any(needs):
            result.requires_grad = True
            origins = tuple((s._node or s) if n else None for s, n in zip(sources, needs, strict=True))
            shapes = tuple((a.shape, a.dtype) if n else (None, None) for a, n in zip(arrays, needs, strict=True))
            named = _named(backward, function.__name__)
            result._node = Node(function.__name__, named, origins, shapes, fresh=fresh, adds=adds)
        if tape is not None:
            step.finish(result)
            for following in joined:
                result = following(result)
        return result

    visible = [p for p in parameters if p.name != "needs"]
    apply.__signature__ = signature.replace(parameters=visible)  # type: ignore[attr-defined]
    apply.fresh = fresh  # type: ignore[attr-defined]
    return apply


def _part(options: dict, fuses: dict) -> list[Callable]:
    """The ops that these options join to one, taken out of them."""
    chosen = [(key, options[key]) for key in fuses if isinstance(options.get(key), str)]
    return [fuses[key][options.pop(key)] for key, value in chosen if value in fuses[key]]


def _constant(value: Any, name: str) -> Any:
    """An operand that is no Tensor. Numbers become Python numbers, which take the dtype of the array they meet."""
    if value is None or type(value) in (int, float):
        return value
    array = _array(value, name)
    return array.item() if array.ndim == 0 and devices.device_of(array) == "cpu" else array


def _on_one_device(arrays: list, sources: tuple, names: list[str], op_name: str) -> list:
    """The operands where the Tensors among them live: a constant goes there, two Tensors have to be there."""
    places = [devices.device_of(array) for array in arrays]
    if "cuda" not in places:
        return arrays
    tensors = [i for i, source in enumerate(sources) if isinstance(source, Tensor)]
    if any(places[i] == "cpu" for i in tensors):
        called = names if len(names) == len(arrays) else [f"{names[0]}[{i}]" for i in range(len(arrays))]
        where = ", ".join(f"{called[i]} lives on {places[i]!r}" for i in tensors)
        raise InputError(f"{op_name}: {where}; move one by .to(device), or a whole model by model.to(device)")
    return [devices.move(a, "cuda") if isinstance(a, np.ndarray) else a for a in arrays]


def _array(value: Any, name: str) -> np.ndarray:
    try:
        return devices.as_array(value)
    except ValueError:
        raise InputError(f"{name}: a list is ragged; expected rows of equal length") from None


@functools.cache
def _renamed(code: CodeType, name: str) -> CodeType:
    return code.replace(co_name=name, co_qualname=name)


def _named(backward: Callable, name: str) -> Callable:
    """Let tracebacks say `relu.backward` instead of `relu.<locals>.backward`."""
    backward.__code__ = _renamed(backward.__code__, f"{name}.backward")
    return backward


# --- the ops that have syntax or a method ------------------------------------------------------------------------


@op
def add(x, y):
    """x + y, with broadcasting."""

    def backward(dz):
        return dz, dz

    return np.add(x, y), backward


@op
def sub(x, y):
    """x − y, with broadcasting."""

    def backward(dz):
        return dz, -dz

    return np.subtract(x, y), backward


@op(fresh=True)
def mul(x, y, *, needs):
    """x · y elementwise, with broadcasting."""

    def backward(dz):
        return dz * y if needs[0] else None, dz * x if needs[1] else None

    return np.multiply(x, y), backward


@op(fresh=True)
def div(x, y, *, needs):
    """x / y elementwise, with broadcasting."""

    def backward(dz):
        return dz / y if needs[0] else None, -dz * x / (y * y) if needs[1] else None

    return np.divide(x, y), backward


@op(fresh=True)
def neg(x):
    """−x."""

    def backward(dy):
        return -dy

    return np.negative(x), backward


@op(fresh=True)
def power(x, exponent, *, needs):
    """x ** exponent elementwise, with broadcasting. The gradient to the exponent needs x > 0."""
    y = x**exponent

    def backward(dy):
        return (
            dy * exponent * x ** (exponent - 1) if needs[0] else None,
            dy * y * np.log(x) if needs[1] else None,
        )

    return y, backward


@op(fresh=True)
def matmul(x, y, *, needs):
    """Matrix product of the last two axes, broadcasting the others. x: (…, M, K), y: (…, K, N), or vectors."""
    _check_matmul(x, y)

    def backward(dz):
        rows = x[None, :] if x.ndim == 1 else x
        columns = y[:, None] if y.ndim == 1 else y
        dz = np.expand_dims(dz, -1) if y.ndim == 1 else dz
        dz = np.expand_dims(dz, -2) if x.ndim == 1 else dz
        dx = dy = None
        if needs[0]:
            dx = dz @ np.swapaxes(columns, -1, -2)
            dx = dx.reshape(-1, *x.shape).sum(axis=0) if x.ndim == 1 else dx
        if needs[1]:
            dy = np.swapaxes(rows, -1, -2) @ dz
            dy = dy[..., 0] if y.ndim == 1 else dy
        return dx, dy

    return np.matmul(x, y), backward


def _check_matmul(x: np.ndarray, y: np.ndarray) -> None:
    inner = y.shape[-2] if np.ndim(y) > 1 else np.shape(y)[0] if np.ndim(y) else None
    if np.ndim(x) == 0 or np.ndim(y) == 0 or x.shape[-1] != inner:
        raise InputError(f"matmul: x {np.shape(x)} and y {np.shape(y)} do not chain; expected (…, M, K) and (…, K, N)")


@op(inputs=1, fresh=True)
def getitem(x, index):
    """x[index], with any NumPy index; an element that is picked twice collects both gradients."""
    index = index.data if isinstance(index, Tensor) else index
    if devices.device_of(x) == "cuda":
        index = tuple(devices.beside(i, x) if isinstance(i, np.ndarray) else i for i in _as_tuple(index))
    shape, dtype = x.shape, x.dtype

    picks_once = all(isinstance(i, (int, slice, type(None), type(...))) for i in _as_tuple(index))

    def backward(dy):
        dx = np.zeros_like(dy, dtype, shape=shape)
        if picks_once:
            dx[index] = dy
        else:
            np.add.at(dx, index, dy)
        return dx

    return x[index], backward


def _as_tuple(value: Any) -> tuple:
    return value if isinstance(value, tuple) else (value,)


@op(inputs=1)
def sum(x, axis=None, keepdims=False):
    """The sum over `axis` (an int, several, or None for all)."""
    shape = x.shape

    def backward(dy):
        return np.broadcast_to(_restore_axes(dy, shape, axis, keepdims), shape)

    return np.sum(x, axis=axis, keepdims=keepdims), backward


@op(inputs=1)
def mean(x, axis=None, keepdims=False):
    """The mean over `axis` (an int, several, or None for all)."""
    y = np.mean(x, axis=axis, keepdims=keepdims)
    shape, count = x.shape, x.size // math.prod(np.shape(y)) if np.size(y) else 1

    def backward(dy):
        return np.broadcast_to(_restore_axes(dy, shape, axis, keepdims) / count, shape)

    return y, backward


@op(inputs=1, fresh=True)
def max(x, axis=None, keepdims=False):
    """The largest element over `axis` (an int, several, or None for all). Ties share the gradient evenly."""
    y = np.max(x, axis=axis, keepdims=True)

    def backward(dy):
        winners = x == y
        return winners * (_restore_axes(dy, x.shape, axis, keepdims) / winners.sum(axis=axis, keepdims=True))

    return y if keepdims else np.squeeze(y, axis=axis), backward


def _restore_axes(dy: np.ndarray, shape: tuple, axis: Any, keepdims: bool) -> np.ndarray:
    """Give a reduced cotangent its reduced axes back, of length one."""
    if keepdims or np.ndim(dy) == len(shape):
        return dy
    axes = range(len(shape)) if axis is None else _as_tuple(axis)
    reduced = {a % len(shape) for a in axes}
    return np.reshape(dy, [1 if i in reduced else n for i, n in enumerate(shape)])


@op(inputs=1)
def reshape(x, shape):
    """The same elements in the same order, in another shape; one -1 is worked out."""
    before = x.shape
    try:
        y = np.reshape(x, shape)
    except ValueError:
        raise InputError(f"reshape: x has shape {before}, {x.size} elements; cannot become {shape}") from None

    def backward(dy):
        return np.reshape(dy, before)

    return y, backward


@op(inputs=1)
def transpose(x, axes=None):
    """Axes in another order; reversed when `axes` is left out."""
    back = None if axes is None else tuple(np.argsort([a % x.ndim for a in axes]).tolist())

    def backward(dy):
        return np.transpose(dy, back)

    return np.transpose(x, axes), backward
