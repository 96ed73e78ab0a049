"""Checksums of files, computed and on record.

Each fetched FILE has a FILE.sha256 next to it, in the format of sha256sum. If a publisher states no checksum, the first
download is trusted, and later ones must be the same.
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
    """Return the checksum of a file in hexadecimal, read in pieces. kind: "SHA-256" or "MD5". Raises LoadError."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, NEW[kind]).hexdigest()
    except OSError as problem:
        raise LoadError(f"{path} cannot be read ({problem.strerror})") from problem


def record_of(path: Path) -> Path:
    """Return the path of the file that records the SHA-256 of a file."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """Return the SHA-256 on record for a file; None if there is no record. Raises LoadError for an invalid record."""
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
    """Record the SHA-256 of a file in a file next to it. Raises InputError if that cannot be written."""
    record = record_of(path)
    try:
        replace_file(record, f"{sha256}  {path.name}\n")
    except OSError as problem:
        raise InputError(f"{record} cannot be written ({problem.strerror})") from problem


def identify(path: Path, sha256: str) -> Weights | None:
    """Return the row of the catalogue that matches a file by checksum, or None. sha256: the file's."""
    for row in catalog():
        if sha256 in row.packaged.values():
            return row
        if row.zipped or row.published is None:
            known = recorded(path) if path.name == row.file else None
            same = sha256 == known
        else:
            kind, known = row.published
            likely = row.size in (None, path.stat().st_size)  # computing the MD5 of a large file takes a second
            same = likely and known == (sha256 if kind == "SHA-256" else digest(path, kind))
        if same:
            return row
    return None
