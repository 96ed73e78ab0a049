"""Observers of operations that a learner writes as minicnn does: a function that returns (y, backward)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicnn.learn.observing import Observe, Seen, Unfit, call, comparable, told


def forward_and_backward(*gradients: str) -> Observe:
    """Return an observer of an operation (y, backward): y, and what backward(dy) returns, one gradient per name."""

    def observe(function: Callable[..., Any], arguments: Sequence[Any]) -> Seen:
        returned = call(function, arguments)
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise Unfit(f"expected 2 values, y and backward, got {told(returned)}")
        y, backward = comparable(returned[0], "y"), returned[1]
        if not callable(backward):
            raise Unfit(f"backward is {told(backward)}, expected a function of dy")
        # Not all ones, with which many wrong gradients would pass.
        dy = np.cos(np.arange(y.size, dtype=float)).reshape(y.shape) if y.ndim else np.array(0.5)
        parts = call(backward, [dy])
        parts = parts if isinstance(parts, tuple | list) and len(gradients) > 1 else (parts,)
        if len(parts) != len(gradients):
            expected = f"{len(gradients)} gradients, ({', '.join(gradients)})"
            raise Unfit(f"expected backward to return {expected}, got {told(parts if len(parts) > 1 else parts[0])}")
        return {"y": y, **{name: comparable(part, name) for name, part in zip(gradients, parts, strict=True)}}

    return observe


def with_gradients(operation: Callable[..., Any], change: Callable[..., Any]) -> Callable[..., Any]:
    """Return the operation with other gradients: change(gradients, dy, *arguments), where gradients is a list."""

    def changed(*arguments: Any) -> Any:
        y, backward = operation(*arguments)

        def backward_with_a_slip(dy: np.ndarray) -> Any:
            parts = backward(dy)
            parts = change(list(parts) if isinstance(parts, tuple) else [parts], dy, *arguments)
            return tuple(parts) if len(parts) > 1 else parts[0]

        return y, backward_with_a_slip

    return changed
