"""Calls of a learner's function, with the values to compare as {part: value}."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minicnn.tape.changes import same
from minicnn.tensor import Tensor

Seen = Mapping[str, Any]
Observe = Callable[[Callable[..., Any], Sequence[Any]], Seen]


class Unfit(Exception):
    """An answer that cannot be compared. The message says what it is and what was expected."""


def answer(*parts: str, arrays: bool = False) -> Observe:
    """Return an observer of the returned value, or of a tuple if there are several `parts`.

    The function must not modify its inputs. arrays: True if it returns NumPy's arrays, and no Tensors.
    """

    def observe(function: Callable[..., Any], arguments: Sequence[Any]) -> Seen:
        returned = call(function, arguments)
        for value in returned if arrays and isinstance(returned, tuple | list) else [returned]:
            if arrays and isinstance(value, Tensor):
                raise Unfit(f"what you return is {told(value)}, expected NumPy's array: a Tensor's is .data")
        if len(parts) < 2:
            if returned is None:
                raise Unfit(f"expected a number or an array, got {told(None)}")
            return {"": comparable(returned, "what you return")}
        if not isinstance(returned, tuple | list) or len(returned) != len(parts):
            raise Unfit(f"expected {len(parts)} values, ({', '.join(parts)}), got {told(returned)}")
        return {part: comparable(value, part) for part, value in zip(parts, returned, strict=True)}

    return observe


def answer_and_gradients(*inputs: str) -> Observe:
    """Return an observer of the returned Tensor and of the gradients to `inputs`, the arguments that require one."""

    def observe(function: Callable[..., Any], arguments: Sequence[Any]) -> Seen:
        returned = call(function, arguments)
        if isinstance(returned, np.ndarray | np.generic | float | int):
            raise Unfit(f"got {told(returned)}, expected a Tensor: from plain numbers no gradient can flow back")
        if not isinstance(returned, Tensor):
            raise Unfit(f"expected a Tensor, got {told(returned)}")
        seen = {"": comparable(returned, "what you return")}
        if not returned.requires_grad:
            raise Unfit(
                f"no gradient flows back to {inputs[0]}: either it is not used, or only its plain numbers are, as with "
                ".data"
            )
        # Not all ones, with which many wrong gradients would pass.
        returned.backward(np.cos(np.arange(returned.size, dtype=returned.dtype)).reshape(returned.shape))
        for name, tensor in zip(inputs, (t for t in _tensors(arguments) if t.requires_grad), strict=True):
            seen[f"the gradient to {name}"] = np.zeros_like(tensor.data) if tensor.grad is None else tensor.grad
        return seen

    return observe


def call(function: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Call function(*arguments). Raise Unfit if it modifies an argument."""
    before = [[array.copy() for array in _arrays([value])] for value in arguments]
    returned = function(*arguments)
    for number, (kept, value) in enumerate(zip(before, arguments, strict=True)):
        now = list(_arrays([value]))
        if len(kept) != len(now) or not all(map(same, kept, now)):
            name = ([*inspect.signature(function).parameters] + ["an argument"] * len(arguments))[number]
            raise Unfit(f"it changes {name}, which it was given to read")
    return returned


def comparable(value: Any, what: str) -> Any:
    """Return a copy of a value for comparison: array, bool, str or None. Raise Unfit for anything else."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)  # NumPy's strings as well
    if isinstance(value, bool | np.bool_):
        return bool(value)
    try:
        array = np.array(value.numpy() if isinstance(value, Tensor) else value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if array.dtype.kind not in "fiub":
        raise Unfit(f"{what} is {told(value)}, expected {'numbers' if np.ndim(array) else 'a number or an array'}")
    return array


def told(value: Any) -> str:
    """Describe a value in a few words."""
    if value is None:
        return "None; is there a `return`?"
    if isinstance(value, Tensor | np.ndarray):
        return f"{'a Tensor' if isinstance(value, Tensor) else 'an array'} of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, float | np.floating):
        return f"{value:.7g}"
    if isinstance(value, bool | int | str | np.generic):
        return f"{value!s:.40}"
    return f"a {type(value).__name__}"


def _arrays(arguments: Sequence[Any]) -> Iterator[np.ndarray]:
    for value in arguments:
        if isinstance(value, Tensor | np.ndarray):
            yield value.data if isinstance(value, Tensor) else value
        elif isinstance(value, list | tuple | dict):
            yield from _arrays([*value.values()] if isinstance(value, dict) else value)


def _tensors(arguments: Sequence[Any]) -> Iterator[Tensor]:
    for value in arguments:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple | dict):
            yield from _tensors([*value.values()] if isinstance(value, dict) else value)
