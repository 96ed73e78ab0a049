"""Baselines without training: faces compared by their pixels, or by their principal components.

They give a network's accuracy a reference. On the same pairs, with the same protocol:

    pairs = draw_pairs(test.people)
    baselines.show(baselines.compare(training.images, test.images, pairs))
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minicnn.datasets.pairs import Pairs
from minicnn.errors import InputError

BLOCK = 256  # pictures converted to floats at a time


class Score(NamedTuple):
    """The mean and standard deviation of the accuracy over the folds, from 0 to 1."""

    name: str
    accuracy: float
    deviation: float


class PrincipalComponents:
    """An encoding of pictures in the directions in which the training pictures vary most (Turk & Pentland 1991).

    The directions come from a random subspace that is multiplied by the data a few times (Halko et al. 2011, algorithm
    4.4). The data is processed in blocks of pictures, which bounds the memory.
    """

    def __init__(self, images: np.ndarray, count: int = 128, *, seed: int = 0) -> None:
        _check(images)
        if not 1 <= count < len(images):
            raise InputError(f"count: got {count!r}; expected 1 to {len(images) - 1} for {len(images)} pictures")
        self.mean = np.zeros(images[0].size, np.float32)  # subtracted from blocks; the first ones have a mean of 0
        self.mean = self._sum(images, lambda block, _: block.sum(axis=0)) / np.float32(len(images))
        width = min(count + 16, len(images), self.mean.size)
        basis = np.random.default_rng(seed).standard_normal((len(images), width), dtype=np.float32)
        for _ in range(3):
            # (pixels, width), then (pictures, width): each multiplication amplifies the strong directions of the data.
            across = np.linalg.qr(self._sum(images, lambda block, rows, basis=basis: block.T @ basis[rows]))[0]
            basis = self._each(images, across)
        left = np.linalg.qr(basis)[0]
        small = self._sum(images, lambda block, rows: left[rows].T @ block)
        self.components = np.linalg.svd(small, full_matrices=False)[2][:count]

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return the coordinates (N, count) of pictures (N, H, W, 3) uint8."""
        _check(images)
        return self._each(images, self.components.T)

    def _blocks(self, images):
        for start in range(0, len(images), BLOCK):
            rows = slice(start, min(start + BLOCK, len(images)))
            yield images[rows].reshape(rows.stop - start, -1) / np.float32(255) - self.mean, rows

    def _sum(self, images, of_block):
        return sum(of_block(block, rows) for block, rows in self._blocks(images))

    def _each(self, images, matrix):
        return np.concatenate([block @ matrix for block, _ in self._blocks(images)])


def compare(training: np.ndarray, images: np.ndarray, pairs: Pairs, *, components: int = 128) -> list[Score]:
    """Return the accuracy of each baseline on pairs of `images` (N, H, W, 3) uint8, by a distance and a threshold.

    The components are those of the `training` pictures. The threshold of each fold is the best one on the other folds.
    """
    _check(images)
    codes = PrincipalComponents(training, components).encode(images)
    distances = {
        "raw pixels (L2)": pixel_distances(images, pairs),
        f"{components} principal components (L2)": ((codes[pairs.first] - codes[pairs.second]) ** 2).sum(axis=1),
    }
    return [Score(name, *fold_accuracy(values, pairs)) for name, values in distances.items()]


def pixel_distances(images: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Return the squared Euclidean distances between pairs of pictures, whose channels are in [0, 1]."""
    distances = np.empty(len(pairs.first))
    for start in range(0, len(distances), BLOCK):
        rows = slice(start, start + BLOCK)
        gap = images[pairs.first[rows]].astype(np.float32) - images[pairs.second[rows]]
        distances[rows] = (gap**2).sum(axis=(1, 2, 3)) / 255**2
    return distances


def fold_accuracy(distances: np.ndarray, pairs: Pairs) -> tuple[float, float]:
    """Return mean and deviation of the folds' accuracies: d ≤ τ means the same, with the best τ of the other folds."""
    folds, accuracies = np.unique(pairs.fold), []
    if len(folds) < 2:
        raise InputError(f"fold_accuracy: pairs are in {len(folds)} fold; expected two folds or more")
    for fold in folds:
        test = pairs.fold == fold
        order = np.argsort(distances[~test], kind="stable")
        gain = np.cumsum(np.where(pairs.same[~test][order], 1, -1))
        best = int(np.argmax(gain))
        threshold = distances[~test][order][best] if gain[best] > 0 else -np.inf
        accuracies.append(float(np.mean((distances[test] <= threshold) == pairs.same[test])))
    return float(np.mean(accuracies)), float(np.std(accuracies))


def show(scores: list[Score]) -> None:
    """Print one line per score."""
    for score in scores:
        print(f"{score.name:32} {score.accuracy:7.2%} ± {score.deviation:.2%}")


def _check(images: np.ndarray) -> None:
    if not isinstance(images, np.ndarray) or images.ndim != 4 or images.dtype != np.uint8 or len(images) < 2:
        kind = f"{images.shape} {images.dtype}" if isinstance(images, np.ndarray) else type(images).__name__
        raise InputError(f"images: got {kind}; expected (N, H, W, 3) uint8, two pictures or more")
