"""Contracts: expensive computations, each defined by a NumPy function.

The definition can be read and stepped through. Backends (minicnn/backend.py) hold other functions of the same name and
arguments, which must give the same result. A composed contract is defined by other contracts. Its definition takes the
backend as first argument and calls that backend's functions, so no fused kernel needs a second definition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Form = tuple[tuple[int | None, ...], Any]  # the shape and dtype of an array; None: any length
Result = Form | list[Form | None]


class Contract(NamedTuple):
    """A computation and its NumPy definition.

    definition: the NumPy function.
    result: maps the same arguments to the Form of the returned array, or to a list of Forms for a tuple of arrays. None
    in that list allows any value. None instead of a function: no result is checked.
    composed: the definition takes the backend as first argument.
    adds: the last argument is None, or an array to which the result is added in place and which is returned.
    """

    definition: Callable[..., Any]
    result: Callable[..., Result] | None
    composed: bool
    adds: bool


contracts: dict[str, Contract] = {}


def contract(result: Callable[..., Result] | None = None, *, composed: bool = False, adds: bool = False) -> Callable:
    """Return a decorator that registers a function as the definition of the contract of its name (see Contract)."""

    def enter(function: Callable) -> Callable:
        contracts[function.__name__] = Contract(function, result, composed, adds)
        return function

    return enter


def form(array: np.ndarray, shape: tuple[int, ...] | None = None) -> Form:
    """Return the Form with the dtype of an array, and with `shape` (default: the shape of the array)."""
    return array.shape if shape is None else shape, array.dtype
