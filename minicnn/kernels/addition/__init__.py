"""The sum of two arrays of one shape and dtype: where a result is used twice, its cotangents meet.

forward(x, y, out) -> x + y          out: None, or the array to write to: x or y itself, too
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
