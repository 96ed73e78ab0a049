"""What the functions of this room are handed: Tensors or arrays, and numbers within bounds."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np

from minicnn import devices
from minicnn.tensor import Tensor


def as_array(value: Any) -> np.ndarray:
    """The values of a Tensor where they live, or anything NumPy makes an array of."""
    return devices.as_array(value.data if isinstance(value, Tensor) else value)


def as_floats(value: Any) -> np.ndarray:
    """As an array of floats: integers become float64, for their differences could wrap around."""
    array = devices.as_array(value)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def is_number(value: object, least: float = -math.inf) -> bool:
    """Whether it is a finite number of at least `least`."""
    return isinstance(value, Real) and math.isfinite(value) and float(value) >= least
