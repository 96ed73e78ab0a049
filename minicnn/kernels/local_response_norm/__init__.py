"""Local response normalization: the contract of its implementations.

    y = x · s^−beta           s[p, c] = k + scale · Σ x[p, j]²  over the channels j from c − before to c + after
    dx = dy · s^−beta − 2 · beta · scale · x · t
                              t[p, c] = Σ (dy · x · s^(−beta − 1))[p, j]  over j from c − after to c + before

Each value is weakened by its neighbours among the channels, at its own position. Where y[j] looks at x[c], the gradient
to x[c] looks back at dy[j], which turns the window round. Beyond the first and the last channel there is nothing.
Shapes: x, y, dy, dx (P, C), P positions. Source: Krizhevsky, Sutskever & Hinton 2012, section 3.3.

    forward(x, neighbours, scale, beta, k) -> y           neighbours: (before, after)
    gradient(dy, x, neighbours, scale, beta, k) -> dx
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
