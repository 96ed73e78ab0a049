"""Converting weights that are published as pickled .npy files into one HDF5 file that is safe to read."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from minicnn.errors import InputError, LoadError
from minicnn.zoo import downloads, packages, pickled_arrays
from minicnn.zoo.catalogue import Weights
from minicnn.zoo.checksums import digest
from minicnn.zoo.downloads import Say
from minicnn.zoo.locations import folders


def assemble(row: Weights, out: Path, packaged: Path | None = None, *, progress: bool, say: Say) -> None:
    """Write the arrays of all parts of a row as out/PART/LAYER/ARRAY.

    packaged: the first file of a package that has them all. Otherwise, each part is taken from a folder of weights, or
    downloaded if none has it. Its checksum is verified before it is parsed.
    Raises MissingFileError, LoadError, or InputError for a full disk.
    """
    arrays = packages.read(packaged) if packaged else {}
    for name, (link, sha256) in () if packaged else row.parts.items():
        file = PurePosixPath(urlsplit(link).path).name
        content = _content(row, link, file, sha256, out.with_name(f".fetch-{row.name}-{file}.part"), progress, say)
        arrays |= _flat(pickled_arrays.read(content, file), name, file)
    _write(arrays, row, out)


def _content(row: Weights, link: str, file: str, sha256: str, part: Path, progress: bool, say: Say) -> bytes:
    """Return the content of a part, verified. Raises LoadError for another checksum."""
    here = next((folder / file for folder in folders() if os.path.isfile(folder / file)), None)
    try:
        if here is None:
            title = f"{row.name}, {file}"
            part.unlink(missing_ok=True)
            downloads.download(link, part, title=title, verifiable=True, progress=progress, say=say)
        found = here or part
        if (actual := digest(found)) != sha256:
            raise LoadError(f"{here or link} has SHA-256 {actual}; expected {sha256}")
        return found.read_bytes()
    finally:
        part.unlink(missing_ok=True)


def _flat(found: dict[str, Any], name: str, file: str) -> dict[str, np.ndarray]:
    """Return {PART/LAYER/ARRAY: array} from {layer: {name: array}}. Raises LoadError for anything but finite arrays."""
    arrays = {}
    for layer, variables in found.items():
        if not isinstance(variables, dict) or "/" in layer:
            raise LoadError(f"{file} holds no arrays below {layer[:80]!r}; expected those of a layer")
        for variable, array in variables.items():
            if not isinstance(array, np.ndarray) or "/" in variable or not np.isfinite(array).all():
                raise LoadError(f"{file} has no array of finite numbers in {layer[:80]}, {variable[:80]!r}")
            arrays[f"{name}/{layer}/{variable}"] = array
    return arrays


def _write(arrays: dict[str, np.ndarray], row: Weights, out: Path) -> None:
    import h5py

    try:
        with h5py.File(out, "w", locking=False) as file:
            file.attrs["licence"] = row.licence
            for name, array in arrays.items():
                file.create_dataset(name, data=array.astype(np.float32))
    except OSError as problem:
        raise InputError(f"fetch: {out.parent} cannot be written to ({problem})") from problem
