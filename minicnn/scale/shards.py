"""Shards: files of encodings with a manifest of their pictures and faces. A shard is whole, or it is not there.

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.faces.quality import Quality
from minicnn.files import MISSING, replacing, unreadable
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
    def sha256(self) -> str:
        """The checksum in the header, of everything else in the file."""
        return str(self.header["sha256"])

    @property
    def encodings(self) -> np.ndarray:
        """The encodings (faces, D) float32, memory-mapped."""
        return _mapped(self.path, self.sha256, "encodings", *_place(self.header, "encodings"))

    @property
    def faces(self) -> np.ndarray:
        """The manifest of the faces, (faces, columns) float32, memory-mapped."""
        return _mapped(self.path, self.sha256, "faces", *_place(self.header, "faces"))

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """The manifest of the pictures, a row each."""
        return _rows(self.path, self.sha256, *_place(self.header, "pictures"))

    def check(self) -> None:
        """Raise LoadError unless every byte is as it was written. Reads the whole file."""
        try:
            with open(self.path, "rb") as file:
                file.seek(HEADER)
                found = _digest(self.header, iter(lambda: file.read(BLOCK), b""))
        except OSError as problem:
            raise LoadError(f"shard {str(self.path)!r} cannot be read ({one_line(problem)}); {AGAIN}") from problem
        if found != self.sha256:
            raise LoadError(f"shard {str(self.path)!r} is damaged: its checksum is another than it says; {AGAIN}")


def _place(header: Mapping[str, Any], name: str) -> tuple[int, tuple[int, ...]]:
    offset, shape = header["arrays"][name]
    return int(offset), tuple(shape)


@lru_cache(maxsize=MAPS)
def _mapped(path: Path, sha256: str, name: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    if not math.prod(shape):
        return np.empty(shape, DTYPES[name])
    return np.memmap(path, DTYPES[name], "r", offset, shape).view(np.ndarray)


@lru_cache(maxsize=64)
def _rows(path: Path, sha256: str, offset: int, shape: tuple[int, ...]) -> list[dict[str, Any]]:
    with open(path, "rb") as file:
        file.seek(offset)
        return json.loads(file.read(*shape))


def _digest(header: Mapping[str, Any], blocks: Iterator[bytes]) -> str:
    facts = {key: value for key, value in header.items() if key != "sha256"}
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for block in blocks:
        total.update(block)
    return total.hexdigest()


def opened(path: Path) -> Shard:
    """Return the Shard at a path, after reading its header alone. Raises MissingFileError or LoadError."""
    label = f"shard {str(path)!r}"
    if why := unreadable(path):
        raise (MissingFileError if why == MISSING else LoadError)(f"{label} {why}; {AGAIN}")
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(HEADER).rstrip(b"\0"))
            size = file.seek(0, os.SEEK_END)
        if header["format"] != FORMAT:
            raise LoadError(f"{label} has the format {one_line(header['format'], 40)}; expected {FORMAT}")
        for name, dtype in DTYPES.items():
            offset, shape = header["arrays"][name]
            if not all(type(n) is int and n >= 0 for n in (offset, *shape)) or len(shape) != 1 + (dtype == "<f4"):
                raise ValueError(f"{name} lies at {offset}, {shape}")
            if offset + math.prod(shape) * np.dtype(dtype).itemsize > size:
                raise ValueError("it is truncated")
        return Shard(path, {**header, "sha256": str(header["sha256"])})
    except LoadError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise LoadError(f"{label} is damaged, or none ({one_line(problem, 80)}); {AGAIN}") from problem


def packed(
    facts: Mapping[str, str | int], encodings: np.ndarray, faces: np.ndarray, pictures: Sequence[Mapping[str, Any]]
) -> bytes:
    """Return the bytes of a shard, which depend on the arguments alone. Raises InputError."""
    import h5py

    rows = np.frombuffer(json.dumps(pictures).encode(), np.uint8)
    given = {"encodings": encodings, "faces": faces, "pictures": rows}
    places, file = {}, io.BytesIO()
    with h5py.File(file, "w", userblock_size=HEADER) as made:
        made.attrs.update({**facts, "columns": ",".join(COLUMNS)})
        for name, dtype in DTYPES.items():
            dataset = made.create_dataset(name, data=given[name].astype(dtype, copy=False))
            places[name] = [dataset.id.get_offset() if given[name].size else 0, given[name].shape]
    content = file.getbuffer()
    header: dict[str, Any] = {"format": FORMAT, **facts, "arrays": places}
    header["sha256"] = _digest(header, iter([content[HEADER:]]))
    text = json.dumps(header).encode()
    if len(text) > HEADER:
        raise InputError(f"encode: the encoder's card takes {len(text):,} bytes; expected at most {HEADER:,}")
    content[: len(text)] = text
    return bytes(content)


def write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all. Raises InputError, for example if the disk is full."""
    try:
        with replacing(path, name=f".{path.name}.part") as beside:
            beside.write_bytes(content)
    except OSError as problem:
        raise InputError(
            f"encode: {str(path)!r} cannot be written ({problem.strerror or problem}); finished shards are kept, and "
            "the same command resumes"
        ) from problem
