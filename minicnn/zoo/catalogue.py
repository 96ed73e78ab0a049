"""The catalogue of weights: origin, purpose, and the publisher's statements about them."""

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

    file: its name on this machine; the same as at the source, so that a copy downloaded by a browser is found, too.
    source: the link to it, or how it was made. model, options: the function in minicnn.models that loads it, and its
    keywords; None if minicnn has no such network. preprocessing: how that function prepares pictures.
    size: in bytes, or nearly. sha256, md5: checksums of the download, as published; None if not published.
    parts: {name: (link, SHA-256)} of the files that `file` is assembled from, if any; source is then their page.
    packages: {package: its first file}, for packages installable by pip that hold the same numbers.
    packaged: {file: SHA-256} of all files there. year: when the weights were published.
    loaded: how far the tests have loaded it, a key of LOADED. accuracy: as published, or
    as measured here for shipped weights.
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
        """URL to download; None if the weights are shipped or come with a package."""
        return self.source if self.source.startswith(("https://", "http://")) else None

    @property
    def zipped(self) -> bool:
        """True if the download is a zip archive that contains `file`."""
        return self.source.endswith(".zip")

    @property
    def published(self) -> tuple[str, str] | None:
        """("SHA-256" or "MD5", the published checksum) of the download; None if none is published."""
        if self.sha256:
            return "SHA-256", self.sha256
        return ("MD5", self.md5) if self.md5 else None

    @property
    def call(self) -> str:
        """The call that loads the weights, such as vgg19("vgg19_top", include_top=True)."""
        if self.model is None:
            return "no network of minicnn"
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f'{self.model}("{self.name}"{options})'


# Encoders of photographs, in order of preference. "faces" means the first that is here, or else the one to download.
# dlib's comes first because its exact file was tested. DeepFace is six times as large, and not better.
PHOTOGRAPHS = ("dlib_face", "facenet_512", "facenet_128", "openface")
DOWNLOADED = "facenet_512"


def catalog() -> tuple[Weights, ...]:
    """Return all weights in the catalogue, as a tuple of Weights."""
    return _rows()


@functools.cache
def _rows() -> tuple[Weights, ...]:
    with open(Path(__file__).with_suffix(".toml"), "rb") as file:
        return tuple(Weights(**{"model": None, **row}) for row in tomllib.load(file)["weights"])


def names() -> str:
    """Return all names, separated by commas, for messages."""
    return ", ".join(row.name for row in catalog())


def find(name: str) -> Weights:
    """Return the row of this name. Raise InputError if there is none."""
    for row in catalog():
        if row.name == name:
            return row
    near = nearest(name, [row.name for row in catalog()])
    raise InputError(f"weights {name!r} is not in the catalogue; expected one of {names()}{near}")
