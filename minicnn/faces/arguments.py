"""Conversion and checks of arguments: Tensors or arrays to NumPy, and numbers within bounds."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.tensor import Tensor


def as_array(value: Any) -> np.ndarray:
    """Return the values of a Tensor on its device, or anything else that NumPy converts to an array."""
    return devices.as_array(value.data if isinstance(value, Tensor) else value)


def as_floats(value: Any) -> np.ndarray:
    """Return an array of floats. Integers become float64, since their differences could wrap around."""
    array = devices.as_array(value)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def is_number(value: object, least: float = -math.inf) -> bool:
    """Return True for a finite number of at least `least`."""
    return isinstance(value, Real) and math.isfinite(value) and float(value) >= least
