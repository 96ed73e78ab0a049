"""Exact search in all shards below a folder, by this process or by workers that keep theirs.

The shards of a process are one array, of which blocks are read on demand. So memory holds one float per face. The
results are those of sorting all distances; ties go to the earlier shard, and within it to the earlier face.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError, LoadError, check_count
from minicnn.faces import scoring
from minicnn.faces.encoding import check_same_encoder
from minicnn.faces.quality import Quality
from minicnn.faces.search import Index, Nearest
from minicnn.files import unreadable
from minicnn.hdf5.access import named
from minicnn.resources import parallel
from minicnn.scale import shards

# The shards of one process: path, checksum, and number of the first face.
Portion = tuple[tuple[str, str, int], ...]


class Hit(NamedTuple):
    """A face of a collection. picture: its path. face: its number there, from 1.

    box: (left, top, right, bottom) in pixels. box and quality are None for a picture that was a crop already.
    """

    picture: str
    face: int
    box: tuple[float, ...] | None
    quality: Quality | None


class Rows:
    """The encodings of several shards as one array (N, D) float32, of which slices and rows are read on demand."""

    ndim, dtype = 2, np.dtype(np.float32)

    def __init__(self, found: Sequence[shards.Shard]) -> None:
        self.shards = found
        self.starts = np.cumsum([0, *map(len, found)])
        self.shape = int(self.starts[-1]), int(found[0].header["embedding"])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            low, high = key.start or 0, min(key.stop, len(self))
            owners = range(int(self.owners(low)), int(self.owners(high - 1)) + 1)
            starts = self.starts.tolist()
            parts = [self.shards[i].encodings[max(low - starts[i], 0) : high - starts[i]] for i in owners]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        key = np.flatnonzero(key) if key.dtype == bool else key
        rows = np.empty((len(key), self.shape[1]), np.float32)
        owners = self.owners(key)
        for owner in np.unique(owners):
            rows[owners == owner] = self.shards[owner].encodings[key[owners == owner] - self.starts[owner]]
        return rows

    def owners(self, places: Any) -> Any:
        """Return the number of the shard that holds each face."""
        return self.starts.searchsorted(places, "right") - 1


@lru_cache(maxsize=2)
def _searchable(portion: Portion, metric: str) -> tuple[Rows, Index | None]:
    """Return shards, and an Index of them if there is one for the metric. Every shard is checked. Raises LoadError."""
    found = [shards.opened(Path(path)) for path, _, _ in portion]
    parallel(shards.Shard.check, [(shard, sha256) for shard, (_, sha256, _) in zip(found, portion, strict=True)])
    rows: Any = Rows(found)
    return rows, Index(rows) if metric == "squared_l2" and len(rows) else None


def search(portion: Portion, queries: np.ndarray, k: int, metric: str) -> Nearest:
    """Return the k nearest faces in these shards to each query, or all if there are fewer. They stay open."""
    rows, index = _searchable(portion, metric)
    if index is not None:
        best = index.nearest(queries, min(k, len(rows)))
    else:
        distances = scoring.all_distances(scoring.by_metric(metric), queries, rows)  # type: ignore[arg-type]
        best = merged([Nearest(distances, np.broadcast_to(np.arange(len(rows)), distances.shape))], k)
    before = np.array([first for _, _, first in portion]) - rows.starts[:-1]
    return Nearest(best.distances, best.places + before[rows.owners(best.places)])


def merged(found: Sequence[Nearest], k: int) -> Nearest:
    """Return the k nearest of several results. Ties ascend by place."""
    distances, places = (np.concatenate(part, axis=1) for part in zip(*found, strict=True))
    order = np.lexsort((places, distances), axis=1)[:, :k]
    return Nearest(np.take_along_axis(distances, order, 1), np.take_along_axis(places, order, 1))


class Collection:
    """The faces in all shards below a folder, in the order of their paths.

    facts: the header of the first shard, which describes their encoder. missing: shards that a stopped run lacks.
    client: from `connected`; its workers then search, each in shards that it keeps, under the same paths.
    Only headers are read here; a shard is checked when it is searched first. Raises InputError or LoadError.
    """

    def __init__(self, folder: str | os.PathLike[str], *, client: Any = None) -> None:
        self.folder, self.client = Path(folder), client
        self.shards = [shards.opened(path) for path in sorted(self.folder.rglob("*.h5"))]
        if not self.shards:
            why = unreadable(self.folder, folder=True) or "holds no shards"
            raise InputError(f"collection {str(folder)!r} {why}; expected the folder of minicnn face encode")
        self.facts = self.shards[0].header
        for shard in self.shards:
            if any(shard.header.get(name) != self.facts[name] for name in ("weights_sha256", "metric", "embedding")):
                raise LoadError(f"shard {str(shard.path)!r} is of another encoder than the first; expected only one")
        of_runs = {shard.path.parent: int(shard.header["shards"]) for shard in self.shards}.values()
        self.missing = sum(of_runs) - len(self.shards)
        self.rows = Rows(self.shards)

    def __len__(self) -> int:
        return len(self.rows)

    def check_encoder(self, identity: Mapping[str, Any]) -> None:
        """Raise LoadError unless the encoder of this identity made the collection."""
        with named(self.folder, "gallery"):
            check_same_encoder(self.facts, identity)

    def nearest(self, queries: np.ndarray, k: int = 1) -> Nearest:
        """Return the k nearest faces to each query (queries, D), or all if there are fewer, by the encoder's metric.

        places are numbers of faces in the collection. Raises InputError, or LoadError for a damaged shard.
        """
        check_count("nearest: k", k)
        queries, dimensions = np.asarray(queries), self.facts["embedding"]
        if queries.ndim != 2 or queries.shape[1] != dimensions or queries.dtype.kind != "f":
            said = f"queries have shape {queries.shape} and dtype {queries.dtype}"
            raise InputError(f"nearest: {said}; expected floats (queries, {dimensions})")
        everything = tuple(
            (str(shard.path.absolute()), shard.header["sha256"], int(first))
            for shard, first in zip(self.shards, self.rows.starts, strict=False)
        )
        if self.client is None:
            return search(everything, queries, k, str(self.facts["metric"]))
        from minicnn.scale import workers

        return merged(workers.search_on(self.client, everything, queries, k, str(self.facts["metric"])), k)

    def hit(self, place: int) -> Hit:
        """Return the face of this number. Raises InputError if there is none."""
        place = check_count("hit: place", place, 0, len(self) - 1)
        owner = int(self.rows.owners(place))
        row, faces = place - int(self.rows.starts[owner]), self.shards[owner].faces
        picture, *values = faces[row].tolist()
        name = self.shards[owner].pictures[int(picture)]["picture"]
        box, quality = (None if np.isnan(part[0]) else part for part in (tuple(values[:4]), Quality(*values[6:])))
        return Hit(name, row - int(faces[:, 0].searchsorted(picture)) + 1, box, quality)  # type: ignore[arg-type]
