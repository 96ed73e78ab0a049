"""Gallery files: HDF5 that records the encoder of its encodings, readable only by its owner.

Attributes describe the encoder and the settings. `encodings` (N, D) float32 is contiguous, so that a large file can be
memory-mapped. `people` is JSON in UTF-8, {name: number of encodings, in order}.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.faces.records import Records, proper_name
from minicnn.files import replacing
from minicnn.hdf5.access import opened
from minicnn.hdf5.entries import Source
from minicnn.hdf5.loader import Checksum
from minicnn.hdf5.seals import USER_BLOCK, seal
from minicnn.text import one_line

FORMAT = "minicnn-gallery-1"
COPIED = 64 * 2**20  # bytes; larger encodings are memory-mapped
MAPPED = sys.platform != "win32"  # Windows cannot replace a mapped file
BLOCK = 2**16  # encodings checked at once
ATTEMPTS = 10  # to read a file that others write meanwhile
PATIENCE = 60.0  # seconds to wait for another process that writes


@dataclass(frozen=True)
class Content:
    """The content of a gallery file. facts: its attributes. arrays: parameters of a head, {name: array}."""

    facts: Mapping[str, str | int | float]
    records: Records
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Checksum of the whole content."""
        total = Checksum()
        facts = sorted((key, value) for key, value in self.facts.items() if key != "sha256")
        for name, array in sorted({"facts": _json(facts), **self.datasets()}.items()):
            total.begin(name, array.dtype, array.shape)
            total.add(array)
        return total.hexadecimal()

    def datasets(self) -> dict[str, np.ndarray]:
        """Return {name: array} of all datasets."""
        people = _json(list(self.records.counts.items()))
        return {"encodings": self.records.encodings, "people": people, **self.arrays}


def _json(value: Any) -> np.ndarray:
    return np.frombuffer(json.dumps(value, ensure_ascii=False).encode(), np.uint8)


# Reading


def read(path: Path) -> Content:
    """Read a gallery file. Raises MissingFileError, or LoadError for a file that is damaged or not a gallery."""
    for _ in range(ATTEMPTS - 1):
        before = _state(path)
        try:
            return _read(path)
        except LoadError:  # it may have been replaced meanwhile
            if before == _state(path):
                raise
    return _read(path)


def _state(path: Path) -> tuple[int, int] | None:
    """Return a value that changes when another process saves the file; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _read(path: Path) -> Content:
    with opened(path, "gallery") as file:
        facts = _facts(file)
        size = path.stat().st_size
        arrays = {n: _array(file, n, size) for n in file.listing.arrays if n not in ("encodings", "people")}
        encodings = _encodings(file, path, facts, size)
        people = _people(_array(file, "people", size), len(encodings))
        labels = np.repeat(np.arange(len(people)), list(people.values()))
        content = Content(facts, Records(tuple(people), labels, encodings), arrays)
        if content.sha256 != facts.get("sha256"):
            raise LoadError("it is damaged: its checksum is another than it says; restore it from a copy")
        for start in range(0, len(encodings), BLOCK):
            if not np.isfinite(encodings[start : start + BLOCK]).all():
                raise LoadError("its encodings hold NaN or infinity; expected finite numbers")
    return content


def facts_of(path: Path) -> dict[str, Any]:
    """Return the attributes of a file without reading its encodings. Raises as `read` does."""
    with opened(path, "gallery") as file:
        return _facts(file)


def _facts(file: Source) -> dict[str, Any]:
    facts = dict(file.listing.groups[""])
    if facts.get("format") != FORMAT:
        found = one_line(repr(facts.get("format")), longest=60)
        newer = str(facts.get("format")).startswith(FORMAT.rstrip("0123456789"))
        how = "a newer minicnn has written it" if newer else "as minicnn saves galleries"
        raise LoadError(f"its format is {found}; expected {FORMAT!r}: {how}")
    return facts


def _entry(file: Source, name: str, size: int) -> Any:
    """Return the Entry of an array. size: bytes of the file. Raises LoadError if it is missing or truncated."""
    entry = file.listing.arrays.get(name)
    if entry is None or entry.stored is None or entry.shape is None or entry.brain_float:
        raise LoadError(f"it holds no array {name!r}; expected {FORMAT!r}, as minicnn saves galleries")
    if entry.nbytes > size:
        raise LoadError(f"it is truncated: {name!r} takes {entry.nbytes:,} bytes and the file has {size:,}")
    return entry


def _array(file: Source, name: str, size: int) -> np.ndarray:
    entry = _entry(file, name, size)
    array = np.empty(entry.shape, entry.stored)
    if array.size:
        file.stream(name).fill(array)
    return array


def _encodings(file: Source, path: Path, facts: Mapping[str, Any], size: int) -> np.ndarray:
    entry = _entry(file, "encodings", size)
    if entry.dtype != "float32" or len(entry.shape) != 2 or entry.shape[1] != facts.get("embedding"):
        raise LoadError(
            f"its encodings are {entry.dtype} {entry.shape}; expected float32 (N, {facts.get('embedding')})"
        )
    if entry.nbytes <= COPIED or entry.offset is None or not MAPPED:
        return _array(file, "encodings", size).astype(np.float32, copy=False)
    if entry.offset + entry.nbytes > size:
        raise LoadError("it is truncated: its encodings go on behind its end; restore it from a copy")
    return np.memmap(path, entry.stored, "r", entry.offset, entry.shape)


def _people(text: np.ndarray, encodings: int) -> dict[str, int]:
    try:
        pairs = json.loads(text.tobytes().decode("utf-8"))
        people = dict(pairs)
        if len(people) != len(pairs) or any(proper_name(name, "load") != name for name in people):
            raise ValueError
        if not all(type(count) is int and count >= 1 for count in people.values()) or sum(people.values()) != encodings:
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise LoadError(f"its people are not those of its {encodings} encodings; restore it from a copy") from None
    return people


# Writing


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Lock the gallery against other writers. The system releases the lock if a process dies. Raises InputError."""
    import filelock

    lock = filelock.FileLock(str(path.with_name(f".{path.name}.lock")))
    try:
        lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        raise InputError(f"gallery {str(path)!r}: another process has been writing it for {PATIENCE:.0f} s") from None
    except (OSError, NotImplementedError) as problem:  # the latter on file systems without locks
        raise InputError(f"gallery {str(path)!r} cannot be written ({one_line(problem)})") from problem
    try:
        yield
    finally:
        lock.release()


def write(path: Path, content: Content) -> str:
    """Write the file atomically, inside `alone`, and return its checksum. Raises InputError or MissingFileError."""
    facts = {**content.facts, "format": FORMAT}
    content = Content(facts, content.records.grouped(), content.arrays)
    sha256 = content.sha256
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if os.path.exists(path) else 0o600  # or as the owner has set it
        with replacing(path, name=f".{path.name}.part", mode=mode) as beside:
            _write(beside, {**facts, "sha256": sha256}, content.datasets())
            seal(beside)
    except (OSError, RuntimeError, ValueError, TypeError) as problem:
        raise InputError(f"gallery {str(path)!r} cannot be written ({one_line(problem)})") from problem
    return sha256


def _write(path: Path, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    import h5py

    # The file is private until renamed, and some file systems have no locks.
    with h5py.File(path, "w", locking=False, userblock_size=USER_BLOCK) as file:
        for key, value in facts.items():
            file.attrs[key] = value
        for name, array in arrays.items():
            file.create_dataset(name, data=array)


def target_of(path: Any, name: str) -> Path:
    """Return the file that a path leads to, with links resolved. Raises InputError or MissingFileError."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"{name}: path is a {type(path).__name__}; expected the path of a gallery")
    shown = f"{name}: path {one_line(repr(os.fspath(path)))}"
    try:
        target = Path(os.path.realpath(os.fsdecode(path)))
        in_folder, is_folder = os.path.isdir(target.parent), os.path.isdir(target)
    except (OSError, ValueError) as problem:  # too long, or with an invalid character
        raise InputError(f"{shown} is none ({one_line(problem.args[-1])}); expected the path of a gallery") from problem
    if not in_folder:
        raise MissingFileError(f"{shown} is in a folder that does not exist")
    if is_folder:
        raise InputError(f"{shown} is a folder; expected a file")
    return target
