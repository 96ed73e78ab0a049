"""Triplets within a batch.

    d[i, j] = ‖xᵢ − xⱼ‖²,  or its root
    A triplet (a, p, n): a and p are two pictures of one person, n is a picture of another. Its gap is
    d[a, n] − d[a, p]; the larger the gap, the easier the triplet.
    Source: Schroff, Kalenichenko & Philbin 2015 (FaceNet), section 3.

Shapes: x (N, D); d (N, N), always float64, so that every backend finds the same ties; labels (N,) int64, one number
per person.
"""

import numpy as np

from minicnn.kernels.contract import contract, form


@contract(lambda x, squared: ((len(x), len(x)), np.float64))
def distances(x, squared):
    """Return d (N, N), computed from differences: exactly symmetric, and zero for equal rows."""
    x = x.astype(np.float64)
    d = np.stack([np.square(x - row).sum(axis=1) for row in x])
    return d if squared else np.sqrt(d)


@contract(lambda d, labels: [((len(d),), np.int64)] * 2)
def hardest(d, labels):
    """Return (positives, negatives), each (N,) int64, for every anchor.

    A positive is the farthest other picture of the anchor's person, a negative the nearest picture of another person.
    Ties go to the first; -1 means that there is none.
    """
    same = labels[:, None] == labels
    others_of_one = same & ~np.eye(len(labels), dtype=bool)
    farthest = np.where(others_of_one, d, -np.inf).argmax(axis=1)
    nearest = np.where(same, np.inf, d).argmin(axis=1)
    return np.where(others_of_one.any(axis=1), farthest, -1), np.where(same.all(axis=1), -1, nearest)


@contract(lambda weights, x: form(x))
def pull(weights, x):
    """Return dx (N, D), dxᵢ = Σⱼ weightsᵢⱼ (xᵢ − xⱼ): the gradient of a cost of distances. weights: (N, N)."""
    return (weights.sum(axis=1)[:, None] * x - weights @ x).astype(x.dtype, copy=False)


@contract(lambda d, labels, low, high: ((None, 3), np.int64))
def triplets(d, labels, low, high):
    """Return all triplets with low ≤ gap < high (T, 3) int64, ordered by a, then p, then n."""
    found = []
    for anchor, row in enumerate(d):
        same = labels == labels[anchor]
        negatives = np.flatnonzero(~same)
        same[anchor] = False
        positives = np.flatnonzero(same)
        gap = row[negatives] - row[positives, None]
        p, n = np.nonzero((low <= gap) & (gap < high))
        found.append(np.stack([np.full(len(p), anchor), positives[p], negatives[n]], axis=1))
    return np.concatenate(found).astype(np.int64)
