"""One step of Adam on the pixels of a picture, kept inside its bounds, in place: the contract of its implementations.

    mean += (1 − beta1) (g − mean),   square += (1 − beta2) (g² − square),   p −= rate · mean / (√square + eps),
    and p is clipped to [low, high].   rate and eps come with Adam's bias corrections in them.
    Source: Kingma & Ba 2015, section 2.

Shapes: p, g, mean and square all alike; the others are numbers.

    move(p, g, mean, square, rate, eps, beta1, beta2, low, high)          changes p, mean and square
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(p: np.ndarray) -> ModuleType:
    """The module that computes on p."""
    return backend.implementation(__name__, p)
