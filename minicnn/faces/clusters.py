"""Clustering of encodings of unknown people by average linkage, without a matrix of all distances.

The mean squared distance between two groups is ‖centre − centre‖² plus the mean squared deviations of both. A group
therefore needs only its centre, deviation and size. Two groups that are each other's nearest can be merged at once,
because other merges never bring groups closer. The result is that of SciPy's linkage, with memory linear in the number
of encodings.
Source: Murtagh 1983, "A survey of recent advances in hierarchical clustering algorithms".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minicnn.errors import InputError, check_count
from minicnn.faces.arguments import as_array, as_floats, is_number
from minicnn.faces.distances import METRICS
from minicnn.resources import parallel

LARGEST = 1e15  # its square times the dimensions must fit float32
ROWS, COLUMNS = 512, 4096  # size of a block of distances: 8 MiB per thread


def cluster(encodings: Any, *, threshold: float, metric: str = "squared_l2", least: int = 2) -> np.ndarray:
    """Return the number of each encoding's group, (N,) int64: 0 is the largest group, −1 means no group.

    The nearest groups are merged as long as the mean distance between their members is at most `threshold`, the
    threshold for one comparison. encodings: (N, D). metric: the one on the encoder's card; "l2" averages squared
    distances, "cosine" uses unit vectors. least: minimum size of a group. Takes time N² and memory N.
    Raises InputError.
    """
    check_count("cluster: least", least)
    points, limit = _checked(encodings, threshold, metric)
    different, which, copies = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    owner = _Groups(different, copies).join(limit)[which.ravel()]
    names, first, counts = np.unique(owner, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    numbers = np.empty(len(names), np.int64)
    numbers[order] = np.where(counts[order] >= least, np.arange(len(names)), -1)
    return numbers[np.searchsorted(names, owner)]


def agreement(groups: np.ndarray, people: np.ndarray) -> tuple[float, float]:
    """Return (precision, recall) of pairs that are grouped together.

    Precision is the share of grouped pairs that show one person. Recall is the share of such pairs that are grouped.
    groups: as from `cluster`. people: (N,) int, the true person of each. A rate without pairs is 1.
    """

    def pairs(numbers: np.ndarray) -> int:
        counts = np.unique(numbers, axis=0, return_counts=True)[1]
        return int((counts * (counts - 1) // 2).sum())

    grouped = groups >= 0
    right, together = pairs(np.stack([groups, people], axis=1)[grouped]), pairs(groups[grouped])
    all_of_one = pairs(people)
    return right / together if together else 1.0, right / all_of_one if all_of_one else 1.0


def _checked(encodings: Any, threshold: float, metric: str) -> tuple[np.ndarray, float]:
    """Return float64 points minus their mean, and the largest mean squared distance at which groups are merged."""
    points = as_floats(as_array(encodings)).astype(np.float64)
    if points.ndim != 2 or not points.shape[1]:
        raise InputError(f"cluster: encodings have shape {points.shape}; expected (N, D)")
    if not (np.abs(points) <= LARGEST).all():  # written so that NaN is refused, too
        raise InputError(f"cluster: encodings hold NaN or more than {LARGEST:.0e}; expected finite numbers")
    if not is_number(threshold):
        raise InputError(f"cluster: threshold is {threshold!r}; expected a finite number")
    if metric not in METRICS:
        raise InputError(f"cluster: metric is {metric!r}; expected one of {', '.join(METRICS)}")
    if metric == "cosine":
        points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    limit = {"squared_l2": threshold, "l2": math.copysign(threshold**2, threshold), "cosine": 2 * threshold}[metric]
    return points - points.mean(axis=0) if len(points) else points, float(limit)


class _Groups:
    """Groups of points: centres (G, D), mean squared deviations (G,), sizes (G,), and the group of each point.

    near, far: the nearest other group of each, and its distance. stale: True where these must be recomputed.
    """

    def __init__(self, points: np.ndarray, copies: np.ndarray) -> None:
        count = len(points)
        self.centres, self.spreads, self.sizes = points, np.zeros(count), copies.astype(np.float64)
        self.names, self.owner = np.arange(count), np.arange(count)
        self.near, self.far, self.stale = np.zeros(count, np.int64), np.full(count, np.inf), np.ones(count, bool)

    def join(self, limit: float) -> np.ndarray:
        """Return the name of each point's group, after merging groups at most `limit` apart."""
        while len(self.names) > 1:
            self._look()
            # Groups that are far from all others now stay far.
            self._keep(self.far <= limit)
            if not len(self.names):
                break
            self._join_pairs()
        return self.owner

    def _look(self) -> None:
        """Find the nearest other group of all stale ones. One matrix product gives ‖y‖² + deviation − 2 x·y."""
        worth = np.square(self.centres).sum(axis=1) + self.spreads
        table = np.concatenate([self.centres, worth[:, None]], axis=1).astype(np.float32).T
        asked = np.flatnonzero(self.stale)

        def search(start: int) -> None:
            rows = asked[start : start + ROWS]
            queries = np.concatenate([-2 * self.centres[rows], np.ones((len(rows), 1))], axis=1).astype(np.float32)
            best, far = np.zeros(len(rows), np.int64), np.full(len(rows), np.inf, np.float32)
            for low in range(0, table.shape[1], COLUMNS):
                found = queries @ table[:, low : low + COLUMNS]
                here = np.flatnonzero((rows >= low) & (rows < low + COLUMNS))
                found[here, rows[here] - low] = np.inf  # exclude the group itself
                place = found.argmin(axis=1)
                value = found[np.arange(len(rows)), place]
                best, far = np.where(value < far, low + place, best), np.minimum(value, far)
            difference = np.square(self.centres[rows] - self.centres[best]).sum(axis=1)
            self.near[rows], self.far[rows] = best, difference + self.spreads[rows] + self.spreads[best]

        parallel(search, [(start,) for start in range(0, len(asked), ROWS)], blas=True)
        self.stale[:] = False
        # Rounding can make a group nearer to another than that one's own nearest. Use the smaller distance for both.
        nearer = np.flatnonzero(self.far < self.far[self.near])
        nearer = nearer[np.argsort(-self.far[nearer], kind="stable")]
        self.far[self.near[nearer]], self.near[self.near[nearer]] = self.far[nearer], nearer

    def _keep(self, kept: np.ndarray) -> None:
        """Keep only these groups. The nearest group of each must be among them."""
        places = np.cumsum(kept) - 1
        for name in ("centres", "spreads", "sizes", "names", "near", "far", "stale"):
            setattr(self, name, getattr(self, name)[kept])
        self.near = places[self.near]

    def _join_pairs(self) -> None:
        """Merge the groups that are each other's nearest."""
        everyone = np.arange(len(self.names))
        mutual = self.near[self.near] == everyone
        if not mutual.any():  # in case of many ties
            one = int(self.far.argmin())
            self.near[self.near[one]] = one
            mutual[[one, self.near[one]]] = True
        first = np.flatnonzero(mutual & (everyone < self.near))
        second = self.near[first]
        share = self.sizes[second] / (self.sizes[first] + self.sizes[second])
        step = self.centres[second] - self.centres[first]
        self.spreads[first] += share * (self.spreads[second] - self.spreads[first])
        self.spreads[first] += share * (1 - share) * np.square(step).sum(axis=1)
        self.centres[first] += share[:, None] * step
        self.sizes[first] += self.sizes[second]
        renamed = np.arange(len(self.owner))
        renamed[self.names[second]] = self.names[first]
        self.owner = renamed[self.owner]
        gone = np.zeros(len(everyone), bool)
        gone[second] = True
        self.stale = mutual | mutual[self.near]
        self.near[self.stale] = 0
        self._keep(~gone)
