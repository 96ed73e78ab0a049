"""Atomic writes, delayed interrupts, and protection of existing files."""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from minicnn.errors import InputError, MissingFileError

PACKAGE = Path(__file__).parent
MISSING, CLOSED = "does not exist", "cannot be opened: Permission denied"
MARK = "made by minicnn"  # in files that may be replaced without --force
OLDER_MARK = b'{\n "versions": {\n  "minicnn": '  # beginning of older manifests
MARKED = 2**16  # bytes at either end of a file that are searched for the mark


def material(name: str) -> Path:
    """Return the folder "weights" or "tutorials": inside an installed package, or next to it in a checkout."""
    inside = PACKAGE / "shipped" / name
    return inside if os.path.isdir(inside) else PACKAGE.parent / name


def program(path: str) -> ModuleType:
    """Return the module in a file of the folder "tutorials", loaded once. Raise MissingFileError if it is absent."""
    file = material("tutorials") / path
    name = "minicnn_tutorials." + path.removesuffix(".py").replace("/", ".")
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, file)
        if specification is None or specification.loader is None or unreadable(file):
            raise MissingFileError(f"tutorials: {str(file)!r} {unreadable(file)}; install minicnn again")
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module  # where inspect looks for the source
        try:
            specification.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


@contextmanager
def replacing(path: Path, *, name: str | None = None, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary file next to `path`, and rename it to `path` if the block does not raise.

    A killed run leaves either the old or the new file; a block that raises leaves the old one. name: fixed name of the
    temporary file, so that the leftover of a killed run is overwritten. mode: permissions of the new file; until it is
    complete, only its owner may read it. Raise OSError.
    """
    # Use the same folder: a rename is atomic only within a file system.
    beside = path.with_name(name or f".minicnn-{secrets.token_hex(8)}.part")
    try:
        beside.unlink(missing_ok=True)
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else 0o600))
        yield beside
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        if mode is not None:
            os.chmod(beside, mode)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a file atomically, text in UTF-8. Raise OSError."""
    with replacing(path) as beside:
        # Escape undecodable bytes of file names (surrogates) by number, which JSON reads back.
        beside.write_bytes(content.encode(errors="backslashreplace") if isinstance(content, str) else content)


def unreadable(path: str | os.PathLike[str], *, folder: bool = False) -> str | None:
    """Return None if a regular file, or a folder, can be read at `path`, or a reason such as "does not exist".

    Unlike the methods of Path, this never raises, not even if a parent folder is unreadable or the name is too long.
    """
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except (OSError, ValueError) as problem:
        return f"cannot be opened: {getattr(problem, 'strerror', None) or problem}"
    if stat.S_ISDIR(mode) != folder:
        return "is a file" if folder else "is a folder"
    if not folder and not stat.S_ISREG(mode):  # a pipe could block forever
        return "is not a regular file"
    return None if os.access(path, os.R_OK) else CLOSED


def read_text(what: str, path: Path) -> str:
    """Return the text of a UTF-8 file, without a byte order mark. what: its name in errors. Raise InputError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:  # for example UTF-16, as some editors save it
        raise InputError(f"{what} {str(path)!r} is not in UTF-8 ({problem.reason}); save it as UTF-8") from None
    except OSError as problem:
        raise InputError(f"{what} {str(path)!r} cannot be read ({problem.strerror})") from None


def check_folder(what: str, path: Path) -> None:
    """Raise InputError, or MissingFileError, unless a file can be written to `path`. what: names the argument.

    Its folder must exist and be writable, and anything at `path` must be a regular file.
    """
    shown, folder = f"{what} {str(path)!r}", path.absolute().parent
    if (why := unreadable(folder, folder=True)) == MISSING:
        raise MissingFileError(f"{shown} is in a folder that does not exist")
    if why not in (None, CLOSED):
        raise InputError(f"{shown} cannot be written: its folder {why}")
    if (why := unreadable(path)) not in (None, MISSING, CLOSED):
        raise InputError(f"{shown} cannot be written: it {why}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{shown} cannot be written: no file can be made in its folder")


def bears_mark(path: Path) -> bool:
    """Return True if the file has the mark of minicnn near its beginning or end."""
    try:
        with open(path, "rb") as file:
            start = file.read(MARKED)
            file.seek(max(0, file.seek(0, os.SEEK_END) - MARKED))
            ends = start, file.read()
    except (OSError, ValueError):
        return False
    return any(mark in end for mark in (MARK.encode(), OLDER_MARK) for end in ends)


def hand_out(text: str, name: str, to: str | os.PathLike[str] | None, *, command: str) -> Path:
    """Write a file for the user to edit, and return its path. to: file or folder (default: NAME, here).

    command: name for error messages. Raise InputError rather than overwrite a file, which may hold somebody's work.
    """
    path = Path(to) if to is not None else Path()
    if os.path.isdir(path):
        path /= name
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{command}: {path} is there already, and may hold your work; --to names another") from None
    except (OSError, ValueError) as problem:
        raise InputError(f"{command}: {path} cannot be written: {getattr(problem, 'strerror', problem)}") from None
    return path


@contextmanager
def interrupts_wait() -> Iterator[list[int]]:
    """Delay Ctrl-C until the end of the step, so that no file holds half of one; a second Ctrl-C is not delayed.

    Yield a list that is empty until Ctrl-C is pressed, and then holds the signal.
    """
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield pressed
        return

    def note(number: int, frame: Any) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
