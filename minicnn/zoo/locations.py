"""The folders and files of weights on this machine. Nothing here uses the network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from minicnn.errors import InputError, MissingFileError, nearest
from minicnn.files import material
from minicnn.zoo import catalogue, packages
from minicnn.zoo.catalogue import DOWNLOADED, PHOTOGRAPHS, Weights, catalog, names


def home() -> Path:
    """Return the folder that `fetch` writes to: the one that MINICNN_WEIGHTS names, or else the user's cache."""
    return chosen() or cache()


def chosen() -> Path | None:
    """Return the folder that MINICNN_WEIGHTS names, or None."""
    name = os.environ.get("MINICNN_WEIGHTS")
    return Path(os.path.expanduser(name)) if name else None


def cache() -> Path:
    """Return the folder of weights in the user's cache."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("minicnn", appauthor=False)) / "weights"


def shipped() -> Path:
    """Return the folder of the weights that came with minicnn."""
    return material("weights")


def folders() -> list[Path]:
    """Return the folders to search, in order."""
    return list(_folders())


def _folders() -> Iterator[Path]:
    if (folder := chosen()) is not None:
        yield folder
    yield cache()
    yield shipped()


def find(name: str) -> Weights:
    """Return the row of this name. "faces" is the first encoder of photographs found here, or else the one to download.

    Raises InputError.
    """
    if name == "faces":
        name = next((known for known in PHOTOGRAPHS if here(catalogue.find(known))), DOWNLOADED)
    return catalogue.find(name)


def here(row: Weights) -> Path | None:
    """Return the file of a row of the catalogue, from a folder or else from a package; None if there is none."""
    files = (folder / row.file for folder in _folders_of(row))
    packaged = packages.find(row)
    return next(filter(os.path.isfile, files), packaged[1] if packaged else None)


def _folders_of(row: Weights) -> Iterator[Path]:
    """Return the folders to search for a row. Shipped weights are never fetched, so the cache is left out."""
    if row.loaded != "shipped":
        return _folders()
    return (folder for folder in (chosen(), shipped()) if folder is not None)


def path(name: str) -> Path:
    """Return the file of a name in the catalogue.

    Searches the folder that MINICNN_WEIGHTS names, the user's cache, the shipped weights, and installed packages. If a
    package has several files, its first is returned.
    Raises InputError for an unknown name, or MissingFileError if the file is in none of these.
    """
    row = find(name)
    if (found := here(row)) is not None:
        return found
    if row.loaded != "shipped":
        raise MissingFileError(f"weights {name!r} are not on this machine; to have them: {ways(row)}")
    looked = " nor in ".join(repr(str(folder)) for folder in _folders_of(row))
    raise MissingFileError(
        f"weights {name!r}: no {row.file} in {looked}; put it there (MINICNN_WEIGHTS names another folder)"
    )


def ways(row: Weights) -> str:
    """Return the commands that install the weights of a row."""
    fetch = [f"minicnn weights fetch {row.name}"] if row.link else []
    return ", or ".join([*([packages.INSTALL] if row.packages else []), *fetch])


def locate(weights: str | os.PathLike[str]) -> Path:
    """Return the file that a catalogue name or a path refers to. Raises InputError or MissingFileError."""
    if not isinstance(weights, (str, os.PathLike)):
        raise InputError(f"weights is a {type(weights).__name__}; expected a catalogue name or a path")
    if weights == "faces" or any(weights == row.name for row in catalog()):
        return path(str(weights))
    if not os.path.exists(weights):
        near = nearest(os.fspath(weights), [row.name for row in catalog()])
        raise MissingFileError(
            f"weights {os.fspath(weights)!r} is neither a file nor in the catalogue ({names()}){near}"
        )
    return Path(weights)
