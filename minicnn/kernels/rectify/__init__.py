"""The rectifier (ReLU), elementwise: the contract of its implementations.

    y = max(x, 0),  and NaN where x is NaN        dx = dy where y > 0, and 0 elsewhere

Shapes: all alike. `active` is y, or anything else that is above zero exactly where y is: a mask, say.
Source: Nair & Hinton 2010.

    forward(x) -> y
    gradient(dy, active) -> dx
    mark(y) -> marks                       one bit an element, eight channels a byte: uint8 (…, ⌈C / 8⌉)
    marked_gradient(dy, marks) -> dx       the gradient from the marks alone
    sloped(x, slope) -> y                  x where x > 0, slope · x elsewhere (He et al. 2015); slope broadcasts to x
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
