"""Files that are handed out to be worked in: a lesson to change, an exercise to solve."""

from __future__ import annotations

import os
from pathlib import Path

from minicnn.errors import InputError


def hand_out(text: str, name: str, to: str | os.PathLike[str] | None, *, command: str) -> Path:
    """Write a file and return its path. to: NAME in the current folder by default; a folder; or a file.

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
