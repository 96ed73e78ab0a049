"""A gallery of the people in a collection of shards."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from minicnn.errors import InputError
from minicnn.faces.calibration import Calibration
from minicnn.faces.gallery import Gallery
from minicnn.faces.lookup import Lookup
from minicnn.faces.records import Records
from minicnn.faces.results import Match
from minicnn.scale.collection import Collection, Rows
from minicnn.text import spelled


def folder_of(picture: str) -> str:
    """Return the name of a picture's folder, which in FOLDER/PERSON/picture.jpg is a person's; else the file's name."""
    folder, name = os.path.split(picture)
    return spelled(os.path.basename(folder) or name)


class ShardGallery(Gallery):
    """A gallery of everybody in a collection. Shards are searched where they lie, and nobody can be enrolled.

    collection: of one encoder. person: returns the name of the person on a picture, from its path. Other arguments are
    those of Gallery; the nearest picture of a person counts. Raises LoadError for a collection of another encoder.
    """

    def __init__(
        self,
        collection: Collection,
        encoder: Any,
        *,
        threshold: float | Calibration,
        person: Callable[[str], str] = folder_of,
        any_quality: bool = False,
    ) -> None:
        super().__init__(encoder, threshold=threshold, any_quality=any_quality)
        collection.check_encoder(self._identity)
        self._records: Any = _Faces(collection, person)

    def _change(self, change: Any) -> None:
        raise InputError("a gallery over shards cannot be changed; expected pictures that minicnn face encode adds")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Raise InputError: the shards are the files of this gallery."""
        raise InputError("save: a gallery over shards is saved already; expected a Gallery of its own")

    @property
    def _lookup(self) -> Lookup:
        if self._ready is None:
            self._ready = _ShardLookup(self._records, self._settings, str(self._identity["metric"]))
        return self._ready


class _Faces:
    """The Records of a collection. Names are read when they are needed."""

    def __init__(self, collection: Collection, person: Callable[[str], str]) -> None:
        self.collection, self.person = collection, person

    def __len__(self) -> int:
        return len(self.collection)

    @cached_property
    def _named(self) -> tuple[tuple[str, ...], np.ndarray]:
        """(people, labels) as in Records. Reads the manifest of every shard."""
        numbers: dict[str, int] = {}
        labels = [np.empty(0, np.int64)]
        for shard in self.collection.shards:
            names = [self.person(row["picture"]) for row in shard.pictures]
            of_picture = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
            labels.append(of_picture[shard.faces[:, 0].astype(np.int64)])
        labels_of_all = np.concatenate(labels)
        kept = np.unique(labels_of_all)  # pictures without a face name nobody
        people = [*numbers]
        return tuple(people[i] for i in kept), np.searchsorted(kept, labels_of_all)

    @property
    def people(self) -> tuple[str, ...]:
        return self._named[0]

    @property
    def labels(self) -> np.ndarray:
        return self._named[1]

    @property
    def encodings(self) -> np.ndarray:
        return Rows(self.collection.shards)[: len(self)]

    @property
    def counts(self) -> dict[str, int]:
        return dict(zip(self.people, np.bincount(self.labels, minlength=len(self.people)).tolist(), strict=True))

    def of(self, name: str) -> np.ndarray:
        number = self.people.index(name) if name in self.people else -1
        return Rows(self.collection.shards)[np.flatnonzero(self.labels == number)]

    def grouped(self) -> Records:
        return Records(self.people, self.labels, self.encodings).grouped()


class _ShardLookup(Lookup):
    """Lookup of the nearest people through the collection."""

    records: Any

    def nearest(self, encodings: np.ndarray, count: int) -> Sequence[tuple[Match, ...]]:
        """Return the nearest people to each encoding, at most `count`, from as many faces as that takes."""
        collection, k = self.records.collection, 4 * count
        while True:
            found = collection.nearest(encodings, k)
            rows = [self._people(*row) for row in zip(*found, strict=True)]
            if k >= len(collection) or all(len(row) >= count for row in rows):
                return [tuple(row[:count]) for row in rows]
            k *= 4

    def _people(self, distances: np.ndarray, places: np.ndarray) -> list[Match]:
        nearest: dict[str, float] = {}
        for place, distance in zip(places.tolist(), distances.tolist(), strict=True):
            nearest.setdefault(self.records.person(self.records.collection.hit(place).picture), distance)
        return [Match(name, distance) for name, distance in nearest.items()]
