"""Files into models: everything is checked before the first parameter is replaced."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from minicnn.errors import LoadError
from minicnn.hdf5.files import attribute, opened, read, walk
from minicnn.hdf5.layouts import OWN, Contents, contents
from minicnn.hdf5.matching import LoadReport, arrays_of, match
from minicnn.nn import Module


class Row(NamedTuple):
    """One dataset of a file."""

    name: str
    shape: tuple[int, ...] | None
    dtype: str


def inspect(path: str | os.PathLike[str]) -> list[Row]:
    """(name, shape, dtype) of every dataset in an HDF5 file, whatever its layout. Raises as `load` does."""
    with opened(path) as file:
        return [Row(name, dataset.shape, str(dataset.dtype)) for name, dataset in walk(file)]


@dataclass(frozen=True)
class Summary:
    """What a file says about itself. layout: "unknown" for HDF5 that holds no weights as we know them.

    rows: layer/variable, shape and dtype of every array of weights, in the file's order. parameters: their numbers,
    running statistics included. size: bytes of the file; sha256: of all of them. attributes: what the file says in
    words and numbers, such as model, licence, keras_version. notes: what else is worth knowing.
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
    """What an HDF5 file holds, without reading its arrays. Raises as `load` does."""
    with opened(path) as file:
        try:
            found = contents(file)
        except LoadError:
            layout, notes = "unknown", ()
            rows = tuple(Row(name, dataset.shape, str(dataset.dtype)) for name, dataset in walk(file))
        else:
            layout = found.layout
            notes = () if found.named else ("the file names no layers, only their classes",)
            rows = tuple(Row(stored.name, stored.shape, str(stored.dtype)) for stored in found.arrays)
        said = {key: attribute(file, key) for key in file.attrs if not key.endswith("_config")}
    with open(path, "rb") as content:
        sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    return Summary(
        os.fspath(path),
        layout,
        rows,
        parameters=sum(math.prod(row.shape) for row in rows if row.shape is not None and "float" in row.dtype),
        size=os.path.getsize(path),
        sha256=sha256,
        attributes={key: value for key, value in said.items() if isinstance(value, (str, int, float, np.number))},
        notes=notes,
    )


def compare(model: Module, path: str | os.PathLike[str], *, ignore: Iterable[str] = ()) -> LoadReport:
    """What `load` would report; no array is read and the model does not change. Raises as `load` does."""
    with opened(path) as file:
        return match(model, contents(file), os.fspath(path), ignore)[1]


def load(model: Module, path: str | os.PathLike[str], *, strict: bool = True, ignore: Iterable[str] = ()) -> LoadReport:
    """Replace the model's parameters and running statistics by those in a file, each in the dtype it has.

    strict: refuse a file in which anything is missing, too much or of another shape; if not, load what fits.
    ignore: layers that the file may hold though the model does not, such as a classifier's.
    Raises MissingFileError, or LoadError for a file that is damaged, hostile or not finite; the model then is as
    it was.
    """
    with opened(path) as file:
        found = contents(file)
        fitting, report = match(model, found, os.fspath(path), ignore)
        if strict and not report.complete:
            raise LoadError(report.misfit())
        arrays = {name: read(file, stored.path) for name, stored in fitting.items()}
        if found.layout == OWN:
            report = _verified(report, found, arrays)
        expected = arrays_of(model)
        arrays = {name: _converted(name, array, expected[name].dtype) for name, array in arrays.items()}
    parameters = dict(model.named_parameters())
    for name, array in arrays.items():
        if name in parameters:
            parameters[name].data = array
        else:
            model.set_state(name, array)
    return report


def _converted(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype)
    if not np.isfinite(array).all():
        raise LoadError(f"{name} holds NaN or infinity; expected finite numbers")
    return array


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names, shapes and numbers as stored, whatever the order of the arrays or the machine's bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name].astype(arrays[name].dtype.newbyteorder("<"), order="C", copy=False)
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.data)
    return total.hexdigest()


def _verified(report: LoadReport, found: Contents, arrays: Mapping[str, np.ndarray]) -> LoadReport:
    """The report, once the arrays are known to be those that were saved."""
    if len(arrays) < len(found.arrays):
        note = "the checksum was not verified: it is that of all arrays, and not all were read"
        return replace(report, notes=(*report.notes, note))
    actual = digest(arrays)
    if found.checksum != actual:
        raise LoadError(f"the parameters have SHA-256 {actual}; the file says {found.checksum}")
    return report
