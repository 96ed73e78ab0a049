"""Shards: files of encodings with a manifest of their pictures and faces. A shard is complete, or it does not exist.

A shard is HDF5, so any tool reads its arrays. Its header, JSON in the user block in front, has the facts about the
encoder, the place of each array, and a checksum. So it is checked and memory-mapped without the HDF5 library.

encodings: (faces, D) float32. faces: (faces, columns) float32, a row of COLUMNS per face. pictures: JSON in UTF-8, a
row per picture: {"picture": name, "faces": count}, or {"picture": name, "error": reason} if it cannot be read.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import InputError, LoadError
from minicnn.faces import scoring
from minicnn.faces.quality import Quality
from minicnn.faces.search import Index, Nearest
from minicnn.files import replacing, unreadable
from minicnn.resources import parallel
from minicnn.text import one_line

FORMAT = "minicnn-encodings-1"
HEADER = 4096  # bytes of the user block
BLOCK = 2**20  # bytes hashed at once
MAPS = 256  # files mapped at the same time; a process may open about a thousand
COLUMNS = ("picture", "left", "top", "right", "bottom", "score", "turn", *Quality._fields)
DTYPES = {"encodings": "<f4", "faces": "<f4", "pictures": "|u1"}
AGAIN = "restore it from a copy, or delete it and run minicnn face encode again"


@dataclass(frozen=True)
class Shard:
    """A shard, of which only the header has been read. header: its facts, with the place of each array."""

    path: Path
    header: Mapping[str, Any]

    def __len__(self) -> int:
        return int(self.header["arrays"]["encodings"][1][0])

    @property
    def encodings(self) -> np.ndarray:
        """The encodings (faces, D) float32, memory-mapped."""
        return self._array("encodings")

    @property
    def faces(self) -> np.ndarray:
        """The manifest of the faces, (faces, columns) float32, memory-mapped."""
        return self._array("faces")

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """The manifest of the pictures, one row each."""
        return json.loads(self._array("pictures").tobytes())

    def _array(self, name: str) -> np.ndarray:
        offset, shape = self.header["arrays"][name]
        return _mapped(self.path, str(self.header["sha256"]), DTYPES[name], offset, tuple(shape))

    def check(self, sha256: str = "") -> None:
        """Raise LoadError unless every byte is as it was written. Reads the whole file.

        sha256: the checksum that is expected; default is that in the header.
        """
        with open(self.path, "rb") as file:
            file.seek(HEADER)
            found = _digest(self.header, iter(lambda: file.read(BLOCK), b""))
        if found != (sha256 or self.header["sha256"]):
            raise LoadError(f"shard {str(self.path)!r} is damaged: its checksum is not {found[:12]}…; {AGAIN}")


@lru_cache(maxsize=MAPS)
def _mapped(path: Path, sha256: str, dtype: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    if not math.prod(shape):
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", offset, shape).view(np.ndarray)


def _digest(header: Mapping[str, Any], blocks: Iterable[bytes | memoryview]) -> str:
    facts = {key: value for key, value in header.items() if key != "sha256"}
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for block in blocks:
        total.update(block)
    return total.hexdigest()


def opened(path: Path) -> Shard:
    """Return the Shard at a path, after reading its header alone. Raises LoadError."""
    try:
        if why := unreadable(path):
            raise ValueError(f"it {why}")
        with open(path, "rb") as file:
            header = json.loads(file.read(HEADER).rstrip(b"\0"))
            size = file.seek(0, os.SEEK_END)
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}")
        header["sha256"] = str(header["sha256"])
        for name, dtype in DTYPES.items():
            offset, shape = header["arrays"][name]
            if not all(type(n) is int and n >= 0 for n in (offset, *shape)) or len(shape) != 1 + (dtype == "<f4"):
                raise ValueError(f"{name} lies at {offset}, {shape}")
            if offset + math.prod(shape) * np.dtype(dtype).itemsize > size:
                raise ValueError("it is truncated")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise LoadError(f"shard {str(path)!r} is damaged, or none ({one_line(problem, 80)}); {AGAIN}") from problem
    return Shard(path, header)


def packed(
    facts: Mapping[str, str | int], encodings: np.ndarray, faces: np.ndarray, pictures: Sequence[Mapping[str, Any]]
) -> bytes:
    """Return the bytes of a shard, which depend on the arguments alone. Raises InputError."""
    import h5py

    rows = np.frombuffer(json.dumps(pictures).encode(), np.uint8)
    places, file = {}, io.BytesIO()
    with h5py.File(file, "w", userblock_size=HEADER) as made:
        made.attrs.update({**facts, "columns": ",".join(COLUMNS)})
        for (name, dtype), array in zip(DTYPES.items(), (encodings, faces, rows), strict=True):
            dataset = made.create_dataset(name, data=array.astype(dtype, copy=False))
            places[name] = [dataset.id.get_offset() if array.size else 0, array.shape]
    content = file.getbuffer()
    header: dict[str, Any] = {"format": FORMAT, **facts, "arrays": places}
    text = json.dumps({**header, "sha256": _digest(header, [content[HEADER:]])}).encode()
    if len(text) > HEADER:
        raise InputError(f"encode: the facts of the encoder take {len(text):,} bytes; expected at most {HEADER:,}")
    content[: len(text)] = text
    return bytes(content)


def write(path: Path, content: bytes) -> None:
    """Write a shard, completely or not at all. Raises InputError, for example if the disk is full."""
    try:
        with replacing(path, name=f".{path.name}.part") as beside:
            beside.write_bytes(content)
    except OSError as problem:
        said = f"encode: {str(path)!r} cannot be written ({problem.strerror or problem})"
        raise InputError(f"{said}; finished shards are kept, and the same command resumes") from problem


# The shards of one process: path, checksum, and number of the first face. They are one array, of which blocks are read
# on demand, so that memory holds one float per face.
Portion = tuple[tuple[str, str, int], ...]


class Rows:
    """The encodings of several shards as one array (N, D) float32, of which slices and rows are read on demand."""

    ndim, dtype = 2, np.dtype(np.float32)

    def __init__(self, found: Sequence[Shard]) -> None:
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
    found = [opened(Path(path)) for path, _, _ in portion]
    parallel(Shard.check, [(shard, sha256) for shard, (_, sha256, _) in zip(found, portion, strict=True)])
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
