"""A lesson to step through and to change: a copy in the learner's own folder."""

from __future__ import annotations

import os
from pathlib import Path

from minicnn.errors import InputError
from minicnn.lessons.shelf import find


def copy(name: str, to: str | os.PathLike[str] | None = None) -> Path:
    """Write a copy of a lesson and return its path. to: the current folder by default; a folder; or a file.

    Never writes over another file, which may hold somebody's work. Raises InputError.
    """
    lesson = find(name)
    path = Path(to) if to is not None else Path()
    if path.is_dir():
        path /= lesson.path.name
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(lesson.source)
    except FileExistsError:
        raise InputError(
            f"tutorial open: {path} is there already, and may hold your work; --to names another"
        ) from None
    except OSError as problem:
        raise InputError(f"tutorial open: {path} cannot be written: {problem.strerror or problem}") from None
    return path
