"""Writing files: whole or not at all, not in the middle of a step, and never over somebody's work."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minicnn.errors import InputError, MissingFileError


@contextmanager
def replacing(path: Path, *, name: str | None = None, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary file beside `path` to write to, and rename it to `path` when the block ends well.

    A run that is killed leaves the old file or the new one, and a block that raises leaves the old one. name: of the
    temporary file, if one that a killed run left is to be written over. mode: permissions of the new file; until it is
    complete, only its owner may read it. Raises OSError.
    """
    # In the same folder, because a rename is atomic only within one file system.
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
    """Write a file, whole or not at all; text in UTF-8. Raises OSError."""
    with replacing(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


def check_folder(what: str, path: Path) -> None:
    """Raise MissingFileError unless the folder that `path` would be written to exists. what: names the argument."""
    if not os.path.isdir(path.absolute().parent):
        raise MissingFileError(f"{what} {str(path)!r} is in a folder that does not exist")


def hand_out(text: str, name: str, to: str | os.PathLike[str] | None, *, command: str) -> Path:
    """Write a file to work in, and return its path. to: NAME in the current folder by default; a folder; or a file.

    command: whose it is, for the errors. Never writes over another file, which may hold somebody's work. Raises
    InputError.
    """
    path = Path(to) if to is not None else Path()
    if path.is_dir():
        path /= name
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{command}: {path} is there already, and may hold your work; --to names another") from None
    except OSError as problem:
        raise InputError(f"{command}: {path} cannot be written: {problem.strerror or problem}") from None
    return path


@contextmanager
def interrupts_wait() -> Iterator[list[int]]:
    """Let Ctrl-C wait for the end of the step, so that no file holds half of one; a second Ctrl-C does not wait.

    Yields a list, which holds the signal once Ctrl-C was pressed, and is empty before.
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
