"""Metadata of a file, as plain text and numbers: everything that is known before an array is read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

LARGEST = 2**62  # elements


class Damaged(Exception):
    """A file that the HDF5 library cannot read."""


@dataclass(frozen=True)
class Entry:
    """The metadata of one dataset. shape: None if it has no data. dtype: as h5py calls it.

    stored: the dtype of its elements, or None if they are neither floats nor bytes. brain_float: True if they are
    bfloat16, the upper halves of float32, a type that HDF5 lacks. offset: position of the data in the file if it is
    contiguous, or else None.
    """

    shape: tuple[int, ...] | None
    dtype: str
    stored: np.dtype | None
    brain_float: bool = False
    offset: int | None = None

    @property
    def floats(self) -> bool:
        """True if the elements are floats."""
        return self.brain_float or (self.stored is not None and self.stored.kind == "f")

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape) if self.shape is not None else 0

    @property
    def nbytes(self) -> int:
        """Size of the elements in bytes."""
        return self.size * (self.stored.itemsize if self.stored is not None else 0)


@dataclass(frozen=True)
class Listing:
    """Metadata of a file. groups: {path: attributes}, "" for the file itself. arrays: {path: Entry}. Paths: a/b/c."""

    groups: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, Entry]


class Stream(Protocol):
    """The elements of one array, as stored, in order."""

    def fill(self, buffer: np.ndarray) -> None:
        """Read the next elements into a contiguous array. Raises Damaged if there are too few."""


class Source(Protocol):
    """An open file."""

    listing: Listing

    def stream(self, path: str) -> Stream:
        """Return a Stream of the array at `path`. Raises LoadError or Damaged."""


def parsed(answer: Any) -> Listing:
    """Return the Listing in an answer of reader.py, validated: a damaged file may have corrupted it. Raises Damaged."""
    try:
        groups = {str(path): dict(attributes) for path, attributes in answer["groups"].items()}
        arrays = {str(path): _entry(**entry) for path, entry in answer["arrays"].items()}
        groups[""]
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise Damaged("what it holds cannot be told") from problem
    return Listing(groups, arrays)


def _entry(shape: Any, dtype: Any, format: Any, offset: Any = None) -> Entry:
    if shape is not None:
        shape = tuple(shape)
        if not all(type(n) is int and 0 <= n < LARGEST for n in shape):
            raise ValueError(shape)
    if offset is not None and not (type(offset) is int and 0 <= offset < LARGEST):
        raise ValueError(offset)
    if format == "bfloat16":
        return Entry(shape, "bfloat16", np.dtype("<u2"), brain_float=True, offset=offset)
    if format is not None and not re.fullmatch(r"[<>]f[248]|\|u1", format):
        raise ValueError(format)
    return Entry(shape, str(dtype), None if format is None else np.dtype(format), offset=offset)
