"""Search in a large gallery: the nearest of a million encodings, compared with faiss's exact search.

It runs in a separate process, because it holds the encodings twice, and faiss's threads conflict with PyTorch's.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from minicnn import resources
from minicnn.bench import children
from minicnn.bench.plan import Plan, Section
from minicnn.bench.report import Row
from minicnn.bench.turns import Side, compare
from minicnn.faces.search import Index, Nearest

QUERIES = (1, 16)
DIMENSIONS = 128
NEAREST = 5  # as many as a gallery requests


def section(plan: Plan) -> Section:
    """Return the rows in milliseconds per search, without the one-time preparation of the encodings."""
    count = 20_000 if plan.quick else 1_000_000
    measurements = [(f"{queries} at once", partial(measure, plan, count, queries)) for queries in QUERIES]
    return Section(f"Search, {count:,} × {DIMENSIONS}, {NEAREST} nearest", measurements, rival="faiss")


def measure(plan: Plan, count: int, queries: int) -> Row:
    """Measure one number of queries. faiss is left out if it is not installed."""
    options: dict[str, Any] = {"count": count, "rounds": plan.rounds, "turn": plan.turn, "threads": resources.threads()}
    rows = plan.once("search", lambda: children.ask("gallery_search", "in_process", **options))
    return Row(**rows[QUERIES.index(queries)])


def in_process(count: int, rounds: int, turn: float, threads: int) -> list[dict[str, Any]]:
    """Return the rows for every number of queries."""
    resources.set_threads(threads)
    random = np.random.default_rng(0)
    encodings = _unit_vectors(random, count)
    plan, index, theirs = Plan(rounds=rounds, turn=turn), Index(encodings), _faiss(encodings, threads)
    return [asdict(_row(plan, index, theirs, _unit_vectors(random, queries))) for queries in QUERIES]


def _row(plan: Plan, index: Index, theirs: Callable | None, queries: np.ndarray) -> Row:
    name = f"{len(queries)} at once" if len(queries) > 1 else "one query"
    ours = partial(index.nearest, queries, NEAREST)
    details: dict[str, Any] = {}
    if theirs is None:
        name += ", faiss is not installed"
    else:
        details["difference"] = _difference(ours(), theirs(queries))
    side = None if theirs is None else Side(lambda: _none(theirs(queries)))
    return compare(plan, name, Side(lambda: _none(ours())), side, unit="ms", **details)


def _none(_: Any) -> None:
    """Discard the result, which is compared once elsewhere."""


def _unit_vectors(random: np.random.Generator, count: int) -> np.ndarray:
    vectors = random.standard_normal((count, DIMENSIONS), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _faiss(encodings: np.ndarray, threads: int) -> Callable[[np.ndarray], Nearest] | None:
    """Return faiss.IndexFlatL2's search on as many threads; None if it is not installed or does not load."""
    try:
        faiss = importlib.import_module("faiss")
        faiss.omp_set_num_threads(threads)
        index = faiss.IndexFlatL2(encodings.shape[1])
    except (ImportError, OSError, AttributeError):  # the last if a mere folder has its name
        return None
    index.add(encodings)
    return lambda queries: Nearest(*index.search(queries, NEAREST))


def _difference(ours: Nearest, theirs: Nearest) -> float:
    """Return max|Δ| / max|reference| of the distances, since the order of equal ones is arbitrary."""
    return float(np.abs(ours.distances - theirs.distances).max() / theirs.distances.max())
