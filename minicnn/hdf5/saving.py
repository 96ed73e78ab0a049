"""Models into files, in minicnn's own layout."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minicnn.errors import InputError, MissingFileError
from minicnn.hdf5.layouts import OWN
from minicnn.hdf5.listing import one_line
from minicnn.hdf5.loading import Checksum
from minicnn.hdf5.matching import arrays_of, title
from minicnn.nn import Module

# float16 is for files that travel, so it is compressed; float32 would gain too little for the time that it takes.
COMPRESSION: dict[str, dict[str, Any]] = {
    "float16": {"compression": "gzip", "compression_opts": 9, "shuffle": True},
    "float32": {},
}
RESERVED = ("format", "model", "dtype", "sha256")


def save(
    model: Module,
    path: str | os.PathLike[str],
    *,
    dtype: str = "float32",
    attributes: Mapping[str, str | int | float] | None = None,
) -> None:
    """Write parameters and running statistics under their names. A killed run leaves `path` as it was.

    dtype: "float32", or "float16" for half the size. attributes: what else to say, such as licence or accuracy.
    Raises InputError or MissingFileError.
    """
    if dtype not in COMPRESSION:
        raise InputError(f"save: dtype is {dtype!r}; expected one of {', '.join(COMPRESSION)}")
    target = Path(path)
    if not target.parent.is_dir():
        raise MissingFileError(f"save: path {str(target)!r} is in a folder that does not exist")
    arrays = {name: _stored(name, array, dtype) for name, array in arrays_of(model).items()}
    header = {"format": OWN, "model": title(model), "dtype": dtype, "sha256": _checksum(arrays)}
    header |= _checked(attributes or {})
    # In the same folder, because a rename is atomic only within one file system.
    beside = target.with_name(f".minicnn-{secrets.token_hex(8)}.part")
    try:
        _write(beside, arrays, header, dtype)
        os.replace(beside, target)
    except (OSError, RuntimeError, ValueError, TypeError) as problem:
        raise InputError(f"save: path {str(target)!r} cannot be written ({one_line(problem)})") from problem
    finally:
        beside.unlink(missing_ok=True)


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    total = Checksum()
    for name in sorted(arrays):
        total.begin(name, arrays[name].dtype, arrays[name].shape)
        total.add(arrays[name])
    return total.hexadecimal()


def _write(path: Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], dtype: str) -> None:
    import h5py

    options = COMPRESSION[dtype]
    with h5py.File(path, "x") as file:
        for key, value in header.items():
            file.attrs[key] = value
        for name, array in arrays.items():
            file.create_dataset(name, data=array, **(options if array.ndim else {}))
    with open(path, "rb+") as written:
        os.fsync(written.fileno())


def _stored(name: str, array: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        stored = array.astype(dtype)
    if not np.isfinite(array).all():
        raise InputError(f"save: {name} holds NaN or infinity; expected finite numbers")
    if not np.isfinite(stored).all():
        raise InputError(f"save: {name} reaches {np.abs(array).max():.6g}, which {dtype} cannot hold")
    return stored


def _checked(attributes: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in attributes.items():
        if key in RESERVED:
            raise InputError(f"save: attribute {key!r} is written by save itself; expected another name")
        if not isinstance(value, (str, int, float, np.number)):
            raise InputError(f"save: attribute {key!r} is a {type(value).__name__}; expected text or number")
    return dict(attributes)
