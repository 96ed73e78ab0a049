"""Measurement of a trained encoder on people that it was not trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.datasets.pairs import Pairs, draw_pairs
from minicnn.errors import InputError
from minicnn.faces.distances import distance
from minicnn.faces.evaluation import PairEvaluation, evaluate_pairs, val_at_far
from minicnn.faces.heads import PairHead
from minicnn.operation import no_grad
from minicnn.text import counted


class Measured(NamedTuple):
    """The result of `measure`. evaluation: on the drawn pairs, in folds.

    val, far, threshold: on all pairs of all pictures, which are enough to measure a FAR of 0.001.
    """

    evaluation: PairEvaluation
    val: float
    far: float
    threshold: float


def measure(encodings: np.ndarray, people: np.ndarray, *, head: PairHead | None = None, seed: int = 0) -> Measured:
    """Measure how well encodings (N, D) distinguish `people` (N,), by squared distance or by a head's logit.

    Accuracy is measured on pairs drawn as in LFW, with disjoint people per fold if there are enough. Raises InputError.
    """
    pairs = evaluation_pairs(people, seed=seed)
    result = evaluate_pairs(_apart(encodings, pairs.first, pairs.second, head), pairs.same, folds=pairs.fold)
    first, second = np.triu_indices(len(people), 1)
    point = val_at_far(_apart(encodings, first, second, head), people[first] == people[second], 1e-3)
    return Measured(result, point.val, point.far, point.threshold)


def evaluation_pairs(people: np.ndarray, *, seed: int = 0) -> Pairs:
    """Return pairs in ten folds: LFW's 6,000 if every fold has ten people with ten pictures, or else fewer."""
    names, counts = np.unique(people, return_counts=True)
    folds = 10 if len(names) >= 20 else max(min(len(names) // 2, 10), 1)
    if folds >= 2:
        fewest = np.sort(counts)[: len(names) // folds]
        same, different = (fewest * (fewest - 1)).sum() // 2, (fewest.sum() ** 2 - (fewest**2).sum()) // 2
        pairs = int(min(300, same, different)) * 2
        if pairs >= 2:
            return draw_pairs(people, folds=folds, pairs=pairs, seed=seed)
    raise InputError(
        f"pairs: {counted(len(names), 'person', 'people')} with {counted(int(counts.max()), 'picture')} at most are "
        "too few; expected four people or more with two pictures each"
    )


def _apart(encodings: np.ndarray, first: np.ndarray, second: np.ndarray, head: PairHead | None) -> np.ndarray:
    """Return the distances of pairs, in blocks to limit memory. With a head, the negated logit."""
    apart = np.empty(len(first))
    with no_grad():
        for start in range(0, len(first), 100_000):
            rows = slice(start, start + 100_000)
            f, g = encodings[first[rows]], encodings[second[rows]]
            apart[rows] = distance(f, g) if head is None else -head(f, g).data
    return apart
