"""Exact search for the nearest encodings, with memory that does not grow with their number.

‖q − x‖² = ‖q‖² + ‖x‖² − 2 q·x, so all distances of a block take one matrix product, in float32. This is fast, with a
known error bound (Higham 2002, section 3.1). Everything within that bound of the nearest is recomputed in float64 as
Σ (q − x)². The results are therefore those of sorting float64 distances.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from minicnn.errors import InputError
from minicnn.resources import parallel

BLOCK = 16_384  # encodings; small enough for memory, large enough to hide Python's overhead
PIECES = 16  # parts of the encodings, shared by the threads
QUERIES = 64  # queries at once; more are searched in turns
UNIT = 2.0**-24  # the largest relative error of rounding to float32
LARGEST = 1e15  # maximum length; its square times the dimensions must fit float32


class Nearest(NamedTuple):
    """Search results. distances: (queries, k) float64, squared, ascending. places: (queries, k) int64; ties ascend."""

    distances: np.ndarray
    places: np.ndarray


class Index:
    """A search index. encodings: (N, D) float32, possibly memory-mapped; they are not copied. Raises InputError."""

    def __init__(self, encodings: np.ndarray) -> None:
        if encodings.ndim != 2 or encodings.dtype != np.float32 or not encodings.shape[1]:
            raise InputError(
                f"Index: encodings have shape {encodings.shape} and dtype {encodings.dtype}; expected float32 (N, D)"
            )
        self.encodings = encodings
        self.squares = np.empty(len(encodings), np.float32)
        parallel(self._square, _pieces(len(encodings)))
        longest = float(np.sqrt(self.squares.max(initial=0), dtype=np.float64))
        if not longest <= LARGEST:
            raise InputError(f"Index: encodings hold NaN, infinity or more than {LARGEST:.0e}; expected finite numbers")
        self.longest = longest

    def _square(self, start: int, stop: int) -> None:
        for low in range(start, stop, BLOCK):
            block = self.encodings[low : min(low + BLOCK, stop)]
            with np.errstate(over="ignore", invalid="ignore"):
                self.squares[low : low + len(block)] = np.einsum("nd,nd->n", block, block, dtype=np.float64)

    def nearest(self, queries: np.ndarray, k: int = 1) -> Nearest:
        """Return the k nearest encodings of each query. queries: (queries, D) floats. Raises InputError."""
        queries = np.asarray(queries)
        count, dimensions = self.encodings.shape
        if queries.ndim != 2 or queries.shape[1] != dimensions or queries.dtype.kind != "f":
            raise InputError(
                f"nearest: queries have shape {queries.shape} and dtype {queries.dtype}; "
                f"expected floats (queries, {dimensions})"
            )
        if not isinstance(k, int | np.integer) or not 1 <= k <= count:
            raise InputError(f"nearest: k is {k!r}; expected 1 to {count}, the number of encodings")
        queries = queries.astype(np.float64)
        if not (np.sqrt(np.square(queries).sum(axis=1)) <= LARGEST).all():
            raise InputError(f"nearest: queries hold NaN, infinity or more than {LARGEST:.0e}; expected finite numbers")
        turns = [self._search(queries[i : i + QUERIES], k) for i in range(0, len(queries), QUERIES)]
        if not turns:
            return Nearest(np.empty((0, k)), np.empty((0, k), np.int64))
        return Nearest(*(np.concatenate(part) for part in zip(*turns, strict=True)))

    def _search(self, queries: np.ndarray, k: int) -> Nearest:
        pieces = _pieces(len(self.encodings))
        limits = np.full(len(queries), np.inf)
        found = [_Best(self, queries, k, limits) for _ in pieces]
        numbers = [(number,) for number in range(len(pieces))]
        parallel(lambda number: found[number].search(*pieces[number]), numbers, blas=True)
        distances = np.concatenate([best.distances for best in found], axis=1)
        places = np.concatenate([best.places for best in found], axis=1)
        order = np.lexsort((places, distances), axis=1)[:, :k]
        return Nearest(np.take_along_axis(distances, order, 1), np.take_along_axis(places, order, 1))


def _pieces(count: int) -> list[tuple[int, int]]:
    """Return ranges of whole blocks for the threads, at most PIECES. They depend only on the count."""
    blocks = -(-count // BLOCK)
    pieces = min(PIECES, blocks)
    edges = [min(BLOCK * (blocks * i // pieces), count) for i in range(pieces + 1)] if count else []
    return list(itertools.pairwise(edges))


class _Best:
    """The k best encodings so far of each query, in one piece of the encodings.

    limits: (queries,), the smallest k-th distance of any piece so far; anything farther is skipped.
    """

    def __init__(self, index: Index, queries: np.ndarray, k: int, limits: np.ndarray) -> None:
        self.index, self.queries, self.k, self.limits = index, queries, k, limits
        self.factors = (-2 * queries).astype(np.float32).T
        squares = np.square(queries).sum(axis=1)
        # A product of D terms errs by at most D u ‖q‖ ‖x‖. Queries, squares and the sum add their own rounding.
        slack = (queries.shape[1] + 8) * UNIT * np.square(np.sqrt(squares) + index.longest)
        self.offsets = slack - squares
        self.distances = np.full((len(queries), k), np.inf)
        self.places = np.full((len(queries), k), np.iinfo(np.int64).max)

    def search(self, start: int, stop: int) -> None:
        """Search the encodings from start to stop."""
        products = np.empty((BLOCK, len(self.queries)), np.float32)  # in this layout BLAS is twice as fast
        sums = np.empty((len(self.queries), BLOCK), np.float32)
        for low in range(start, stop, BLOCK):
            block = self.index.encodings[low : min(low + BLOCK, stop)]
            product = np.matmul(block, self.factors, out=products[: len(block)])
            seeming = np.add(product.T, self.index.squares[low : low + len(block)], out=sums[:, : len(block)])
            for query in np.flatnonzero(seeming.min(axis=1) <= self.limits + self.offsets):
                self._look(int(query), seeming[query], low)

    def _look(self, query: int, seeming: np.ndarray, low: int) -> None:
        """Add all candidates within the limit. The 4 k best come first, since few others remain after them.

        seeming: ‖x‖² − 2 q·x of a block that begins at `low`.
        """
        near = np.flatnonzero(seeming <= self.limits[query] + self.offsets[query])
        if len(near) > 4 * self.k:
            order = np.argpartition(seeming[near], 4 * self.k)
            self._take(query, low + near[order[: 4 * self.k]])
            near = near[order[4 * self.k :]]
            near = near[seeming[near] <= self.limits[query] + self.offsets[query]]
        if len(near):
            self._take(query, low + near)

    def _take(self, query: int, places: np.ndarray) -> None:
        difference = self.index.encodings[places].astype(np.float64) - self.queries[query]
        distances = np.concatenate([self.distances[query], np.square(difference).sum(axis=1)])
        places = np.concatenate([self.places[query], places])
        best = np.lexsort((places, distances))[: self.k]
        self.distances[query], self.places[query] = distances[best], places[best]
        self.limits[query] = min(self.limits[query], self.distances[query, -1])


def nearest(queries: np.ndarray, encodings: np.ndarray, k: int = 1) -> Nearest:
    """Return the k nearest of `encodings` (N, D) float32 to each of `queries` (queries, D), by squared L2 distance.

    To search the same encodings again, keep an Index, which computes their norms only once. Raises InputError.
    """
    return Index(encodings).nearest(queries, k)
