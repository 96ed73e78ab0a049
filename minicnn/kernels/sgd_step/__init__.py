"""One step of gradient descent with momentum, in place: the contract of its implementations.

    g = gradient + decay · p,   v = momentum · v + g,   p −= rate · v   or, nesterov,  p −= rate · (g + momentum · v)
    Source: Sutskever et al. 2013.

Shapes: p, gradient and v all alike; the others are numbers.

    move(p, gradient, v, rate, momentum, decay, nesterov)         changes p and v
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(p: np.ndarray) -> ModuleType:
    """The module that computes on p."""
    return backend.implementation(__name__, p)
