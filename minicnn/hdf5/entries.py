"""What a file holds, in plain text and numbers: all that is known of it before an array is read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

LARGEST = 2**62  # elements


class Damaged(Exception):
    """HDF5's library cannot make sense of a file."""


@dataclass(frozen=True)
class Entry:
    """One dataset. shape: None for one without data. dtype: as h5py calls it.

    stored: the type of its elements, None for what is neither float nor bytes; brain_float: whether these are the
    upper halves of float32, of which HDF5 knows nothing. offset: where in the file they lie, one after the other; None
    where they do not.
    """

    shape: tuple[int, ...] | None
    dtype: str
    stored: np.dtype | None
    brain_float: bool = False
    offset: int | None = None

    @property
    def floats(self) -> bool:
        """Whether its elements are numbers that a network may have."""
        return self.brain_float or (self.stored is not None and self.stored.kind == "f")

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape) if self.shape is not None else 0

    @property
    def nbytes(self) -> int:
        """How many bytes these take."""
        return self.size * (self.stored.itemsize if self.stored is not None else 0)


@dataclass(frozen=True)
class Listing:
    """groups: {path: its attributes}, "" for the file itself. arrays: {path: Entry}. Paths are as in a/b/c."""

    groups: Mapping[str, Mapping[str, Any]]
    arrays: Mapping[str, Entry]


class Stream(Protocol):
    """The numbers of one array, as they are stored, in the order of its elements."""

    def fill(self, buffer: np.ndarray) -> None:
        """The next of them into a contiguous array. Raises Damaged when there are fewer."""


class Source(Protocol):
    """An open file."""

    listing: Listing

    def stream(self, path: str) -> Stream:
        """The array at `path`. Raises LoadError or Damaged."""


def parsed(answer: Any) -> Listing:
    """The Listing in an answer of reader.py, which is not believed blindly: it may have been led astray."""
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
