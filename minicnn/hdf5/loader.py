"""Loading files into models. Everything is read and checked before the first parameter is replaced."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from minicnn import devices
from minicnn.errors import LoadError
from minicnn.hdf5.access import listing_of, named, opened
from minicnn.hdf5.entries import Source, Stream
from minicnn.hdf5.formats import OWN, Contents, contents
from minicnn.hdf5.matches import LoadReport, Match, arrays_of, match
from minicnn.nn import Module

BLOCK = 2**20  # elements; a block that was just read is still in the cache when it is checked


class Row(NamedTuple):
    """Name, shape and dtype of one dataset."""

    name: str
    shape: tuple[int, ...] | None
    dtype: str


def inspect(path: str | os.PathLike[str]) -> list[Row]:
    """Return (name, shape, dtype) of every dataset in an HDF5 file, whatever its layout. Raises as `load` does."""
    return [Row(name, entry.shape, entry.dtype) for name, entry in listing_of(path).arrays.items()]


@dataclass(frozen=True)
class Summary:
    """A description of a file. layout: "unknown" for HDF5 that does not hold weights in a known layout.

    rows: layer/variable, shape and dtype of every array of weights, in the order of the file. parameters: number of
    elements, running statistics included. size: in bytes. sha256: checksum of the file. attributes: those of the file
    that are text or numbers, such as model, licence, keras_version. notes: remarks for the user.
    """

    path: str
    layout: str
    rows: tuple[Row, ...]
    parameters: int
    size: int
    sha256: str
    attributes: Mapping[str, str | int | float]
    notes: tuple[str, ...] = ()


def summary(path: str | os.PathLike[str]) -> Summary:
    """Return a Summary of an HDF5 file without reading its arrays. Raises as `load` does."""
    listing = listing_of(path)
    notes: tuple[str, ...] = ()
    try:
        found = contents(listing)
    except LoadError as problem:
        layout, notes = "unknown", (str(problem),)
        rows = [(Row(name, entry.shape, entry.dtype), entry) for name, entry in listing.arrays.items()]
    else:
        layout = found.layout
        rows = [(Row(stored.name, stored.shape, stored.entry.dtype), stored.entry) for stored in found.arrays]
        if not found.named:
            notes = ("the file names no layers, only their classes",)
    said = {**listing.groups.get("model_weights", {}), **listing.groups[""]}
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    return Summary(
        os.fspath(path),
        layout,
        tuple(row for row, _ in rows),
        parameters=sum(entry.size for _, entry in rows if entry.floats),
        size=size,
        sha256=sha256,
        attributes={key: value for key, value in said.items() if isinstance(value, (str, int, float))},
        notes=notes,
    )


def compare(model: Module, path: str | os.PathLike[str], *, ignore: Iterable[str] = ()) -> LoadReport:
    """Return the report that `load` would give, leaving the model unchanged. Reads no array. Raises as `load` does."""
    with named(path):
        return match(model, contents(listing_of(path)), os.fspath(path), ignore)[1]


def load(model: Module, path: str | os.PathLike[str], *, strict: bool = True, ignore: Iterable[str] = ()) -> LoadReport:
    """Replace the model's parameters and running statistics with those in a file, each in the model's dtype.

    strict: refuse a file with missing, unexpected or mismatched arrays; if False, load what fits.
    ignore: layers that the file may hold though the model does not, such as a classifier's.
    Needs memory for the new arrays in addition to the model's. Raises MissingFileError, or LoadError for a file that is
    damaged, hostile or not finite. After an error the model is unchanged.
    """
    with opened(path) as file:
        arrays, report = read(model, file, os.fspath(path), strict, ignore)
    parameters, device = dict(model.named_parameters()), model.device or "cpu"
    for name, array in arrays.items():
        if name in parameters:
            parameters[name].data = devices.move(array, device)
        else:
            model.set_state(name, devices.move(array, device))
    return report


def read(
    model: Module, file: Source, path: str, strict: bool, ignore: Iterable[str]
) -> tuple[dict[str, np.ndarray], LoadReport]:
    """Return ({dotted name: new array}, report) for a model, from an open file. Raises LoadError."""
    found = contents(file.listing)
    fitting, report = match(model, found, path, ignore)
    if strict and not report.complete:
        raise LoadError(report.misfit())
    checksum = Checksum() if found.layout == OWN else None
    models = arrays_of(model)
    arrays = {}
    for name in sorted(fitting):  # the order of the checksum
        arrays[name] = _read(name, file, fitting[name], models[name], checksum)
    if checksum is not None:
        report = _verified(report, found, len(arrays), checksum)
    return arrays, report


def _read(name: str, file: Source, found: Match, expected: np.ndarray, checksum: Checksum | None) -> np.ndarray:
    """Return an array in the model's order and dtype. Reads and checks it block by block."""
    entry = found.stored.entry
    if entry.stored is None or not entry.floats:
        raise LoadError(f"{found.stored.path!r} has dtype {entry.dtype}; expected floats")
    array = np.empty(expected.shape, expected.dtype)
    stream = file.stream(found.stored.path)
    if checksum is not None:
        checksum.begin(name, entry.stored, expected.shape)
    for block, numbers in _blocks(found.order.view(array), stream, entry.stored):
        if checksum is not None:
            checksum.add(numbers)
        if entry.brain_float:  # the upper half of a float32
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        if numbers is not block:
            with np.errstate(over="ignore"):
                block[...] = numbers
        if not np.isfinite(block).all():
            raise LoadError(f"{name} holds NaN or infinity; expected finite numbers")
    return array


def _blocks(view: np.ndarray, stream: Stream, stored: np.dtype) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (block of `view`, its numbers from the file) until `view` is full. Both are one array if dtypes agree."""
    if view.flags.c_contiguous:
        view = view.reshape(-1)
    rows = max(1, BLOCK * len(view) // max(view.size, 1))
    scratch = None if view.dtype == stored and view.flags.c_contiguous else np.empty((rows, *view.shape[1:]), stored)
    for start in range(0, len(view), rows):
        block = view[start : start + rows]
        numbers = block if scratch is None else scratch[: len(block)]
        stream.fill(numbers)
        yield block, numbers


class Checksum:
    """SHA-256 of the names, shapes and stored numbers of arrays, in little-endian bytes. Arrays are sorted by name."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def begin(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        """Start the array of this name."""
        self._total.update(f"{name} {dtype.newbyteorder('<').str} {shape}\n".encode())

    def add(self, numbers: np.ndarray) -> None:
        """Add the next elements of the array."""
        self._total.update(numbers.astype(numbers.dtype.newbyteorder("<"), order="C", copy=False).data)

    def hexadecimal(self) -> str:
        """Return the checksum of all arrays so far, in hexadecimal."""
        return self._total.hexdigest()


def _verified(report: LoadReport, found: Contents, arrays: int, checksum: Checksum) -> LoadReport:
    """Return the report after verifying the checksum. Raises LoadError if the arrays are not those that were saved."""
    if arrays < len(found.arrays):
        note = "the checksum was not verified: it is that of all arrays, and not all were read"
        return replace(report, notes=(*report.notes, note))
    actual = checksum.hexadecimal()
    if found.checksum != actual:
        raise LoadError(f"the parameters have SHA-256 {actual}; the file says {found.checksum}")
    return report
