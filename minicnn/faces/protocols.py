"""Evaluation protocols: labelled pictures made into pairs, and into galleries with strangers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.errors import InputError
from minicnn.faces.evaluation import cumulative_match, open_set_roc
from minicnn.faces.scoring import Apart, all_distances
from minicnn.operation import no_grad
from minicnn.text import counted

MOST_PAIRS = 2_000_000  # maximum for pairs of two people; beyond it they are sampled
DRAWS = 20  # random choices of the people enrolled and their pictures
WORK = 4_000_000  # distances in all draws, unless a single draw needs more
BLOCK = 4096


class LabelledPairs(NamedTuple):
    """Pairs of pictures. first, second: (pairs,), indices of pictures. same: (pairs,) bool."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray


class Identified(NamedTuple):
    """Identification rates, averaged over `draws` random galleries with one picture per person.

    cmc: (people,), with everybody enrolled: element r − 1 is the share of probes whose person is among the r nearest.
    fpir, dir: the open-set curve, with half of the people enrolled and the others as strangers; dir[i] is at fpir[i].
    """

    cmc: np.ndarray
    fpir: np.ndarray
    dir: np.ndarray
    people: int
    draws: int

    def dir_at(self, target_fpir: float) -> tuple[float, float]:
        """Return (FPIR, DIR) at the largest FPIR up to the target."""
        place = int(np.searchsorted(self.fpir, target_fpir + 1e-12, side="right")) - 1
        return float(self.fpir[place]), float(self.dir[place])


def every_pair(labels: np.ndarray, *, balanced: bool = False, seed: int = 0) -> LabelledPairs:
    """Return all pairs of pictures. Beyond MOST_PAIRS, pairs of two people are sampled.

    labels: (N,), the person on each picture. balanced: sample as many pairs of two people as there are of one.
    Raises InputError if one kind is missing.
    """
    groups = [np.flatnonzero(labels == person) for person in np.unique(labels)]
    none = np.empty((0, 2), np.int64)
    one = np.concatenate([none, *(group[np.stack(np.triu_indices(len(group), 1), axis=1)] for group in groups)])
    if len(groups) < 2 or not len(one):
        raise InputError(
            f"pairs: {counted(len(labels), 'picture')} of {counted(len(groups), 'person', 'people')} give no pairs of "
            "both kinds; "
            "expected two people or more, and two pictures of somebody"
        )
    count = len(labels) * (len(labels) - 1) // 2 - len(one)
    wanted = min(count, MOST_PAIRS, len(one) if balanced else count)
    two = _of_two(labels, count, wanted, np.random.default_rng(seed))
    same = np.repeat([True, False], [len(one), len(two)])
    first, second = np.concatenate([one, two]).T
    return LabelledPairs(first, second, same)


def _of_two(labels: np.ndarray, count: int, wanted: int, random: np.random.Generator) -> np.ndarray:
    """Return `wanted` different pairs, (wanted, 2), of the `count` pairs of two people."""
    total = len(labels)
    if total * (total - 1) // 2 <= 4 * MOST_PAIRS:
        pairs = np.stack(np.triu_indices(total, 1), axis=1)
        pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
        return pairs if wanted == count else pairs[np.sort(random.choice(len(pairs), wanted, replace=False))]
    found = np.empty(0, np.int64)
    while len(found) < wanted:
        drawn = np.sort(random.integers(total, size=(wanted, 2)), axis=1)
        drawn = drawn[labels[drawn[:, 0]] != labels[drawn[:, 1]]]
        found = np.unique(np.concatenate([found, drawn[:, 0] * total + drawn[:, 1]]))
    found = random.permutation(found)[:wanted]
    return np.stack(np.divmod(found, total), axis=1)


def pair_distances(apart: Apart, encodings: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distances of pairs, (pairs,) float64, in blocks to limit memory."""
    found = np.empty(len(first))
    with no_grad():
        for start in range(0, len(first), BLOCK):
            rows = slice(start, start + BLOCK)
            f, g = (encodings[places[rows]].astype(np.float64) for places in (first, second))
            found[rows] = apart(f, g)
    return found


def identification(apart: Apart, encodings: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Identified:
    """Measure identification with these people, each enrolled with one random picture, and return Identified.

    People with only one picture serve as strangers. Raises InputError for fewer than four people with two pictures.
    """
    names, counts = np.unique(labels, return_counts=True)
    known = names[counts >= 2]
    if len(known) < 4:
        raise InputError(f"identification: {len(known)} people have two pictures or more; expected four people or more")
    random = np.random.default_rng(seed)
    draws = int(np.clip(WORK // (len(known) * len(labels)), 1, DRAWS))
    grid = np.linspace(0, 1, 1001)
    ranks, shares = np.zeros(len(known)), np.zeros(len(grid))
    for _ in range(draws):
        enrolled = np.array([random.choice(np.flatnonzero(labels == person)) for person in known])
        probes = np.setdiff1d(np.arange(len(labels)), enrolled)
        found = all_distances(apart, encodings[probes], encodings[enrolled])
        ranks += cumulative_match(found, known, labels[probes]) / draws
        half = random.permutation(len(known))[: len(known) // 2]
        curve = open_set_roc(found[:, half], known[half], labels[probes])
        shares += curve.dir[np.searchsorted(curve.fpir, grid + 1e-12, side="right") - 1] / draws
    return Identified(ranks, grid, shares, len(known), draws)
