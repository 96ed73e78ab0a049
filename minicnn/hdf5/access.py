"""Opening weights files: checks on the path, the cache of listings, and the choice of a reader."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.hdf5 import seals
from minicnn.hdf5.entries import Damaged, Entry, Listing, Source, Stream, parsed
from minicnn.text import one_line

# Names of the kinds of file, and what messages say was expected.
EXPECTED = {"weights": "expected an HDF5 file of weights", "gallery": "expected a gallery that minicnn saved"}
SIGNATURE = b"\x89HDF\r\n\x1a\n"
RECENT = 2e9  # nanoseconds; a file modified this recently may change again without a new modification time

_known: set[str] = set()
_readers: dict[bytes, Callable[[Path], Mapping[str, np.ndarray]]] = {}
_listings: dict[tuple[int, ...], Listing] = {}


def trust(checksums: Iterable[str]) -> None:
    """Trust files with these SHA-256 checksums.

    Up to 64 MB, they are read in this process, which is faster. Larger ones are too if no other process can be started.
    """
    _known.update(checksums)


def accept(beginning: bytes, read: Callable[[Path], Mapping[str, np.ndarray]]) -> None:
    """Register a reader of weights files that begin with these bytes.

    read: returns {path: array of float32} for a file, or raises LoadError.
    """
    _readers[beginning] = read


@contextmanager
def opened(path: Any, kind: str = "weights") -> Iterator[Source]:
    """Open a file for reading, and yield the Source. A LoadError raised in the block is prefixed with the file's name.

    kind: a key of EXPECTED, for messages. Raises InputError, MissingFileError or LoadError.
    """
    place = _checked(path, kind)
    with named(path, kind), _reading(place) as source:
        yield source


def listing_of(path: Any) -> Listing:
    """Return the Listing of a file, cached until the file changes. Raises as `opened` does."""
    place = _checked(path)
    state = place.stat()
    same = state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
    if same not in _listings:
        with opened(path) as source:
            found = source.listing
        if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) < RECENT:
            return found
        if len(_listings) == 8:
            _listings.clear()
        _listings[same] = found
    return _listings[same]


@contextmanager
def named(path: Any, kind: str = "weights") -> Iterator[None]:
    """Turn errors about a file inside the block into a LoadError of one line, with the file's name."""
    label, expected = f"{kind} {os.fspath(path)!r}", EXPECTED[kind]
    try:
        yield
    except LoadError as problem:
        raise LoadError(f"{label}: {one_line(problem, longest=1500)}") from problem
    except InputError:
        raise
    except Damaged as problem:
        raise LoadError(f"{label} is damaged or truncated ({one_line(problem)}); {expected}") from problem
    except OSError as problem:
        raise LoadError(f"{label} cannot be read ({one_line(problem)}); {expected}") from problem


def _checked(path: Any, kind: str = "weights") -> Path:
    """Return the path if it leads to an HDF5 file or one that `accept` knows. Raises InputError if not."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"{kind} is a {type(path).__name__}; expected the path of an HDF5 file")
    label, expected = f"{kind} {os.fspath(path)!r}", EXPECTED[kind]
    place = Path(os.fsdecode(path))
    try:
        if not place.exists():
            raise MissingFileError(f"{label} does not exist; {expected}")
        if place.is_dir():
            raise LoadError(f"{label} is a folder; {expected}")
        if not place.is_file():  # opening a pipe would block forever
            raise LoadError(f"{label} is not a regular file; {expected}")
        with open(place, "rb") as file:
            start = file.read(64)
            found = _signed(file) or (kind == "weights" and _reader_for(start) is not None)
    except InputError:
        raise
    except (OSError, ValueError) as problem:
        raise LoadError(f"{label} cannot be opened ({one_line(problem)}); {expected}") from problem
    if not start:
        raise LoadError(f"{label} is empty; {expected}")
    if not found:
        hint = " but a zip archive; a .keras file holds one called model.weights.h5" if start[:2] == b"PK" else ""
        raise LoadError(f"{label} is not HDF5{hint}; {expected}")
    return place


def _signed(file: io.BufferedReader) -> bool:
    """Return True if the HDF5 signature is at one of the allowed offsets: 0, 512, 1024, 2048, …"""
    place, size = 0, file.seek(0, io.SEEK_END)
    while place < size:
        file.seek(place)
        if file.read(len(SIGNATURE)) == SIGNATURE:
            return True
        place = 2 * place or 512
    return False


def _reader_for(start: bytes) -> Callable[[Path], Mapping[str, np.ndarray]] | None:
    return next((read for beginning, read in _readers.items() if start.startswith(beginning)), None)


def _reading(place: Path) -> AbstractContextManager[Source]:
    """Open a file in this process if `accept`, `trust` or a seal (see seals.py) allows it, or else in another."""
    with open(place, "rb") as file:
        read = _reader_for(file.read(64))
    if read is not None:
        arrays = read(place)
        entries = {path: Entry(array.shape, "float32", np.dtype("<f4")) for path, array in arrays.items()}
        return nullcontext(_Held(Listing({"": {}}, entries), lambda path: arrays[path].data.cast("B")))
    if seals.worth_hashing(place):
        content = place.read_bytes()
        if hashlib.sha256(content).hexdigest() in _known or seals.is_sealed(content):
            return _reading_here(content)
    from minicnn.hdf5 import isolation

    return isolation.reading(place)


@contextmanager
def _reading_here(content: bytes) -> Iterator[Source]:
    """Open the bytes that were hashed, not the file, which may have changed since."""
    import h5py

    from minicnn.hdf5 import reader

    with h5py.File(io.BytesIO(content), "r") as file:
        numbers = partial(reader.blocks, file)
        yield _Held(parsed(reader.listing(file)), lambda path: b"".join(block.tobytes() for block in numbers(path)))


class _Held:
    """A Source in this process. bytes_of: return the elements of the array at a path, as bytes."""

    def __init__(self, listing: Listing, bytes_of: Callable[[str], bytes | memoryview]) -> None:
        self.listing, self.bytes_of = listing, bytes_of

    def stream(self, path: str) -> Stream:
        return _Numbers(self.bytes_of(path))


class _Numbers(io.BytesIO):
    def fill(self, buffer: np.ndarray) -> None:
        self.readinto(buffer.data.cast("B"))
