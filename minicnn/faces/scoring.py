"""Distances of a face from enrolled people, by a metric or a head, over all pictures of a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.errors import InputError, check_count
from minicnn.faces import distances
from minicnn.faces.heads import PairHead, chi_square
from minicnn.operation import no_grad

WORK = 2**21  # float64 numbers per block: 16 MiB
SCORES = ("min", "mean", "nearest")

# (queries, D) and (N, D), float64 -> (queries, N)
Apart = Callable[[np.ndarray, np.ndarray], np.ndarray]


def by_metric(metric: str) -> Apart:
    """Return the function of a card's metric: one of `distance`, or "chi2", Σ (f − g)² / (f + g). Raises InputError."""
    if metric == "chi2":
        return lambda f, g: chi_square(f, g).data.sum(axis=-1)
    if metric not in distances.METRICS:
        raise InputError(f"metric is {metric!r}; expected one of {', '.join([*distances.METRICS, 'chi2'])}")
    return lambda f, g: distances.distance(f, g, metric=metric)


def by_head(head: PairHead) -> Apart:
    """Return the function 1 − the probability of one person, which like a distance is smaller for nearer pairs."""
    return lambda f, g: ops.sigmoid(-head(f, g)).data


def all_distances(apart: Apart, queries: np.ndarray, encodings: np.ndarray) -> np.ndarray:
    """Return the distances between queries (queries, D) and encodings (N, D): (queries, N) float64, in blocks."""
    found = np.empty((len(queries), len(encodings)))
    rows = max(1, WORK // max(encodings.shape[1], 1))
    with no_grad():
        for i, query in enumerate(queries.astype(np.float64)):
            for start in range(0, len(encodings), rows):
                found[i, start : start + rows] = apart(query, encodings[start : start + rows].astype(np.float64))
    return found


def people_distances(
    found: np.ndarray, labels: np.ndarray, people: int, score: str = "min", neighbours: int = 3
) -> np.ndarray:
    """Return distances to people, (queries, people), from distances to pictures, (queries, N).

    labels: (N,), the person on each picture. score: "min", the smallest distance of a person; "mean", over all
    pictures; or "nearest", the mean of the `neighbours` smallest.
    """
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(people))
    found = found[:, order]
    if score == "min":
        return np.minimum.reduceat(found, starts, axis=1)
    if score == "nearest":
        # Sort each person's distances in ascending order, and zero all but the first ones.
        grouped = np.broadcast_to(labels[order], found.shape)
        found = np.take_along_axis(found, np.lexsort((found, grouped), axis=1), axis=1)
        rank = np.arange(len(labels)) - np.repeat(starts, np.diff([*starts, len(labels)]))
        found = np.where(rank < neighbours, found, 0)
    counts = np.diff([*starts, len(labels)])
    return np.add.reduceat(found, starts, axis=1) / np.minimum(counts, neighbours if score == "nearest" else counts)


def check_score(score: Any, neighbours: Any) -> None:
    """Raise InputError for an unknown score or an invalid number of neighbours."""
    if score not in SCORES:
        raise InputError(f"Gallery: score is {score!r}; expected one of {', '.join(SCORES)}")
    check_count("Gallery: neighbours", neighbours)
