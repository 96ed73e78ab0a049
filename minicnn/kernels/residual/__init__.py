"""What a residual block ends with, elementwise: the contract of its implementations.

    y = x + scale · change,  and with relu max(y, 0)

Shapes: all alike. The gradients need no kernel of their own: dy to x, scale · dy to change, after the rectifier's.
Source: He et al. 2016, equation 1; the scale: Szegedy et al. 2017, section 3.3.

    forward(x, change, scale, relu) -> y
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
