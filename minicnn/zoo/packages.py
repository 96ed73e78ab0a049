"""Weights in packages installed by pip, found without importing them and read without unpickling."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minicnn import hdf5
from minicnn.errors import LoadError
from minicnn.zoo import catalogue, dlib_file, lz4_frame, pickled_arrays
from minicnn.zoo.catalogue import Weights

INSTALL = "pip install '.[faces]'"

# The arrays in mtcnn's three files, in order: one per PReLU, two per other layer.
STAGES = {
    "pnet": "conv1 PReLU1 conv2 PReLU2 conv3 PReLU3 conv4-2 conv4-1",
    "rnet": "conv1 prelu1 conv2 prelu2 conv3 prelu3 conv4 prelu4 conv5-2 conv5-1",
    "onet": "conv1 prelu1 conv2 prelu2 conv3 prelu3 conv4 prelu4 conv5 prelu5 conv6-2 conv6-3 conv6-1",
}


def find(row: Weights) -> tuple[str, Path] | None:
    """Return the package that has the weights of a row, and its first file; None if none is installed."""
    for package, place in row.packages.items():
        module, _, file = place.partition("/")
        for folder in _folders(module):
            if os.path.isfile(folder / file):
                return package, folder / file
    return None


def _folders(module: str) -> Iterator[Path]:
    """Yield the folders of a package, without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return
    yield from map(Path, (spec and spec.submodule_search_locations) or ())


def read(path: Path, *, verify: bool = True) -> dict[str, np.ndarray]:
    """Return {LAYER/weights, LAYER/biases or LAYER/alpha: float32 array} from a package's file.

    The three files of MTCNN are read together. verify: check their SHA-256. Raises LoadError if a file is missing,
    damaged or another one.
    """
    of_mtcnn = path.suffix == ".lz4"
    arrays: dict[str, np.ndarray] = {}
    for name, sha256 in catalogue.find("mtcnn" if of_mtcnn else "dlib_face").packaged.items():
        part = path.with_name(name) if of_mtcnn else path
        try:
            with open(part, "rb") as file:
                content = file.read(pickled_arrays.LARGEST)
        except OSError as problem:
            raise LoadError(f"{part} cannot be read ({problem.strerror}); {INSTALL} installs it") from problem
        if verify and (actual := hashlib.sha256(content).hexdigest()) != sha256:
            raise LoadError(f"{part.name} has SHA-256 {actual}; expected {sha256}, as in {INSTALL}")
        if of_mtcnn:
            arrays |= _stage(content, part.name)
            continue
        with pickled_arrays.told_of(part.name, "expected dlib's face recognition network"):
            arrays |= dlib_file.read(content)
    for name, array in arrays.items():
        if array.dtype != np.float32 or not abs(array).max(initial=0) <= dlib_file.LARGEST:  # refuses NaN, too
            raise LoadError(f"{name} holds more than float32 up to {dlib_file.LARGEST:g}; expected weights")
    return arrays


def _stage(content: bytes, label: str) -> dict[str, np.ndarray]:
    """Return the arrays of one of MTCNN's networks, with the names and axis order of facenet's files."""
    stage = label.partition(".")[0]
    names = [
        f"{layer}/{variable}"
        for layer in STAGES[stage].split()
        for variable in (("alpha",) if "relu" in layer.lower() else ("weights", "biases"))
    ]
    found = pickled_arrays.read_list(content, label)
    if len(found) != len(names):
        raise LoadError(f"{label} holds {len(found)} arrays; expected {len(names)}")
    arrays = {}
    for name, array in zip(names, found, strict=True):
        turned = array.reshape(-1) if name.endswith("alpha") else array
        turned = turned.transpose(1, 0, 2, 3) if turned.ndim == 4 else turned
        arrays[f"{stage}/{name}"] = np.ascontiguousarray(turned)
    return arrays


for beginning in (dlib_file.BEGINNING, lz4_frame.MAGIC):
    hdf5.accept(beginning, read)
