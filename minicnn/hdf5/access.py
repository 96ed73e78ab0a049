"""The door by which every file comes in, and the guard beside it."""

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

# What a file is called in messages, and what it should have been.
EXPECTED = {"weights": "expected an HDF5 file of weights", "gallery": "expected a gallery that minicnn saved"}
SIGNATURE = b"\x89HDF\r\n\x1a\n"
RECENT = 2e9  # nanoseconds; what was written so lately may be written again with the same time

_known: set[str] = set()
_readers: dict[bytes, Callable[[Path], Mapping[str, np.ndarray]]] = {}
_listings: dict[tuple[int, ...], Listing] = {}


def trust(checksums: Iterable[str]) -> None:
    """Files with these SHA-256 are known to be sound: up to 64 MB they are read in this process, which is quicker; and
    any where no other can be started.
    """
    _known.update(checksums)


def accept(beginning: bytes, read: Callable[[Path], Mapping[str, np.ndarray]]) -> None:
    """Files that begin so are weights, too: `read` gives {path: array of float32}, or raises LoadError."""
    _readers[beginning] = read


@contextmanager
def opened(path: Any, kind: str = "weights") -> Iterator[Source]:
    """The file, open for reading. A LoadError from inside the block gets the file's name in front.

    kind: of EXPECTED, for messages.
    """
    place = _checked(path, kind)
    with named(path, kind), _reading(place) as source:
        yield source


def listing_of(path: Any) -> Listing:
    """What a file holds, found out once for as long as it stays the same. Raises as `opened`."""
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
    """What goes wrong with a file inside the block is told with its name, on one line."""
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
    """The path, once it is known to lead to an HDF5 file."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"{kind} is a {type(path).__name__}; expected the path of an HDF5 file")
    label, expected = f"{kind} {os.fspath(path)!r}", EXPECTED[kind]
    place = Path(os.fsdecode(path))
    try:
        if not place.exists():
            raise MissingFileError(f"{label} does not exist; {expected}")
        if place.is_dir():
            raise LoadError(f"{label} is a folder; {expected}")
        if not place.is_file():  # a pipe would keep us waiting for ever
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
    """Whether HDF5's signature is where it may be: at 0, 512, 1024, 2048, …"""
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
    """Read in this process what `accept` knows, what `trust` knows, and what this user sealed (see seals.py)."""
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
    """The bytes that were hashed, and no others."""
    import h5py

    from minicnn.hdf5 import reader

    with h5py.File(io.BytesIO(content), "r") as file:
        numbers = partial(reader.blocks, file)
        yield _Held(parsed(reader.listing(file)), lambda path: b"".join(block.tobytes() for block in numbers(path)))


class _Held:
    """What can be read in this process. bytes_of: the elements of the array at a path."""

    def __init__(self, listing: Listing, bytes_of: Callable[[str], bytes | memoryview]) -> None:
        self.listing, self.bytes_of = listing, bytes_of

    def stream(self, path: str) -> Stream:
        return _Numbers(self.bytes_of(path))


class _Numbers(io.BytesIO):
    def fill(self, buffer: np.ndarray) -> None:
        self.readinto(buffer.data.cast("B"))
