"""The Gram matrix: the contract of its implementations.

    G[n] = F[n]ᵀ F[n],  undivided: which channels fire together, wherever they fire.   Source: Gatys et al. 2015, eq. 3
    dF[n] = F[n] (dG[n] + dG[n]ᵀ)

Shapes: features F (N, P, C), P positions; G and dG (N, C, C).

    forward(features) -> gram
    gradient(dgram, features, total=None) -> dfeatures, or total with dfeatures added to it in place
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(features: np.ndarray) -> ModuleType:
    """The module that computes on features."""
    return backend.implementation(__name__, features)
