"""A gallery of the people in a collection of shards."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn.errors import InputError
from minicnn.faces.gallery import Gallery
from minicnn.faces.records import Records
from minicnn.scale.collection import Collection
from minicnn.text import spelled


def folder_of(picture: str) -> str:
    """Return the name of a picture's folder, which in FOLDER/PERSON/picture.jpg is a person's; else the file's name."""
    folder, name = os.path.split(picture)
    return spelled(os.path.basename(folder) or name)


class ShardGallery(Gallery):
    """A gallery of everybody in a collection. Shards are searched in place, and nobody can be enrolled.

    collection: made by the encoder. person: returns the person on a picture, from its path. settings: those of
    Gallery, such as its threshold. With a head, or another score than "min", all distances are computed.
    Raises LoadError for a collection of another encoder.
    """

    def __init__(
        self, collection: Collection, encoder: Any, *, person: Callable[[str], str] = folder_of, **settings: Any
    ) -> None:
        super().__init__(encoder, **settings)
        collection.check_encoder(self._identity)
        self._index = collection  # searches as an Index does
        numbers: dict[str, int] = {}
        labels = []
        for shard in collection.shards:
            pictures = shard.pictures
            for number in shard.faces[:, 0].tolist():
                labels.append(numbers.setdefault(person(pictures[int(number)]["picture"]), len(numbers)))
        self._records = Records(tuple(numbers), np.array(labels, np.int64), collection.rows)  # type: ignore[arg-type]

    def _change(self, change: Any) -> None:
        raise InputError("a gallery over shards cannot be changed; minicnn face encode adds pictures to the collection")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Raise InputError: the shards are the files of this gallery."""
        raise InputError("save: a gallery over shards is saved already; expected a Gallery")
