"""How far a face is from each of the people enrolled, by a metric or by a head, and from all pictures of a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn import ops
from minicnn.errors import InputError, check_count
from minicnn.faces import distances
from minicnn.faces.heads import PairHead, chi_square
from minicnn.operation import no_grad

WORK = 2**21  # numbers at once, in float64: 16 MiB
SCORES = ("min", "mean", "nearest")

# (queries, D) and (N, D), float64 -> (queries, N)
Apart = Callable[[np.ndarray, np.ndarray], np.ndarray]


def by_metric(metric: str) -> Apart:
    """By what a card calls its metric: what `distance` knows, such as "squared_l2", or "chi2", Σ (f − g)² / (f + g)."""
    if metric == "chi2":
        return lambda f, g: chi_square(f, g).data.sum(axis=-1)
    if metric not in distances.METRICS:
        raise InputError(f"metric is {metric!r}; expected one of {', '.join([*distances.METRICS, 'chi2'])}")
    return lambda f, g: distances.distance(f, g, metric=metric)


def by_head(head: PairHead) -> Apart:
    """1 − the probability of one person, so that here, too, less is nearer."""
    return lambda f, g: ops.sigmoid(-head(f, g)).data


def all_distances(apart: Apart, queries: np.ndarray, encodings: np.ndarray) -> np.ndarray:
    """Of each of `queries` (queries, D) from each of `encodings` (N, D): (queries, N) float64, a block at a time."""
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
    """From distances to pictures (queries, N), whose people are `labels` (N,), those to people: (queries, people).

    score: "min", to the nearest picture of a person; "mean", over all of them; "nearest", over the `neighbours` nearest
    of them, or as many as there are.
    """
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(people))
    found = found[:, order]
    if score == "min":
        return np.minimum.reduceat(found, starts, axis=1)
    if score == "nearest":
        # Each person's distances in ascending order, and beyond the first of them nothing.
        grouped = np.broadcast_to(labels[order], found.shape)
        found = np.take_along_axis(found, np.lexsort((found, grouped), axis=1), axis=1)
        rank = np.arange(len(labels)) - np.repeat(starts, np.diff([*starts, len(labels)]))
        found = np.where(rank < neighbours, found, 0)
    counts = np.diff([*starts, len(labels)])
    return np.add.reduceat(found, starts, axis=1) / np.minimum(counts, neighbours if score == "nearest" else counts)


def check_score(score: Any, neighbours: Any) -> None:
    """Raise InputError for a way to score people that there is not."""
    if score not in SCORES:
        raise InputError(f"Gallery: score is {score!r}; expected one of {', '.join(SCORES)}")
    check_count("Gallery: neighbours", neighbours)
