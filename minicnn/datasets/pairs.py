"""Pairs of pictures of one person or of two people, in folds as in Labeled Faces in the Wild (Huang et al. 2007)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from minicnn.errors import InputError, check_count, is_count


class Pairs(NamedTuple):
    """The pairs, as columns.

    first, second: (pairs,) int64, numbers of pictures. same: (pairs,) bool. fold: (pairs,) int64, from 0.
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray


def draw_pairs(labels: npt.ArrayLike, *, folds: int = 10, pairs: int = 600, seed: int = 0) -> Pairs:
    """Return pairs of the pictures whose people are `labels` (N,): `pairs` per fold, half of them of the same person.

    As in LFW, each person is in one fold only, so that a threshold is tested on unseen people. No pair occurs twice.
    Raise InputError if there are too few people or pictures.
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise InputError(f"draw_pairs: labels have shape {labels.shape}; expected (N,), one per picture")
    check_count("draw_pairs: folds", folds)
    if not is_count(pairs, 2) or pairs % 2:
        raise InputError(f"draw_pairs: pairs is {pairs!r}; expected an even number of at least 2")
    rng = np.random.default_rng(seed)
    drawn = [np.empty((0, 2), np.int64)]
    for people in np.array_split(rng.permutation(np.unique(labels)), folds):
        pictures = np.flatnonzero(np.isin(labels, people))
        every = pictures[np.stack(np.triu_indices(len(pictures), 1), axis=1)]
        same = labels[every[:, 0]] == labels[every[:, 1]]
        for kind, what in ((same, "of one person"), (~same, "of two people")):
            if kind.sum() < pairs // 2:
                found = f"a fold of {len(people)} people and {len(pictures)} pictures has {kind.sum()} pairs {what}"
                raise InputError(f"draw_pairs: labels: {found}; expected at least {pairs // 2} for {folds} folds")
            drawn.append(rng.choice(every[kind], pairs // 2, replace=False))
    first, second = np.concatenate(drawn).T
    same = np.tile(np.repeat([True, False], pairs // 2), folds)
    return Pairs(first, second, same, np.repeat(np.arange(folds), pairs))
