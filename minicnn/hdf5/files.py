"""HDF5 files from strangers: opened, walked, and refused where need be before a byte of data is read."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from minicnn.errors import InputError, LoadError, MissingFileError

# h5py costs some 100 ms to import, so only the functions that need it pay.
if TYPE_CHECKING:
    import h5py

EXPECTED = "expected an HDF5 file of weights"
MOST_OBJECTS = 100_000
LARGEST_ATTRIBUTE = 16 * 2**20  # bytes; the names of a thousand layers fill a thousandth of it
LARGEST_CHUNK = 64 * 2**20  # bytes; a chunk is decompressed whole, however little of it is wanted


@contextmanager
def opened(path: Any) -> Iterator[h5py.File]:
    """The file, open for reading. A LoadError from inside the block gets the file's name in front.

    Every file that is read comes in by this door, so whatever guards against damaged ones has one place.
    """
    label = _checked(path)
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except LoadError as problem:
        raise LoadError(f"{label}: {one_line(problem, longest=1500)}") from problem
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as problem:
        raise LoadError(f"{label} is damaged or truncated ({one_line(problem)}); {EXPECTED}") from problem


def _checked(path: Any) -> str:
    """How messages call the file, once it is known to be HDF5."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"weights is a {type(path).__name__}; expected the path of an HDF5 file")
    label = f"weights {os.fspath(path)!r}"
    place = Path(path)
    try:
        if not place.exists():
            raise MissingFileError(f"{label} does not exist; {EXPECTED}")
        if place.is_dir():
            raise LoadError(f"{label} is a folder; {EXPECTED}")
        if not place.is_file():  # a pipe would keep us waiting for ever
            raise LoadError(f"{label} is not a regular file; {EXPECTED}")
        with open(place, "rb") as file:
            start = file.read(4)
    except InputError:
        raise
    except (OSError, ValueError) as problem:
        raise LoadError(f"{label} cannot be opened ({one_line(problem)}); {EXPECTED}") from problem
    if not start:
        raise LoadError(f"{label} is empty; {EXPECTED}")
    import h5py

    if not h5py.is_hdf5(place):
        hint = " but a zip archive, as .keras files are" if start[:2] == b"PK" else ""
        raise LoadError(f"{label} is not HDF5{hint}; {EXPECTED}")
    return label


def one_line(said: object, longest: int = 200) -> str:
    """What an exception says, or a name from a file, on one line of bearable length."""
    text = " ".join(str(said).split()) or type(said).__name__
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def child(group: h5py.Group, name: str) -> Any:
    """The object called `name` in a group. Links that lead elsewhere, to other files or in circles, are refused."""
    from h5py import h5l

    kind = group.id.links.get_info(name.encode("utf-8", "surrogateescape")).type
    if kind != h5l.TYPE_HARD:
        what = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}.get(kind, "a link")
        raise LoadError(f"{name!r} in {group.name!r} is {what}; expected groups and datasets only")
    return group[name]


def subgroup(group: h5py.Group, name: str) -> h5py.Group | None:
    """The group called `name` in a group, or None."""
    import h5py

    found = child(group, name) if group.id.links.exists(name.encode()) else None
    return found if isinstance(found, h5py.Group) else None


def walk(group: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """(path below `group`, dataset) of every dataset in it. Iterative, and no object is visited twice."""
    import h5py

    seen = {h5py.h5o.get_info(group.id).addr}
    waiting = [("", group)]
    while waiting:
        prefix, parent = waiting.pop()
        for name in parent:
            if not isinstance(name, str):  # h5py leaves as bytes what it cannot decode
                raise LoadError(f"{name!r} in {parent.name!r} is no UTF-8 name")
            found = child(parent, name)
            address = h5py.h5o.get_info(found.id).addr
            if address in seen:
                raise LoadError(f"{prefix + name!r} has another name, too; expected a tree")
            seen.add(address)
            if len(seen) > MOST_OBJECTS:
                raise LoadError(f"there are more than {MOST_OBJECTS:,} groups and datasets")
            if isinstance(found, h5py.Group):
                waiting.append((f"{prefix}{name}/", found))
            elif isinstance(found, h5py.Dataset):
                yield prefix + name, found


def attribute(item: Any, name: str) -> Any:
    """The attribute of a group or dataset, bytes as str; None where there is none."""
    import h5py

    if name not in item.attrs:
        return None
    found = item.attrs.get_id(name)
    size = math.prod(found.shape or ()) * found.dtype.itemsize
    if size > LARGEST_ATTRIBUTE:
        raise LoadError(f"attribute {name!r} has {size:,} bytes; expected at most {LARGEST_ATTRIBUTE:,}")
    value = item.attrs[name]
    if isinstance(value, h5py.Empty):
        return None
    return value.decode("utf-8") if isinstance(value, bytes) else value


def names(group: h5py.Group, key: str) -> list[str] | None:
    """An attribute that lists names, or None. Keras cuts long lists into key0, key1, …"""
    if key in group.attrs:
        parts = [attribute(group, key)]
    else:
        parts = []
        while f"{key}{len(parts)}" in group.attrs:
            parts.append(attribute(group, f"{key}{len(parts)}"))
        if not parts:
            return None
    listed = [name for part in parts if part is not None for name in np.ravel(part)]
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in listed]


def is_brain_float(dataset: h5py.Dataset) -> bool:
    """Whether this is bfloat16, which HDF5 does not know: Keras stores two opaque bytes each, and says so."""
    return dataset.dtype == np.dtype("V2") and attribute(dataset, "dtype") == "bfloat16"


def read(file: h5py.File, path: str) -> np.ndarray:
    """The floats at `path`, whose shape the caller has found to be as expected."""
    dataset = file[path]
    if dataset.is_virtual or dataset.external:
        raise LoadError(f"{path!r} keeps its data in other files; expected them in this one")
    brain_float = is_brain_float(dataset)
    if dataset.dtype.kind != "f" and not brain_float:
        raise LoadError(f"{path!r} has dtype {dataset.dtype}; expected floats")
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > max(dataset.nbytes, LARGEST_CHUNK):
        raise LoadError(f"{path!r} is stored in chunks of {dataset.chunks}; its shape is {dataset.shape}")
    if dataset.size and not dataset.id.get_storage_size():
        raise LoadError(f"{path!r} claims {dataset.size:,} elements, and the file holds none of them")
    array = np.asarray(dataset[()])
    if brain_float:  # the upper half of a float32
        array = (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return array
