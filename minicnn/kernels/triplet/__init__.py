"""Triplets within a batch: the contract of its implementations.

    d[i, j] = ‖xᵢ − xⱼ‖²,  or its root
    A triplet (a, p, n): a and p are two pictures of one person, n is of another. Its gap is d[a, n] − d[a, p]: the
    further above zero, the easier. Source: Schroff, Kalenichenko & Philbin 2015 (FaceNet), section 3.

Shapes: x (N, D); d (N, N), float64 whatever x is, so that two distances are equal for the same reason everywhere;
labels (N,) int64, one number a person.

    distances(x, squared) -> d                    by differences: symmetric to the last bit, zero for twins
    hardest(d, labels) -> positives, negatives    (N,) each: the furthest other picture of the anchor's person, and the
                                                  nearest of anybody else; of equals the first, -1 for none
    triplets(d, labels, low, high) -> (T, 3)      int64, all with low ≤ gap < high, in the order of a, then p, then n
    pull(weights, x) -> dx                        dxᵢ = Σⱼ weightsᵢⱼ (xᵢ − xⱼ), (N, D): how a cost of distances moves x
"""

from types import ModuleType

import numpy as np

from minicnn import backend


def implementation(x: np.ndarray) -> ModuleType:
    """The module that computes on x."""
    return backend.implementation(__name__, x)
