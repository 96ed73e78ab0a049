"""Exact search in all shards below a folder, by this process or by workers that keep theirs.

The shards of a process are one array, of which blocks are read on demand. So memory holds one float per face, and the
results are those of sorting all distances: a tie is for the earlier shard, and in it for the earlier face.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicnn.errors import InputError, LoadError, MissingFileError, check_count
from minicnn.faces import scoring
from minicnn.faces.encoding import check_same_encoder
from minicnn.faces.quality import Quality
from minicnn.faces.search import Index, Nearest
from minicnn.files import MISSING, unreadable
from minicnn.resources import parallel
from minicnn.scale import shards
from minicnn.scale.jobs import MANIFEST, manifest_of

IDENTITY = ("model", "weights_sha256", "preprocessing", "metric", "embedding", "input_height", "input_width")
BLOCK = 16_384  # encodings whose distances are computed at once, for metrics without an index

# The shards of one process: (path, checksum) each.
Portion = tuple[tuple[str, str], ...]


class Hit(NamedTuple):
    """A face of a collection. picture: its path. face: its number there, from 1. box: left, top, right, bottom, pixels.

    box and quality are None for a picture that was a crop already.
    """

    picture: str
    face: int
    box: tuple[float, float, float, float] | None
    quality: Quality | None


class Rows:
    """The encodings of several shards as one array (N, D) float32, of which slices and rows are read on demand."""

    ndim, dtype = 2, np.dtype(np.float32)

    def __init__(self, found: Sequence[shards.Shard]) -> None:
        self.shards = [shard for shard in found if len(shard)]
        self.starts = np.cumsum([0, *map(len, self.shards)])
        dimensions = {shard.encodings.shape[1] for shard in self.shards[:1]} or {1}
        self.shape = int(self.starts[-1]), dimensions.pop()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            parts = list(self._between(key.start or 0, min(key.stop, len(self))))
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        rows = np.empty((len(key), self.shape[1]), np.float32)
        owners = self.starts.searchsorted(key, "right") - 1
        for owner in np.unique(owners):
            rows[owners == owner] = self.shards[owner].encodings[key[owners == owner] - self.starts[owner]]
        return rows

    def _between(self, low: int, high: int) -> Iterator[np.ndarray]:
        first = int(self.starts.searchsorted(low, "right")) - 1
        while first < len(self.shards) and (start := int(self.starts[first])) < high:
            yield self.shards[first].encodings[max(low - start, 0) : high - start]
            first += 1


@lru_cache(maxsize=2)
def _searchable(portion: Portion, metric: str) -> Any:
    """Return an Index of shards, or their Rows for metrics without one. Every shard is checked. Raises LoadError."""
    found = [shards.opened(Path(path)) for path, _ in portion]
    for shard, (path, sha256) in zip(found, portion, strict=True):
        if shard.sha256 != sha256:
            raise LoadError(f"shard {path!r} is another than when the collection was opened; open it again")
    parallel(shards.Shard.check, [(shard,) for shard in found])
    rows: Any = Rows(found)
    return Index(rows) if metric == "squared_l2" and len(rows) else rows


def search(portion: Portion, queries: np.ndarray, k: int, metric: str) -> Nearest:
    """Return the k nearest faces in these shards to each query, or all if there are fewer. They stay open."""
    found = _searchable(portion, metric)
    if isinstance(found, Index):
        return found.nearest(queries, min(k, len(found.encodings)))
    best = [Nearest(np.empty((len(queries), 0)), np.empty((len(queries), 0), np.int64))]
    for start in range(0, len(found), BLOCK):
        distances = scoring.all_distances(scoring.by_metric(metric), queries, found[start : start + BLOCK])
        places = np.broadcast_to(np.arange(start, start + distances.shape[1]), distances.shape)
        best = [merged([*best, Nearest(distances, places)], k)]
    return best[0]


def merged(found: Sequence[Nearest], k: int) -> Nearest:
    """Return the k nearest of several results. Ties ascend by place."""
    distances, places = (np.concatenate(part, axis=1) for part in zip(*found, strict=True))
    order = np.lexsort((places, distances), axis=1)[:, :k]
    return Nearest(np.take_along_axis(distances, order, 1), np.take_along_axis(places, order, 1))


class Collection:
    """The faces in all shards below a folder, in the order of their paths.

    facts: about their encoder, as `faces.encoding.identity` gives. missing: shards that a stopped run has yet to make.
    client: of Dask; its workers then search, each in shards that it keeps, under the same paths. None: this process.
    Only headers are read here; every shard is checked when it is searched first. Raises MissingFileError or LoadError.
    """

    def __init__(self, folder: str | os.PathLike[str], *, client: Any = None) -> None:
        self.folder, self.client = Path(folder), client
        if why := unreadable(self.folder, folder=True):
            kind = MissingFileError if why == MISSING else InputError
            raise kind(f"collection {str(folder)!r} {why}; expected a folder that minicnn face encode has written")
        manifests = sorted(self.folder.rglob(MANIFEST))
        found = [path for place in manifests for path in sorted(place.parent.glob("*.h5"))]
        self.shards = [shards.opened(path) for path in found]
        if not self.shards:
            raise InputError(f"collection {str(folder)!r} holds no shards; expected those of minicnn face encode")
        self.missing = sum(int(manifest_of(path.parent)["shards"]) for path in manifests) - len(found)
        self.facts = {name: self.shards[0].header[name] for name in IDENTITY}
        for shard in self.shards:
            if different := [name for name in IDENTITY if shard.header.get(name) != self.facts[name]]:
                raise LoadError(f"shard {str(shard.path)!r} is of another encoder ({different[0]}); expected only one")
        self.starts = np.cumsum([0, *map(len, self.shards)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def check_encoder(self, identity: Mapping[str, Any]) -> None:
        """Raise LoadError unless the encoder of this identity made the collection."""
        try:
            check_same_encoder(self.facts, identity)
        except LoadError as problem:
            raise LoadError(f"collection {str(self.folder)!r}: {problem}") from problem

    def nearest(self, queries: np.ndarray, k: int = 1) -> Nearest:
        """Return the k nearest faces to each query (queries, D), or all if there are fewer, by the encoder's metric.

        places are numbers of faces in the collection. Raises InputError, or LoadError for a damaged shard.
        """
        check_count("nearest: k", k)
        queries = np.asarray(queries)
        if queries.ndim != 2 or queries.shape[1] != self.facts["embedding"] or queries.dtype.kind != "f":
            raise InputError(
                f"nearest: queries have shape {queries.shape} and dtype {queries.dtype}; "
                f"expected floats (queries, {self.facts['embedding']})"
            )
        metric = str(self.facts["metric"])
        if self.client is None:
            return search(self._portion(0, len(self.shards)), queries, k, metric)
        from minicnn.scale import workers

        edges = self._edges(sorted(self.client.nthreads()))
        portions = {address: self._portion(*edge) for address, edge in edges.items()}
        found = workers.search_on(self.client, portions, queries, k, metric)
        shifted = [
            Nearest(one.distances, one.places + self.starts[edges[address][0]]) for address, one in found.items()
        ]
        return merged(shifted, k)

    def _portion(self, first: int, last: int) -> Portion:
        return tuple((str(shard.path.absolute()), shard.sha256) for shard in self.shards[first:last])

    def _edges(self, addresses: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Return the first shard of each worker, and the first of the next, so that all have about as many faces."""
        count = len(addresses)
        goals = [len(self) * i / count for i in range(count + 1)]
        cut = [int(np.abs(self.starts - goal).argmin()) for goal in goals[:-1]] + [len(self.shards)]
        return {a: (cut[i], cut[i + 1]) for i, a in enumerate(addresses) if cut[i] < cut[i + 1]}

    def hit(self, place: int) -> Hit:
        """Return the face of this number. Raises InputError if there is none."""
        check_count("hit: place", place, 0, len(self) - 1)
        owner = int(self.starts.searchsorted(place, "right")) - 1
        shard, row = self.shards[owner], place - int(self.starts[owner])
        picture, *values = shard.faces[row].tolist()
        first = int(np.searchsorted(shard.faces[:, 0], picture))
        known = not np.isnan(values[0])
        box = tuple(values[:4]) if known else None
        quality = Quality(*values[6:]) if not np.isnan(values[6]) else None
        return Hit(shard.pictures[int(picture)]["picture"], row - first + 1, box, quality)  # type: ignore[arg-type]
