"""Checksums: what a file has, and what was written down about it.

Beside every fetched FILE lies FILE.sha256, as sha256sum writes and checks it. Where a publisher states no checksum,
the first download is trusted, and what comes later must be the same.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from minicnn.errors import InputError, LoadError
from minicnn.files import replace_file
from minicnn.zoo.catalogue import Weights, catalog

NEW = {"SHA-256": hashlib.sha256, "MD5": lambda: hashlib.md5(usedforsecurity=False)}


def digest(path: Path, kind: str = "SHA-256") -> str:
    """The checksum of a file, read in pieces. kind: "SHA-256" or "MD5"."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, NEW[kind]).hexdigest()
    except OSError as problem:
        raise LoadError(f"{path} cannot be read ({problem.strerror})") from problem


def record_of(path: Path) -> Path:
    """Where the SHA-256 of a file is written down."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """The SHA-256 that was written down for a file; None where none was. Raises LoadError for a record that is none."""
    record = record_of(path)
    try:
        text = record.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        text = ""
    found = re.match(r"[0-9a-f]{64}\b", text.lower())
    if found is None:
        raise LoadError(f"{record} holds no SHA-256; delete it to accept the file as it is")
    return found.group()


def write_down(path: Path, sha256: str) -> None:
    """Record the SHA-256 of a file beside it."""
    record = record_of(path)
    try:
        replace_file(record, f"{sha256}  {path.name}\n")
    except OSError as problem:
        raise InputError(f"{record} cannot be written ({problem.strerror})") from problem


def identify(path: Path, sha256: str) -> Weights | None:
    """The row of the catalogue that a file is, by its checksums; sha256: the file's own."""
    for row in catalog():
        if sha256 in row.packaged.values():
            return row
        if row.zipped or row.published is None:
            known = recorded(path) if path.name == row.file else None
            same = sha256 == known
        else:
            kind, known = row.published
            likely = row.size in (None, path.stat().st_size)  # the other sum of a large file takes a second
            same = likely and known == (sha256 if kind == "SHA-256" else digest(path, kind))
        if same:
            return row
    return None
