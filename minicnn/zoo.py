"""The catalogue of weights: what there is, where it comes from, and where it lies on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from minicnn.errors import InputError, MissingFileError

PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Weights:
    """One row of the catalogue. sha256, md5: of the file, None where they are not known."""

    name: str
    file: str
    source: str
    licence: str
    sha256: str | None = None
    md5: str | None = None
    note: str = ""


_CATALOG = (
    Weights(
        "tiny_vgg",
        "tiny_vgg.h5",
        source="minicnn train tiny_vgg, on CIFAR-10 (Krizhevsky 2009)",
        licence="MIT",
        note="shipped with minicnn",
    ),
)


def catalog() -> tuple[Weights, ...]:
    """All weights that have a name."""
    return _CATALOG


def path(name: str) -> Path:
    """The file of a name in the catalogue: in the folder that MINICNN_WEIGHTS names, or else as shipped.

    Raises InputError for an unknown name, MissingFileError when the file is in neither place.
    """
    for row in _CATALOG:
        if row.name == name:
            places = folders()
            for folder in places:
                if (folder / row.file).is_file():
                    return folder / row.file
            looked = " nor in ".join(repr(str(folder)) for folder in places)
            raise MissingFileError(
                f"weights {name!r}: no {row.file} in {looked}; put it there (MINICNN_WEIGHTS names another folder)"
            )
    raise InputError(f"weights {name!r} is not in the catalogue; expected one of {_names()}")


def locate(weights: str | os.PathLike[str]) -> Path:
    """The file that a name in the catalogue, or else a path, means. Raises InputError or MissingFileError."""
    if not isinstance(weights, (str, os.PathLike)):
        raise InputError(f"weights is a {type(weights).__name__}; expected a catalogue name or a path")
    if any(weights == row.name for row in _CATALOG):
        return path(str(weights))
    if not os.path.exists(weights):
        raise MissingFileError(f"weights {os.fspath(weights)!r} is neither a file nor in the catalogue ({_names()})")
    return Path(weights)


def folders() -> list[Path]:
    """The folders to look in. An installed package has its weights inside, a checkout beside it."""
    shipped = PACKAGE / "shipped" / "weights"
    chosen = os.environ.get("MINICNN_WEIGHTS")
    return [*([Path(chosen)] if chosen else []), shipped if shipped.is_dir() else PACKAGE.parent / "weights"]


def _names() -> str:
    return ", ".join(row.name for row in _CATALOG)
