"""Selection of triplets to learn from. Most triplets teach nothing, because their negative is already far away."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minicnn import devices, nn
from minicnn.backend import kernels_for
from minicnn.errors import InputError
from minicnn.faces.arguments import as_array, is_number

STRATEGIES = ("all", "hard", "semi-hard", "batch-all", "batch-hard", "random", "random-active")
# Gaps below this count as ties. Real gaps are never as small, and some processors flush smaller numbers to zero.
ABOVE_ZERO = float(np.finfo(np.float64).tiny)


def mine_triplets(
    embeddings: Any, labels: Any, *, strategy: str, margin: float = 0.2, squared: bool = True, seed: nn.Seed = 0
) -> np.ndarray:
    """Return rows (anchor, positive, negative) of a batch, int (T, 3), sorted by anchor and then by positive.

    embeddings: (N, D), finite. labels: (N,), the person of each: integers or names. The positive is another picture of
    the anchor's person, the negative one of somebody else. u and v are their distances from the anchor.

    strategy, with the number of triplets from P people with K pictures each, M = P·K(K−1) pairs:
    "all"            every triplet: M(P−1)K
    "hard"           all with v ≤ u: the negative is no farther than the positive; ties count
    "semi-hard"      all with u < v < u + margin, both strict: correct, but too close (FaceNet, section 3.2)
    "batch-all"      all with v < u + margin, including hard ones: all with a loss above zero. Their mean is that of
                     Hermans et al.'s batch all, and of reduction="active" over "all"
    "batch-hard"     one per anchor, PK: the farthest positive with the nearest negative, regardless of the margin
                     (Hermans et al.'s batch hard); the first of equals
    "random"         one per pair, M: a random negative, regardless of the margin
    "random-active"  one per pair, up to M: a random negative among those with v < u + margin, if any.
                     The rule of facenet.py's select_triplets, which uses every pair once, with the earlier as anchor

    margin: ≥ 0. squared: False for plain distances. Both should match the loss. Distances are in float64.
    seed: for random strategies. In a loop, pass a generator, so that each step draws different triplets.
    Triplets are on the same device as the embeddings.

    The result may be empty, (0, 3). A person with one picture serves only as a negative. Raises InputError for a single
    person, for a batch without two pictures of anybody, and for embeddings that are not finite.
    Source: Schroff, Kalenichenko & Philbin 2015 (FaceNet); Hermans, Beyer & Leibe 2017; facenet.py.
    """
    if strategy not in STRATEGIES:
        raise InputError(f"mine_triplets: strategy is {strategy!r}; expected one of {', '.join(STRATEGIES)}")
    if not is_number(margin, least=0):
        raise InputError(f"mine_triplets: margin is {margin!r}; expected a number of 0 or more")
    embeddings, people = _checked(embeddings, labels)
    random = np.random.default_rng(seed)
    if strategy == "random":
        return devices.beside(_random_negatives(people, random), embeddings)
    kernels = kernels_for(embeddings)
    d = kernels.distances(embeddings, squared)
    if strategy == "batch-hard":
        positives, negatives = kernels.hardest(d, people)
        anchors = np.flatnonzero(positives >= 0)
        return np.stack([anchors, positives[anchors], negatives[anchors]], axis=1)
    bands = {  # range of the gap v − u: first included, last excluded
        "all": (-math.inf, math.inf),
        "hard": (-math.inf, ABOVE_ZERO),
        "semi-hard": (ABOVE_ZERO, margin),
        "batch-all": (-math.inf, margin),
        "random-active": (-math.inf, margin),
    }
    found = kernels.triplets(d, people, *bands[strategy])
    if strategy == "random-active":  # drawn on the host, where the generator is
        return devices.beside(_one_a_pair(devices.to_host(found), random), found)
    return found


def _random_negatives(people: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return every pair of one person, each with a random picture of somebody else."""
    found = []
    for person in range(people.max() + 1):
        own, others = np.flatnonzero(people == person), np.flatnonzero(people != person)
        pairs = own[np.argwhere(~np.eye(len(own), dtype=bool))]
        found.append(np.column_stack([pairs, random.choice(others, len(pairs))]))
    triplets = np.concatenate(found)
    return triplets[np.lexsort((triplets[:, 1], triplets[:, 0]))]


def _one_a_pair(triplets: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return one random triplet per pair. Triplets of one pair must be adjacent."""
    begins = np.flatnonzero(np.diff(triplets[:, :2], axis=0, prepend=-1).any(axis=1))
    counts = np.diff(begins, append=len(triplets))
    return triplets[begins + random.integers(counts)] if len(triplets) else triplets


def _checked(embeddings: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the embeddings as an array, and the people numbered from 0. Raises InputError."""
    embeddings, labels = as_array(embeddings), devices.to_host(as_array(labels))
    if embeddings.ndim != 2 or embeddings.dtype.kind != "f" or 0 in embeddings.shape:
        raise InputError(
            f"mine_triplets: embeddings have shape {embeddings.shape} and dtype {embeddings.dtype}; "
            "expected floats (N, D)"
        )
    if labels.shape != embeddings.shape[:1]:
        raise InputError(f"mine_triplets: labels have shape {labels.shape}; expected {embeddings.shape[:1]}")
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        raise InputError(
            f"mine_triplets: embeddings are not finite in {np.count_nonzero(~finite)} of {len(finite)} rows, "
            f"first in row {finite.argmin()}; expected finite numbers"
        )
    names, people = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise InputError(f"mine_triplets: labels name one person alone, {names[0]!s}; expected two or more")
    if len(names) == len(people):
        raise InputError(
            f"mine_triplets: labels name {len(names)} people with one picture each; expected two pictures of somebody"
        )
    return embeddings, people.astype(np.int64)
