"""The decorator @op, which turns a function on arrays into an operation on Tensors, and the recording switches."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import CodeType
from typing import Any, Protocol

import numpy as np

from minicnn import devices
from minicnn.errors import InputError, explain
from minicnn.graph import Node, Observer
from minicnn.tensor import Tensor, as_data, made


class Step(Observer, Protocol):
    """A record of one operation that a Watcher observes. It is also the Observer of the operation's node."""

    def finish(self, result: Tensor) -> None:
        """Record the result."""


class Watcher(Protocol):
    """An observer of operations as they run, such as a tape."""

    def begin(
        self, op: Callable, sources: Sequence[Any], arrays: list, rest: Sequence[Any], options: dict[str, Any]
    ) -> Step:
        """Record the start of an op and return its Step. May replace entries of `arrays` by copies."""


_remembering: contextvars.ContextVar[bool] = contextvars.ContextVar("remembering", default=True)
watching: contextvars.ContextVar[Watcher | None] = contextvars.ContextVar("watching", default=None)


@contextmanager
def no_grad() -> Iterator[None]:
    """Disable recording for backward, inside `with no_grad():` or a function decorated with `@no_grad()`."""
    token = _remembering.set(False)
    try:
        yield
    finally:
        _remembering.reset(token)


@contextmanager
def remembering() -> Iterator[None]:
    """Enable recording for backward inside the block, even within no_grad()."""
    token = _remembering.set(True)
    try:
        yield
    finally:
        _remembering.reset(token)


def op(
    function: Callable | None = None,
    *,
    inputs: int | None = None,
    fresh: bool = False,
    adds: bool = False,
    fuses: dict | None = None,
) -> Callable:
    """Turn a function on arrays that returns (result, backward) into an operation on Tensors.

    The array inputs are the function's positional parameters, or the first `inputs` of them if others follow. An
    input that is not a Tensor may be passed as a Python number. A function with a keyword `needs` receives one bool per
    array input: True if that input needs a gradient. It then keeps only the arrays required for those gradients.

    `backward` takes the cotangent of the result, which it must not modify. It returns one gradient per array input: a
    tuple if there are several, None for an input without a gradient. A gradient may have the shape to which its input
    was broadcast, and any floating-point dtype.

    fresh: a promise that `backward` returns a new array for each gradient, and keeps none of them. When several
    gradients of one input are summed, such an array is added to in place. Without the promise none is modified.

    adds: the op has one array input, and its `backward` takes a second argument, None or an array. It adds the gradient
    to that array in place: the sum of the gradients from other uses of the input.

    fuses: {keyword: {value: op}}. This op with keyword=value also applies that op. Under a Watcher the two run
    separately.
    """
    if function is None:
        return functools.partial(op, inputs=inputs, fresh=fresh, adds=adds, fuses=fuses)
    name, signature = function.__name__, inspect.signature(function)
    parameters = signature.parameters.values()
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    kind = inspect.Parameter.VAR_POSITIONAL if variadic else inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [p.name for p in parameters if p.kind is kind][:inputs]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    asks = "needs" in signature.parameters
    _name_closures(function)

    @functools.wraps(function)
    def apply(*arguments: Any, **options: Any) -> Tensor:
        sources, rest = (arguments, ()) if variadic else _split(arguments, options, names, defaults, name)
        remember = _remembering.get()
        arrays: list[Any] = []
        origins: list[Any] = []  # for each input: the node or leaf that its gradient goes to, or None
        shapes: list[Any] = []
        for source in sources:
            if isinstance(source, Tensor):
                arrays.append(source.data)
                wanted = remember and source.requires_grad
                origins.append((source._node or source) if wanted else None)
                shapes.append((source.data.shape, source.data.dtype) if wanted else None)
            else:
                arrays.append(_constant(source, name))
                origins.append(None)
                shapes.append(None)
        if len(arrays) == 1:
            if not isinstance(arrays[0], np.ndarray):
                arrays[0] = devices.as_array(arrays[0])
        elif any(map(_is_elsewhere, arrays)):
            arrays = _on_one_device(arrays, sources, names, name)
        if asks:
            options["needs"] = tuple([origin is not None for origin in origins])
        watcher = watching.get()
        if watcher is not None:
            following = _apart(options, fuses or {})
            step = watcher.begin(apply, sources, arrays, rest, options)
        try:
            result = function(*arrays, *rest, **options)
        except (TypeError, ValueError) as problem:
            explain(problem, function, arrays, options)
            raise
        if type(result) is not tuple or len(result) != 2 or not inspect.isfunction(result[1]):
            raise InputError(
                f"{name}: returned {type(result).__name__}; expected a pair: the result, and a function "
                "that takes the cotangent of the result and returns the gradient to each input"
            )
        data, backward = result
        node = None
        if any(shapes):
            node = Node(name, backward, tuple(origins), tuple(shapes), fresh, adds)
        if type(data) is not np.ndarray or data.dtype.kind != "f":
            data = _result(data, name, node is not None)
        tensor = made(data, node)
        if watcher is not None:
            step.finish(tensor)
            if node is not None:
                node.observer = step
            for operation in following:
                tensor = operation(tensor)
        return tensor

    visible = [p for p in parameters if p.name != "needs"]
    apply.__signature__ = signature.replace(parameters=visible)  # type: ignore[attr-defined]
    apply.fresh = fresh  # type: ignore[attr-defined]
    return apply


def _name_closures(function: Callable) -> None:
    """Rename the closures of `function`, so that tracebacks say `relu.backward`, not `relu.<locals>.backward`."""
    code, name = function.__code__, f"{function.__name__}.backward"
    inner = [
        constant.replace(co_name=name, co_qualname=name)
        if isinstance(constant, CodeType) and constant.co_name in ("backward", "<lambda>")
        else constant
        for constant in code.co_consts
    ]
    function.__code__ = code.replace(co_consts=tuple(inner))


def _split(arguments: tuple, options: dict, names: list[str], defaults: dict, name: str) -> tuple[tuple, tuple]:
    """Return (array inputs, further positional arguments). Inputs given by keyword are removed from `options`."""
    sources, rest = arguments[: len(names)], arguments[len(names) :]
    for parameter in names[len(sources) :]:
        if parameter not in options and parameter not in defaults:
            raise TypeError(f"{name}: missing argument {parameter!r}")
        sources += (options.pop(parameter, defaults.get(parameter)),)
    return sources, rest


def _apart(options: dict, fuses: dict) -> list[Callable]:
    """Remove the options that fuse other ops to this one. Return those ops."""
    chosen = [(key, options[key]) for key in fuses if isinstance(options.get(key), str)]
    return [fuses[key][options.pop(key)] for key, value in chosen if value in fuses[key]]


def _constant(value: Any, name: str) -> Any:
    """Return an operand that is not a Tensor. Scalars become Python numbers, which adopt the other operand's dtype."""
    if value is None or type(value) in (int, float):
        return value
    array = value if type(value) is np.ndarray else as_data(value, name)
    return array.item() if array.ndim == 0 and isinstance(array, np.ndarray) else array


def _result(data: Any, name: str, wants_gradient: bool) -> Any:
    """Return an op's result as an array, since NumPy returns scalars for results without dimensions.

    Raise InputError if its dtype is not numeric, or not floating-point although a gradient is needed.
    """
    data = np.asarray(data) if isinstance(data, np.generic) else as_data(data, name)
    if data.dtype.kind not in ("f" if wants_gradient else "fiub"):
        expected = "floating-point numbers, for a gradient to flow back" if wants_gradient else "numbers"
        raise InputError(f"{name}: the result has dtype {data.dtype}; expected {expected}")
    return data


def _is_elsewhere(operand: Any) -> bool:
    return type(operand) not in (np.ndarray, float, int) and devices.device_of(operand) == "cuda"


def _on_one_device(arrays: list, sources: Sequence[Any], names: list[str], op_name: str) -> list:
    """Return the operands on the GPU, copying constants there. Raise InputError if a Tensor is on the host."""
    tensors = [i for i, source in enumerate(sources) if isinstance(source, Tensor)]
    if not all(_is_elsewhere(arrays[i]) for i in tensors):
        called = names if len(names) == len(arrays) else [f"{names[0]}[{i}]" for i in range(len(arrays))]
        where = ", ".join(f"{called[i]} lives on {devices.device_of(arrays[i])!r}" for i in tensors)
        raise InputError(f"{op_name}: {where}; move one by .to(device), or a whole model by model.to(device)")
    return [devices.move(a, "cuda") if isinstance(a, np.ndarray) else a for a in arrays]
