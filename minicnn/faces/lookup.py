"""Lookup of the nearest people: by the search index if possible, or else by all distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn.faces import scoring
from minicnn.faces.records import Records
from minicnn.faces.results import Match
from minicnn.faces.search import Index
from minicnn.faces.settings import Settings


class Lookup:
    """Records prepared for queries. metric: the card's, for settings without a head.

    index: searches the encodings of the records as an Index does; None for an Index that is made when it is needed.
    """

    def __init__(self, records: Records, settings: Settings, metric: str, index: Any = None) -> None:
        self.records, self.settings = records, settings
        self._apart = scoring.by_head(settings.head) if settings.head else scoring.by_metric(metric)
        self._searchable = settings.head is None and settings.score == "min" and metric == "squared_l2"
        self._index = index
        self._most: np.ndarray | None = None

    def between(self, encodings: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return the distances between any encodings, (encodings, others) float64."""
        return scoring.all_distances(self._apart, encodings, others)

    def from_person(self, encoding: np.ndarray, person: str) -> float:
        """Return the distance of one encoding (1, D) from a person, over all pictures of theirs."""
        found = self.between(encoding, self.records.of(person))
        labels = np.zeros(found.shape[1], np.int64)
        return float(scoring.people_distances(found, labels, 1, self.settings.score, self.settings.neighbours)[0, 0])

    def picture_of(self, encoding: np.ndarray, person: str) -> int:
        """Return the number, from 1, of the person's picture that is nearest to one encoding (1, D)."""
        return 1 + int(self.between(encoding, self.records.of(person)).argmin())

    def nearest(self, encodings: np.ndarray, count: int) -> Sequence[tuple[Match, ...]]:
        """Return the nearest people to each encoding, at most `count`."""
        people, count = self.records.people, min(count, len(self.records.people))
        if self._searchable:
            return [self._first_people(row, count) for row in zip(*self._search(encodings, count), strict=True)]
        score, neighbours = self.settings.score, self.settings.neighbours
        found = self.between(encodings, self.records.encodings)
        found = scoring.people_distances(found, self.records.labels, len(people), score, neighbours)
        order = np.argsort(found, axis=1, kind="stable")[:, :count]
        return [tuple(Match(people[i], float(row[i])) for i in best) for row, best in zip(found, order, strict=True)]

    def _search(self, encodings: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (distances, places) of enough pictures to include `count` people."""
        if self._index is None:
            self._index = Index(self.records.encodings)
        if self._most is None:
            self._most = np.sort(np.bincount(self.records.labels))[::-1]
        # All pictures of the other people may come before the last of `count` people.
        return self._index.nearest(encodings, int(self._most[: count - 1].sum()) + 1)

    def _first_people(self, row: tuple[np.ndarray, np.ndarray], count: int) -> tuple[Match, ...]:
        """Return people from the distances and places of pictures, ascending."""
        distances, places = row
        nearest: dict[int, float] = {}
        for label, distance in zip(self.records.labels[places].tolist(), distances.tolist(), strict=True):
            nearest.setdefault(label, distance)
        matches = [Match(self.records.people[label], distance) for label, distance in nearest.items()]
        return tuple(matches[:count])
