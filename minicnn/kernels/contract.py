"""What a contract is: a computation that costs time, with a NumPy function that defines it.

The definition can be read and stepped through. Backends (minicnn/backend.py) hold other functions of the same name
and arguments, which must give the same result. A composed contract is defined by other contracts: its definition takes
the backend first, and calls that backend's functions, so that a fused kernel is never a definition of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Form = tuple[tuple[int | None, ...], Any]  # the shape and dtype of an array; None: of any length
Result = Form | list[Form | None]


class Contract(NamedTuple):
    """definition: the NumPy function. result: from the same arguments, the Form of what it returns, a list of them for
    several arrays, in which None stands for what may be anything; None where it returns nothing.
    adds: the last argument is None, or an array to which the result is added in place and which is returned.
    """

    definition: Callable[..., Any]
    result: Callable[..., Result] | None
    composed: bool
    adds: bool


contracts: dict[str, Contract] = {}


def contract(result: Callable[..., Result] | None = None, *, composed: bool = False, adds: bool = False) -> Callable:
    """Enter the decorated function as the definition of the contract of its name."""

    def enter(function: Callable) -> Callable:
        contracts[function.__name__] = Contract(function, result, composed, adds)
        return function

    return enter


def form(array: np.ndarray, shape: tuple[int, ...] | None = None) -> Form:
    """Return the Form of an array: its dtype, and its shape or another."""
    return array.shape if shape is None else shape, array.dtype
